// Signing in, against what libsodium alone takes to verify the same hash.
#include <thread>

#include <sodium.h>

#include "bench/bench.h"

namespace countersign::bench {
namespace {

constexpr const char* password = "correct horse battery staple";

SignIn attempt(const std::string& login, const char* typed) {
    SignIn sign_in;
    sign_in.login = login;
    sign_in.password = Secret(typed);
    return sign_in;
}

/// Verifications a second by bare libsodium at this cost, on `threads` threads.
double bare_rate(std::uint32_t memory_kib, std::uint32_t passes, unsigned threads, int each) {
    char hash[crypto_pwhash_STRBYTES];
    const std::size_t size = std::char_traits<char>::length(password);
    if (crypto_pwhash_str(hash, password, size, passes, std::size_t{memory_kib} << 10) != 0)
        std::exit(1);
    const double time = seconds([&] {
        std::vector<std::jthread> running;
        for (unsigned i = 0; i < threads; ++i) {
            running.emplace_back([&] {
                for (int n = 0; n < each; ++n) {
                    if (crypto_pwhash_str_verify(hash, password, size) != 0) std::exit(1);
                }
            });
        }
    });
    return threads * each / time;
}

double store_rate(Store& store, unsigned threads, int each) {
    const double time = seconds([&] {
        std::vector<std::jthread> running;
        for (unsigned i = 0; i < threads; ++i) {
            running.emplace_back([&, login = "user" + std::to_string(i)] {
                for (int n = 0; n < each; ++n) {
                    const auto result = require(store.authenticate(attempt(login, password)));
                    if (result.verdict != Verdict::accepted) std::exit(1);
                }
            });
        }
    });
    return threads * each / time;
}

void authenticate(const std::string& variant, std::uint32_t memory_kib, std::uint32_t passes) {
    const Directory directory;
    auto store = make_store(directory, memory_kib, passes);
    for (unsigned i = 0; i < 2; ++i) {
        NewUser user;
        user.login = "user" + std::to_string(i);
        user.password = Secret(password);
        require(store.users().create(std::move(user)));
    }
    const int each = memory_kib > 32 * 1024 ? 12 : 40;
    for (const unsigned threads : {1u, 2u}) {
        std::vector<double> reached;
        std::vector<double> limits;
        for (int round = 0; round < 5; ++round) {
            limits.push_back(bare_rate(memory_kib, passes, threads, each));
            reached.push_back(store_rate(store, threads, each));
        }
        print_with_limit("authenticate_" + variant + "_" + std::to_string(threads),
                         median(reached),
                         median(limits),
                         "per_s");
    }
}

/// Hashes of the least cost, so that all the rest shows: with 100,000 users, microseconds.
void overhead() {
    constexpr std::uint32_t least_memory_kib = 8;
    constexpr int users = 100'000;
    constexpr int rounds = 2'000;
    const Directory directory;
    auto store = make_store(directory, least_memory_kib, 1);
    std::string hash;
    {
        char phc[crypto_pwhash_STRBYTES];
        const std::size_t size = std::char_traits<char>::length(password);
        if (crypto_pwhash_str(phc, password, size, 1, least_memory_kib << 10) != 0) std::exit(1);
        hash = phc;
    }
    for (int first = 0; first < users; first += 10'000) {
        std::vector<NewUser> many(10'000);
        for (int i = 0; i < 10'000; ++i) {
            many[static_cast<std::size_t>(i)].login = "user" + std::to_string(first + i);
            many[static_cast<std::size_t>(i)].password_hash = hash;
        }
        for (auto& made : store.users().create_many(std::move(many))) require(std::move(made));
    }
    const double bare = 1e6 / bare_rate(least_memory_kib, 1, 1, rounds);
    const double success = seconds([&] {
        for (int n = 0; n < rounds; ++n) {
            require(store.authenticate(attempt("user" + std::to_string(n * 37 % users), password)));
        }
    });
    const double failure = seconds([&] {
        for (int n = 0; n < rounds; ++n) {
            require(store.authenticate(attempt("user" + std::to_string(n * 41 % users), "wrong")));
        }
    });
    print("authenticate_overhead_bare_hash", bare, "us");
    print("authenticate_overhead_success", 1e6 * success / rounds - bare, "us");
    print("authenticate_overhead_failure_durable", 1e6 * failure / rounds - bare, "us");
}

}  // namespace
}  // namespace countersign::bench

int main() {
    if (sodium_init() < 0) return 1;
    countersign::bench::authenticate("19mib", 19 * 1024, 2);
    countersign::bench::authenticate("64mib", 64 * 1024, 2);
    countersign::bench::overhead();
}
