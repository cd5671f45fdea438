// What a serving node with 100,000 users holds in memory beyond Argon2's own (hashes of the least
// cost: 8 KiB), while users sign in, are changed and looked up, and a replica copies the pool.
#include <atomic>
#include <thread>

#include "bench/process.h"
#include "bench/resident.h"
#include "bench/serving.h"
#include "bench/sign_in.h"

namespace countersign::bench {
namespace {

void work_on(Store& store, int users) {
    constexpr int attempts_each = 10'000;
    constexpr unsigned threads = 4;
    std::vector<std::jthread> running;
    for (unsigned thread = 0; thread < threads; ++thread) {
        running.emplace_back([&, thread] {
            for (int n = 0; n < attempts_each; ++n) {
                const int number = (n * 37 + static_cast<int>(thread) * 25'013) % users;
                sign_in(store, login_of(number));
                if (n % 10 != 0) continue;
                const auto user = require(store.users().find(login_of(number)));
                require(store.users().change(user.id, {.display_name = "Changed"}));
            }
        });
    }
}

/// The replica's process tells that it holds a copy by a line of its own.
struct Talk {
    Pipe invitation;
    Pipe copied;
};

void serve(const Directory& directory, int users, const std::string& variant, Talk& talk) {
    EventLoop loop;
    auto store = require(Store::open(store_options(directory)));
    const Serving serving(loop, store);
    print("memory_" + variant + "_opened", resident_mib(), "MiB");
    work_on(store, users);
    print("memory_" + variant + "_signing_in", resident_mib(), "MiB");
    talk.invitation.say(
        require(store.nodes().invite({.name = "branch", .addresses = {serving.address()}})).text());
    talk.copied.hear();
    print("memory_" + variant, resident_mib(), "MiB");
    print("memory_" + variant + "_private", status_mib("RssAnon"), "MiB");
    print("memory_" + variant + "_peak", peak_resident_mib(), "MiB");
}

void replicate(const Directory& directory, const std::string& variant, Talk& talk) {
    const Secret invitation(talk.invitation.hear());
    EventLoop loop;
    const auto store = join_pool(loop, directory, invitation);
    print("memory_" + variant + "_replica", resident_mib(), "MiB");
    print("memory_" + variant + "_replica_peak", peak_resident_mib(), "MiB");
    talk.copied.say("");
}

void memory(int users, const std::string& variant) {
    const Directory here;
    const Directory elsewhere;
    apart([&] {
        auto store = make_store(here, least_memory_kib, 1);
        add_users(store, users);
    });
    Talk talk;
    Child replica([&] { replicate(elsewhere, variant, talk); });
    Child primary([&] { serve(here, users, variant, talk); });
}

}  // namespace
}  // namespace countersign::bench

int main() {
    countersign::bench::print_load();
    if (sodium_init() < 0) return 1;
    countersign::bench::memory(100, "100");
    countersign::bench::memory(100'000, "100k");
}
