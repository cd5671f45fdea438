#pragma once

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "countersign/store.h"

namespace countersign::bench {

using Clock = std::chrono::steady_clock;

/// One line of a benchmark's output: `name value unit`.
inline void print(const std::string& name, double value, const char* unit) {
    std::printf("%s %.4g %s\n", name.c_str(), value, unit);
    std::fflush(stdout);
}

/// How busy the machine is with other things: to be printed first, since all figures depend on it.
inline void print_load() {
    double load = 0;
    if (getloadavg(&load, 1) == 1) print("machine_load", load, "runnable");
}

/// What was reached, what the machine allows in the same run, and their quotient: 1 is the limit.
inline void print_with_limit(const std::string& name,
                             double value,
                             double limit,
                             const char* unit) {
    print(name, value, unit);
    print(name + "_limit", limit, unit);
    print(name + "_ratio", value / limit, "of_limit");
}

/// Seconds that `work` takes.
template <class Work>
double seconds(Work&& work) {
    const auto begin = Clock::now();
    work();
    return std::chrono::duration<double>(Clock::now() - begin).count();
}

/// The middle of several measurements of the same thing.
inline double median(std::vector<double> values) {
    std::ranges::sort(values);
    return values[values.size() / 2];
}

/// The least of several, for what is short enough that a busy machine leaves some undisturbed.
inline double least(const std::vector<double>& values) {
    return *std::ranges::min_element(values);
}

template <class T>
T require(Result<T> result) {
    if (!result) {
        std::fprintf(stderr, "%s\n", result.error().message().c_str());
        std::exit(1);
    }
    if constexpr (!std::is_void_v<T>) return std::move(*result);
}

/// A directory that goes with the object, on the disk where the benchmark runs.
class Directory {
  public:
    Directory() {
        char name[] = "bench.XXXXXX";
        if (mkdtemp(name) == nullptr) std::exit(1);
        path_ = std::filesystem::absolute(name).string();
    }
    Directory(const Directory&) = delete;
    Directory& operator=(const Directory&) = delete;
    ~Directory() { std::filesystem::remove_all(path_); }
    std::string in(const std::string& name) const { return path_ + "/" + name; }

  private:
    std::string path_;
};

inline Options store_options(const Directory& directory) {
    return {.directory = directory.in("store"),
            .node_name = "bench",
            .key_provider = key_file(directory.in("key"))};
}

/// A new store with hashes of this cost.
inline Store make_store(const Directory& directory,
                        std::uint32_t memory_kib,
                        std::uint32_t passes) {
    const auto environment = system_environment();
    require(make_key_file(directory.in("key"), *environment));
    auto options = store_options(directory);
    options.pool.hash_memory_kib = memory_kib;
    options.pool.hash_passes = passes;
    return require(Store::create(std::move(options)));
}

inline std::string login_of(int number) {
    return "user" + std::to_string(number);
}

/// The least that Argon2id takes: so that all the rest shows.
constexpr std::uint32_t least_memory_kib = 8;

/// Of "correct horse battery staple", at the least cost.
constexpr const char* password = "correct horse battery staple";
constexpr const char* password_hash =
    "$argon2id$v=19$m=8,t=1,p=1$3i9+qkkovG32gyv1kak1VA$/4ksckDeNHj+ouZ+xwkj4FJ1ak9ZDzea61kkLL53XXI";

/// Users with `password`, an address and a name each.
inline void add_users(Store& store, int users) {
    constexpr int at_once = 10'000;
    for (int first = 0; first < users; first += at_once) {
        std::vector<NewUser> many(static_cast<std::size_t>(std::min(at_once, users - first)));
        for (int number = first; auto& user : many) {
            user.login = login_of(number);
            user.email = user.login + "@branch.example.com";
            user.display_name = "Employee Number " + std::to_string(number);
            user.password_hash = password_hash;
            ++number;
        }
        for (auto& made : store.users().create_many(std::move(many))) require(std::move(made));
    }
}

}  // namespace countersign::bench
