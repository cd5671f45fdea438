#include <algorithm>
#include <map>
#include <optional>
#include <random>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "attempts/own_row.h"
#include "attempts/reservations.h"
#include "attempts/throttle.h"
#include "rows.h"

using namespace countersign;
using namespace countersign::attempts;
using namespace countersign::attempts::testing;
using namespace std::chrono_literals;

namespace {

/// One node, one user, and attempts that overlap in an order drawn from the seed.
class Door {
  public:
    Door(std::uint64_t seed, const ThrottlePolicy& policy, std::uint32_t share)
        : random_(seed), policy_(policy), share_{.granted = share} {}

    /// Runs attempts, of which `is_right` says how each turns out, until all are answered.
    template <class Outcome>
    void run(int attempts, Outcome is_right) {
        int started = 0;
        while (started < attempts || !verifying_.empty() || !woken_.empty()) {
            const auto dice = random_() % 4;
            if (dice < 2 && started < attempts) {
                ++started;
                ask(is_right(), std::nullopt);
            } else if (dice == 2 && !woken_.empty()) {
                const std::size_t which = random_() % woken_.size();
                const WaiterId waiter = woken_[which];
                woken_.erase(woken_.begin() + static_cast<std::ptrdiff_t>(which));
                ask(waiting_.at(waiter), waiter);
            } else if (!verifying_.empty()) {
                finish(random_() % verifying_.size());
            }
            most_in_flight = std::max(most_in_flight, line_.in_flight(password_of(1)));
        }
        REQUIRE(line_.waiting() == 0);
    }

    Instant now{1'000s};
    int accepted = 0;
    int refused = 0;  // verified, and wrong
    int locked = 0;
    int locked_for_good = 0;
    std::size_t most_in_flight = 0;

  private:
    Standing standing() const { return standing_of(node(1), rows_, Holders(), policy_, share_); }

    void ask(bool is_right, std::optional<WaiterId> waiter) {
        auto answer = line_.try_reserve(password_of(1), standing(), now, now + 1h, waiter);
        REQUIRE(answer);
        if (waiter) waiting_.erase(*waiter);
        if (auto* reservation = std::get_if<Reservation>(&*answer)) {
            verifying_.emplace_back(std::move(*reservation), is_right);
        } else if (const auto* wait = std::get_if<Wait>(&*answer)) {
            waiting_[wait->waiter] = is_right;
        } else {
            ++(std::get<Locked>(*answer).retry_after ? locked : locked_for_good);
        }
    }

    void finish(std::size_t which) {
        std::swap(verifying_[which], verifying_.back());
        auto [reservation, is_right] = std::move(verifying_.back());
        verifying_.pop_back();
        const Stamp here = stamp(1, next_seq_++);
        if (is_right) {
            ++accepted;
            if (auto row = record_success(rows_, here, Holders())) rows_.merge(*row, now);
        } else {
            ++refused;
            rows_.merge(count_failure(rows_, here), now);
        }
        for (const WaiterId waiter : line_.release(std::move(reservation), standing(), now)) {
            if (std::ranges::find(woken_, waiter) == woken_.end()) woken_.push_back(waiter);
        }
    }

    std::mt19937_64 random_;
    ThrottlePolicy policy_;
    Share share_;
    TallySet rows_{password_of(1)};
    Reservations line_{Reservations::Options{}};
    std::uint64_t next_seq_ = 1;
    std::vector<std::pair<Reservation, bool>> verifying_;
    std::map<WaiterId, bool> waiting_;
    std::vector<WaiterId> woken_;
};

constexpr auto wrong = [] { return false; };
constexpr auto right = [] { return true; };

}  // namespace

TEST_CASE("parallel: a thousand wrong guesses at once: as many tries as one after the other") {
    for (std::uint64_t seed = 1; seed <= 50; ++seed) {
        CAPTURE(seed);
        Door door(seed, {}, 100);
        door.run(1'000, wrong);
        CHECK(door.refused == 10);
        CHECK(door.locked == 990);
        CHECK(door.most_in_flight <= 10);
    }
}

TEST_CASE("parallel: the lock runs out, again and again: one more guess each time") {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        CAPTURE(seed);
        Door door(seed, {}, 100);
        door.run(200, wrong);
        for (int round = 1; round <= 20; ++round) {
            door.now += 1h;
            door.run(200, wrong);
            CHECK(door.refused == 10 + round);
        }
    }
}

TEST_CASE("parallel: no lock by time: the share of the guess budget holds all the same") {
    for (std::uint64_t seed = 1; seed <= 50; ++seed) {
        CAPTURE(seed);
        Door door(seed, {.lock_for = 0ms}, 30);
        door.run(1'000, wrong);
        CHECK(door.refused == 30);
        CHECK(door.locked_for_good == 970);
    }
}

TEST_CASE("parallel: eleven right sign-ins at once: none is locked out") {
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
        CAPTURE(seed);
        Door door(seed, {}, 100);
        door.run(11, right);
        CHECK(door.accepted == 11);
        CHECK(door.locked + door.refused == 0);
    }
    Door door(7, {}, 100);
    door.run(1'000, right);
    CHECK(door.accepted == 1'000);
    CHECK(door.most_in_flight == 10);
}

TEST_CASE("parallel: right and wrong mixed: never more wrong ones than the limit in a row") {
    for (std::uint64_t seed = 1; seed <= 100; ++seed) {
        CAPTURE(seed);
        std::mt19937_64 random(seed);
        Door door(seed, {}, 100);
        door.run(500, [&] { return random() % 20 == 0; });
        CHECK(door.accepted + door.refused + door.locked == 500);
        CHECK(door.refused <= 10 * (door.accepted + 1));
    }
}
