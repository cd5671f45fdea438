#include "attempts/throttle.h"

#include <limits>

#include <doctest/doctest.h>

#include "rows.h"

using namespace countersign;
using namespace countersign::attempts;
using namespace countersign::attempts::testing;
using namespace std::chrono_literals;

namespace {

constexpr auto most = std::numeric_limits<std::uint64_t>::max();

}  // namespace

TEST_CASE("throttle: below max_failures: not locked; from there longer each time, up to the cap") {
    const ThrottlePolicy policy;
    const Instant receipt(5s);
    CHECK_FALSE(locked_until(0, receipt, policy));
    CHECK_FALSE(locked_until(9, receipt, policy));
    CHECK(locked_until(10, receipt, policy) == receipt + 30s);
    CHECK(locked_until(11, receipt, policy) == receipt + 60s);
    CHECK(locked_until(16, receipt, policy) == receipt + 1920s);
    CHECK(locked_until(17, receipt, policy) == receipt + 1h);
    CHECK(locked_until(most, receipt, policy) == receipt + 1h);
}

TEST_CASE("throttle: other figures: no backoff, no time, no cap to speak of") {
    CHECK(lock_time(500, {.max_failures = 3, .lock_for = 7ms, .backoff = 1}) == 7ms);
    CHECK(lock_time(500, {.max_failures = 3, .lock_for = 0ms}) == 0ms);
    CHECK(lock_time(5, {.max_failures = 3, .lock_for = 7ms, .backoff = 3}) == 63ms);
    CHECK(lock_time(5, {.max_failures = 3, .lock_for = 7ms, .backoff = 3, .lock_cap = 62ms}) ==
          62ms);
}

TEST_CASE("throttle: any figures at all: between nothing and the cap, never overflowing") {
    for (const std::uint32_t max_failures : {0U, 1U, 10U, ~0U}) {
        for (const std::uint32_t backoff : {0U, 1U, 2U, 3U, ~0U}) {
            for (const milliseconds lock_for :
                 {milliseconds::min(), -1ms, 0ms, 1ms, milliseconds::max()}) {
                for (const milliseconds cap :
                     {milliseconds::min(), 0ms, 1ms, milliseconds::max()}) {
                    for (const std::uint64_t effective :
                         {std::uint64_t{0}, std::uint64_t{11}, most}) {
                        const ThrottlePolicy policy{max_failures, lock_for, backoff, cap};
                        const milliseconds time = lock_time(effective, policy);
                        CHECK(time >= 0ms);
                        CHECK(time <= std::max(cap, 0ms));
                        for (const Instant receipt : {Instant::min(), Instant{}, Instant::max()}) {
                            const auto until = locked_until(effective, receipt, policy);
                            CHECK(until.has_value() == (effective >= max_failures));
                            if (until) CHECK(*until >= receipt);
                        }
                    }
                }
            }
        }
    }
    CHECK(locked_until(1, Instant::max() - 1ms, {.max_failures = 1}) == Instant::max());
}

TEST_CASE("throttle: figures that cannot be meant: refused, and the detail says which") {
    CHECK(validate({}, default_guess_budget));
    CHECK(validate({.lock_for = 0ms}, 30));
    CHECK(validate({.max_failures = 1, .backoff = 1, .lock_cap = max_lock_cap}, 1));
    const auto refusal = [](const ThrottlePolicy& policy, std::uint32_t budget) {
        const auto result = validate(policy, budget);
        REQUIRE_FALSE(result);
        CHECK(result.error() == errc::invalid_argument);
        return result.error().detail().substr(0, result.error().detail().find(' '));
    };
    CHECK(refusal({}, 0) == "guess_budget");
    CHECK(refusal({}, max_guess_budget + 1) == "guess_budget");
    CHECK(refusal({.max_failures = 0}, 100) == "max_failures");
    CHECK(refusal({.max_failures = 101}, 100) == "max_failures");
    CHECK(refusal({.backoff = 0}, 100) == "backoff");
    CHECK(refusal({.backoff = 101}, 100) == "backoff");
    CHECK(refusal({.lock_for = -1ms}, 100) == "lock_for");
    CHECK(refusal({.lock_for = 2h}, 100) == "lock_for");
    CHECK(refusal({.lock_cap = max_lock_cap + 1ms}, 100) == "lock_cap");
}

TEST_CASE("throttle: own remaining failures reach the share: the node refuses, until then not") {
    CHECK_FALSE(budget_refuses(9, 10));
    CHECK(budget_refuses(10, 10));
    CHECK(budget_refuses(most, 10));
    CHECK(budget_refuses(0, 0));
}

TEST_CASE("throttle: a restored incarnation: a share of 1 until caught up and renewed, both") {
    CHECK(share_in_force({.granted = 40}) == 40);
    CHECK(share_in_force({.granted = 40, .is_restored = true}) == 1);
    CHECK(share_in_force({.granted = 40, .is_restored = true, .has_caught_up = true}) == 1);
    CHECK(share_in_force({.granted = 40, .is_restored = true, .has_renewed = true}) == 1);
    CHECK(share_in_force({40, true, true, true}) == 40);
    CHECK(share_in_force({.granted = 0, .is_restored = true}) == 0);
}

TEST_CASE("throttle: a lowered share: acknowledged as what is held or the new figure, the larger") {
    CHECK(acknowledged_share(40, 10, 3, false) == 10);
    CHECK(acknowledged_share(40, 10, 25, false) == 25);
    CHECK(acknowledged_share(40, 10, most, false) == 40);
    CHECK(acknowledged_share(40, 10, 0, true) == 40);  // restored: it cannot know what it holds
    CHECK(acknowledged_share(10, 40, 3, false) == 40);
}

TEST_CASE("throttle: a standing: from the rows, with the lock from the newest counted failure") {
    TallySet set(password_of(1));
    set.merge(row(1, 4, 1, 4), Instant(10s));
    set.merge(row(2, 7, 1, 7), Instant(20s));
    Standing standing = standing_of(node(1), set, Holders(), {}, {.granted = 6});
    CHECK(standing.effective == 11);
    CHECK(standing.own_remaining == 4);
    CHECK(standing.locked_until == Instant(80s));
    CHECK(tries_left(standing) == 0);

    set.merge(row(2, 8, 8, 0), Instant(30s));
    standing = standing_of(node(1), set, Holders(), {}, {.granted = 6});
    CHECK(standing.effective == 4);
    CHECK_FALSE(standing.locked_until);
    CHECK(tries_left(standing) == 2);  // by the share
    CHECK(tries_left(standing_of(node(1), set, Holders(), {}, {.granted = 60})) == 6);
    CHECK(tries_left(standing_of(node(1), set, Holders(), {}, {.granted = 4})) == 0);
}
