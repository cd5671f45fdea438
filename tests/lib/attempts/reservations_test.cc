#include "attempts/reservations.h"

#include <doctest/doctest.h>

#include "rows.h"

using namespace countersign;
using namespace countersign::attempts;
using namespace countersign::attempts::testing;
using namespace std::chrono_literals;

namespace {

constexpr Instant start(100s);
constexpr Instant later(200s);

Standing standing(std::uint64_t effective, std::uint64_t own, std::uint32_t share = 100) {
    return {.effective = effective, .own_remaining = own, .max_failures = 10, .share = share};
}

using Answer = Reservations::Answer;

Answer ask(Reservations& line,
           const Standing& now,
           std::optional<WaiterId> waiter = std::nullopt,
           Instant deadline = later) {
    auto answer = line.try_reserve(password_of(1), now, start, deadline, waiter);
    REQUIRE(answer);
    return std::move(*answer);
}

Reservation reserved(Answer answer) {
    REQUIRE(std::holds_alternative<Reservation>(answer));
    return std::move(std::get<Reservation>(answer));
}

WaiterId waits(Answer answer) {
    REQUIRE(std::holds_alternative<Wait>(answer));
    return std::get<Wait>(answer).waiter;
}

}  // namespace

TEST_CASE("reservations: the throttle's time runs: locked, with the time to wait") {
    Reservations line({});
    Standing now = standing(10, 0);
    now.locked_until = start + 1500us;
    const Answer answer = ask(line, now);
    REQUIRE(std::holds_alternative<Locked>(answer));
    CHECK(std::get<Locked>(answer).retry_after == 2ms);  // never too early
    CHECK(line.in_flight(password_of(1)) == 0);
    now.locked_until = start;
    line.release(reserved(ask(line, now)), now, start);
}

TEST_CASE("reservations: the share is used up: locked, and no time would help") {
    Reservations line({});
    Standing now = standing(10, 5, 5);
    CHECK_FALSE(std::get<Locked>(ask(line, now)).retry_after);
    now.locked_until = later;
    CHECK_FALSE(std::get<Locked>(ask(line, now)).retry_after);
}

TEST_CASE("reservations: failures and those in flight reach max_failures: the next one waits") {
    Reservations line({});
    auto first = reserved(ask(line, standing(8, 8)));
    auto second = reserved(ask(line, standing(8, 8)));
    const WaiterId third = waits(ask(line, standing(8, 8)));
    CHECK(line.in_flight(password_of(1)) == 2);

    // One was wrong and is counted: what is left is still spoken for.
    CHECK(line.release(std::move(first), standing(9, 9), start).empty());
    CHECK(waits(ask(line, standing(9, 9), third)) == third);
    // The other was given up.
    CHECK(line.release(std::move(second), standing(9, 9), start) == std::vector{third});
    auto last = reserved(ask(line, standing(9, 9), third));
    CHECK(line.waiting() == 0);
    line.release(std::move(last), standing(0, 0), start);
}

TEST_CASE("reservations: own failures and those in flight reach the share: the next one waits") {
    Reservations line({});
    auto first = reserved(ask(line, standing(3, 3, 4)));
    const WaiterId second = waits(ask(line, standing(3, 3, 4)));
    CHECK(line.release(std::move(first), standing(4, 4, 4), start) == std::vector{second});
    CHECK_FALSE(std::get<Locked>(ask(line, standing(4, 4, 4), second)).retry_after);
    CHECK(line.waiting() == 0);
}

TEST_CASE("reservations: at or past max_failures: one at a time") {
    for (const std::uint64_t effective : {10, 11, 50}) {
        Reservations line({});
        auto only = reserved(ask(line, standing(effective, 0)));
        const WaiterId next = waits(ask(line, standing(effective, 0)));
        waits(ask(line, standing(effective, 0)));
        CHECK(line.release(std::move(only), standing(effective, 0), start) == std::vector{next});
    }
}

TEST_CASE("reservations: a lock begins while others wait: all are woken, to be told") {
    Reservations line({});
    auto last = reserved(ask(line, standing(9, 9)));
    const WaiterId second = waits(ask(line, standing(9, 9)));
    const WaiterId third = waits(ask(line, standing(9, 9)));
    Standing now = standing(10, 10);
    now.locked_until = start + 30s;
    CHECK(line.release(std::move(last), now, start) == std::vector{second, third});
    CHECK(std::get<Locked>(ask(line, now, third)).retry_after == 30s);
    CHECK(std::get<Locked>(ask(line, now, second)).retry_after == 30s);
    CHECK(line.waiting() == 0);
}

