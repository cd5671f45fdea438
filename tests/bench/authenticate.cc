// Signing in, against what libsodium alone takes to verify the same hash; and a crowd of sign-ins
// within the memory that is allowed to hashes.
#include <atomic>
#include <thread>

#include <sodium.h>

#include "bench/bench.h"
#include "bench/resident.h"
#include "bench/sign_in.h"

namespace countersign::bench {
namespace {

double store_rate(Store& store, unsigned threads, int each) {
    const double time = seconds([&] {
        std::vector<std::jthread> running;
        for (unsigned i = 0; i < threads; ++i) {
            running.emplace_back([&, login = login_of(static_cast<int>(i))] {
                for (int n = 0; n < each; ++n) sign_in(store, login);
            });
        }
    });
    return threads * each / time;
}

void add_user(Store& store, int number) {
    NewUser user;
    user.login = login_of(number);
    user.password = Secret(password);
    require(store.users().create(std::move(user)));
}

void authenticate(const std::string& variant, std::uint32_t memory_kib, std::uint32_t passes) {
    const Directory directory;
    auto store = make_store(directory, memory_kib, passes);
    for (int number = 0; number < 2; ++number) add_user(store, number);
    const int each = memory_kib > 32 * 1024 ? 12 : 40;
    for (const unsigned threads : {1u, 2u}) {
        std::vector<double> reached;
        std::vector<double> limits;
        for (int round = 0; round < 5; ++round) {
            limits.push_back(bare_rate(memory_kib, passes, threads, each));
            reached.push_back(store_rate(store, threads, each));
        }
        // Its plain name is that of one thread.
        const char* const suffix = threads == 1 ? "" : "_2";
        print_with_limit(
            "authenticate_" + variant + suffix, median(reached), median(limits), "per_s");
    }
}

/// 64 at once at 64 MiB each, within 160 MiB: two hash at a time and the others wait.
void crowd() {
    constexpr int callers = 64;
    constexpr std::uint32_t memory_kib = 64 * 1024;
    constexpr std::uint32_t passes = 2;
    const Directory directory;
    auto store = make_store(directory, memory_kib, passes);
    for (int number = 0; number < callers; ++number) add_user(store, number);
    const double limit = bare_rate(memory_kib, passes, 2, callers / 4);

    const double before = resident_mib();
    forget_peak();
    std::atomic<double> slowest = 0;
    const double time = seconds([&] {
        std::vector<std::jthread> running;
        for (int number = 0; number < callers; ++number) {
            running.emplace_back([&, number] {
                const double own = seconds([&] { sign_in(store, login_of(number)); });
                double known = slowest;
                while (known < own && !slowest.compare_exchange_weak(known, own)) {
                }
            });
        }
    });
    print("authenticate_crowd_resident_peak", peak_resident_mib(), "MiB");
    print("authenticate_crowd_resident_before", before, "MiB");
    print("authenticate_crowd_slowest", slowest, "s");
    print_with_limit("authenticate_crowd", callers / time, limit, "per_s");
}

}  // namespace
}  // namespace countersign::bench

int main() {
    countersign::bench::print_load();
    if (sodium_init() < 0) return 1;
    countersign::bench::authenticate("19mib", 19 * 1024, 2);
    countersign::bench::authenticate("64mib", 64 * 1024, 2);
    countersign::bench::crowd();
}