TEST_CASE("reservations: in the order in which they came: nobody overtakes those that wait") {
    Reservations line({});
    auto first = reserved(ask(line, standing(9, 9)));
    const WaiterId second = waits(ask(line, standing(9, 9)));
    const WaiterId third = waits(ask(line, standing(9, 9)));
    CHECK(line.release(std::move(first), standing(9, 9), start) == std::vector{second});
    const WaiterId fourth = waits(ask(line, standing(9, 9)));
    CHECK(waits(ask(line, standing(9, 9), third)) == third);
    auto next = reserved(ask(line, standing(9, 9), second));

    // A success clears the failures: there is room for all that wait.
    CHECK(line.release(std::move(next), standing(0, 0), start) == std::vector{third, fourth});
    auto a = reserved(ask(line, standing(0, 0), fourth));
    auto b = reserved(ask(line, standing(0, 0), third));
    line.release(std::move(a), standing(0, 0), start);
    line.release(std::move(b), standing(0, 0), start);
}

TEST_CASE(
    "reservations: an unlock from elsewhere: those that wait are woken as far as there is room") {
    Reservations line({});
    auto only = reserved(ask(line, standing(12, 0)));
    std::vector<WaiterId> waiting;
    for (int i = 0; i < 12; ++i) waiting.push_back(waits(ask(line, standing(12, 0))));
    CHECK(line.wake(password_of(1), standing(12, 0), start).empty());
    CHECK(line.wake(password_of(1), standing(0, 0), start) ==
          std::vector(waiting.begin(), waiting.begin() + 9));
    CHECK(line.wake(password_of(2), standing(0, 0), start).empty());
    line.release(std::move(only), standing(0, 0), start);
}

TEST_CASE("reservations: the deadline passes: out of the line, and the next one's turn") {
    Reservations line({});
    auto first = reserved(ask(line, standing(9, 9)));
    const WaiterId second = waits(ask(line, standing(9, 9), std::nullopt, start + 2s));
    const WaiterId third = waits(ask(line, standing(9, 9), std::nullopt, start + 1s));
    CHECK(line.next_deadline() == start + 1s);
    CHECK(line.expire(start).empty());
    CHECK(line.expire(start + 1s) == std::vector{std::pair(third, password_of(1))});
    CHECK(line.next_deadline() == start + 2s);
    auto late = line.try_reserve(password_of(1), standing(9, 9), start + 2s, start + 2s, second);
    CHECK(late.error() == errc::timed_out);
    CHECK(line.waiting() == 0);
    CHECK_FALSE(line.next_deadline());
    CHECK(line.try_reserve(password_of(1), standing(9, 9), start, start).error() ==
          errc::timed_out);
    line.release(std::move(first), standing(9, 9), start);
}

TEST_CASE("reservations: cancelled while waiting: the place is given up, once") {
    Reservations line({});
    auto first = reserved(ask(line, standing(9, 9)));
    const WaiterId second = waits(ask(line, standing(9, 9)));
    const WaiterId third = waits(ask(line, standing(9, 9)));
    CHECK(line.cancel(second));
    CHECK_FALSE(line.cancel(second));
    CHECK(line.release(std::move(first), standing(9, 9), start) == std::vector{third});
}

TEST_CASE("reservations: credentials: each has a line of its own") {
    Reservations line({});
    auto first = reserved(ask(line, standing(9, 9)));
    auto other = line.try_reserve(password_of(2), standing(9, 9), start, later);
    REQUIRE(other);
    CHECK(line.release(reserved(std::move(*other)), standing(9, 9), start).empty());
    CHECK(line.in_flight(password_of(1)) == 1);
    line.release(std::move(first), standing(9, 9), start);
    CHECK(line.in_flight(password_of(1)) == 0);
}

TEST_CASE("reservations: more than the limits: overloaded, and what is there stays") {
    Reservations line({.max_waiting = 3, .max_waiting_per_credential = 2, .max_in_flight = 2});
    auto first = reserved(ask(line, standing(9, 9)));
    auto second = line.try_reserve(password_of(2), standing(9, 9), start, later);
    CHECK(line.try_reserve(password_of(3), standing(0, 0), start, later).error() ==
          errc::overloaded);
    waits(ask(line, standing(9, 9)));
    waits(ask(line, standing(9, 9)));
    CHECK(line.try_reserve(password_of(1), standing(9, 9), start, later).error() ==
          errc::overloaded);
    CHECK(line.try_reserve(password_of(2), standing(9, 9), start, later));
    CHECK(line.try_reserve(password_of(2), standing(9, 9), start, later).error() ==
          errc::overloaded);
    CHECK(line.waiting() == 3);
    line.release(std::move(first), standing(9, 9), start);
    line.release(reserved(std::move(*second)), standing(9, 9), start);
}
