#include "attempts/gate.h"

#include <atomic>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include "directory.h"

using namespace countersign;
using namespace countersign::attempts;
using namespace countersign::attempts::testing;
using namespace std::chrono_literals;

namespace {

constexpr std::uint64_t mebibyte = 1ULL << 20;
const auto alice = password_of(1);

/// A gate for `hashes` at once, of one mebibyte each.
struct Fixture {
    // Waiters note their answers in what a test declares later: each test ends with none waiting.
    explicit Fixture(std::uint64_t hashes, Admission::Options options = {})
        : gate(make(hashes, options), {}) {}
    static Admission make(std::uint64_t hashes, Admission::Options options) {
        options.budget = hashes * mebibyte;
        auto admission = Admission::make(options);
        REQUIRE(admission);
        return std::move(*admission);
    }

    /// Of a credential that nobody else counts.
    Gate::ReadStanding standing() {
        return [this]() -> Result<Standing> {
            if (is_broken) return Error(errc::io_error, "no disk");
            return Standing{.effective = failures,
                            .own_remaining = failures,
                            .max_failures = 10,
                            .share = 100,
                            .locked_until = std::nullopt};
        };
    }

    Gate gate;
    std::atomic<std::uint64_t> failures = 0;
    std::atomic<bool> is_broken = false;
};

/// Notes what came back.
struct Called {
    std::vector<errc> codes;
    int granted = 0;
    Gate::Admitted admitted() {
        return [this](Result<void> result) {
            if (result)
                ++granted;
            else
                codes.push_back(result.error().code());
        };
    }
};

constexpr SourceKey source{1};

}  // namespace

TEST_CASE("gate: room for a hash: granted now; none: called back when there is") {
    Fixture fixture(2);
    Gate& gate = fixture.gate;
    Called called;
    CHECK_FALSE(gate.admit(source, mebibyte, at(9), at(0), called.admitted()).value());
    CHECK_FALSE(gate.admit(source, mebibyte, at(9), at(0), called.admitted()).value());
    CHECK(gate.admit(source, mebibyte, at(9), at(0), called.admitted()).value());
    CHECK(called.granted == 0);
    CHECK(gate.queued() == 1);
    gate.release(mebibyte, at(1));
    CHECK(called.granted == 1);
    CHECK(gate.bytes_in_use() == 2 * mebibyte);
    gate.release(mebibyte, at(1));
    gate.release(mebibyte, at(1));
    CHECK(gate.bytes_in_use() == 0);
    CHECK(called.granted == 1);
}

TEST_CASE("gate: deadlines: the earlier of both lines is next, and expire calls back once") {
    Fixture fixture(1);
    Gate& gate = fixture.gate;
    Called called;
    CHECK_FALSE(gate.next_deadline());
    CHECK_FALSE(gate.admit(source, mebibyte, at(9), at(0), called.admitted()).value());
    CHECK(gate.admit(source, mebibyte, at(5), at(0), called.admitted()).value());
    CHECK(gate.admit(source, mebibyte, at(7), at(0), called.admitted()).value());
    fixture.failures = 9;
    auto first = gate.reserve(alice, at(4), at(0), fixture.standing(), {});
    REQUIRE(std::holds_alternative<Reservation>(*first));
    std::vector<errc> refused;
    auto second = gate.reserve(alice, at(3), at(0), fixture.standing(), [&](auto pass) {
        refused.push_back(pass.error().code());
    });
    REQUIRE(std::holds_alternative<Gate::Queued>(*second));
    CHECK(gate.next_deadline() == at(3));
    gate.expire(at(4));
    CHECK(refused == std::vector{errc::timed_out});
    CHECK(gate.next_deadline() == at(5));
    gate.expire(at(5));
    CHECK(called.codes == std::vector{errc::timed_out});
    gate.expire(at(6));
    CHECK(called.codes.size() == 1);
    CHECK(gate.next_deadline() == at(7));
    gate.release(mebibyte, at(6));
    CHECK(called.granted == 1);
    gate.release(mebibyte, at(6));
    gate.release(std::get<Reservation>(std::move(*first)), fixture.standing(), at(6));
    CHECK_FALSE(gate.next_deadline());
}

TEST_CASE("gate: a full queue: overloaded, and a busy source makes room for a quiet one") {
    Fixture fixture(1, {.max_queued = 2, .max_queued_per_source = 2});
    Gate& gate = fixture.gate;
    Called busy;
    Called quiet;
    for (int i = 0; i < 3; ++i)
        REQUIRE(gate.admit(source, mebibyte, at(9), at(0), busy.admitted()));
    CHECK(gate.admit(source, mebibyte, at(9), at(0), busy.admitted()).error() == errc::overloaded);
    CHECK(busy.codes.empty());
    CHECK(gate.admit(SourceKey{2}, mebibyte, at(9), at(0), quiet.admitted()).value());
    CHECK(busy.codes == std::vector{errc::overloaded});
    CHECK(gate.queued() == 2);
    gate.close();
}

TEST_CASE("gate: cancelled: leaves the line, is not called, and lets the next in") {
    Fixture fixture(2);
    Gate& gate = fixture.gate;
    Called large;
    Called small;
    REQUIRE(gate.admit(source, mebibyte, at(9), at(0), small.admitted()));
    const auto id = gate.admit(source, 2 * mebibyte, at(9), at(0), large.admitted());
    REQUIRE(id->has_value());
    REQUIRE(gate.admit(source, mebibyte, at(9), at(0), small.admitted())->has_value());
    CHECK(gate.cancel(**id, at(1)));
    CHECK_FALSE(gate.cancel(**id, at(1)));
    CHECK(small.granted == 1);
    CHECK(large.granted == 0);
    CHECK(large.codes.empty());
}

TEST_CASE("gate: close: all that wait are cancelled, later ones refused, what runs is released") {
    Fixture fixture(2);
    Gate& gate = fixture.gate;
    Called called;
    for (int i = 0; i < 5; ++i) {
        REQUIRE(gate.admit(source, mebibyte * (1 + i % 2), at(9), at(0), called.admitted()));
    }
    fixture.failures = 9;
    auto first = gate.reserve(alice, at(4), at(0), fixture.standing(), {});
    std::vector<errc> refused;
    for (int i = 0; i < 3; ++i) {
        REQUIRE(gate.reserve(alice, at(3), at(0), fixture.standing(), [&](auto pass) {
            refused.push_back(pass.error().code());
        }));
    }
    gate.close();
    CHECK(called.codes == std::vector(4, errc::cancelled));
    CHECK(called.granted == 0);
    CHECK(refused == std::vector(3, errc::cancelled));
    CHECK(gate.admit(source, 1, at(9), at(0), called.admitted()).error() == errc::cancelled);
    CHECK(gate.reserve(alice, at(9), at(0), fixture.standing(), {}).error() == errc::cancelled);
    CHECK_FALSE(gate.next_deadline());
    CHECK(gate.bytes_in_use() == mebibyte);
    gate.release(mebibyte, at(1));
    gate.release(std::get<Reservation>(std::move(*first)), fixture.standing(), at(1));
    CHECK(gate.bytes_in_use() == 0);
    CHECK(gate.in_flight(alice) == 0);
    gate.close();
    CHECK(called.codes.size() == 4);
}

TEST_CASE("gate: the standing cannot be read: an error, nobody counted, and all in line are told") {
    Fixture fixture(1);
    Gate& gate = fixture.gate;
    fixture.is_broken = true;
    CHECK(gate.reserve(alice, at(9), at(0), fixture.standing(), {}).error() == errc::io_error);
    CHECK(gate.in_flight(alice) == 0);
    fixture.is_broken = false;
    fixture.failures = 9;
    auto first = gate.reserve(alice, at(9), at(0), fixture.standing(), {});
    std::vector<errc> refused;
    for (int i = 0; i < 3; ++i) {
        REQUIRE(gate.reserve(alice, at(9), at(0), fixture.standing(), [&](auto pass) {
            refused.push_back(pass.error().code());
        }));
    }
    fixture.is_broken = true;
    gate.standing_changed(password_of(2), fixture.standing(), at(1));
    CHECK(refused.empty());
    gate.release(std::get<Reservation>(std::move(*first)), fixture.standing(), at(1));
    CHECK(refused == std::vector(3, errc::io_error));
    CHECK(gate.waiting() == 0);
}

TEST_CASE("gate: an unlock arrives while some wait: they go on") {
    Fixture fixture(1);
    Gate& gate = fixture.gate;
    fixture.failures = 9;
    std::vector<Reservation> held;
    const auto take = [&](Result<Gate::Pass> pass) {
        REQUIRE(pass);
        held.push_back(std::get<Reservation>(std::move(*pass)));
    };
    auto first = gate.reserve(alice, at(9), at(0), fixture.standing(), {});
    for (int i = 0; i < 3; ++i)
        REQUIRE(gate.reserve(alice, at(9), at(0), fixture.standing(), take));
    gate.standing_changed(alice, fixture.standing(), at(1));
    CHECK(held.empty());
    fixture.failures = 7;
    gate.standing_changed(alice, fixture.standing(), at(1));
    CHECK(held.size() == 2);
    gate.release(std::get<Reservation>(std::move(*first)), fixture.standing(), at(1));
    CHECK(held.size() == 3);
    for (auto& each : held) gate.release(std::move(each), fixture.standing(), at(1));
}

TEST_CASE("gate: a thousand wrong guesses called back: ten are verified, no stack of a thousand") {
    Fixture fixture(4);
    Gate& gate = fixture.gate;
    int verified = 0;
    int locked = 0;
    int depth = 0;
    std::vector<Reservation> begun;
    const auto lock_at_ten = [&]() -> Result<Standing> {
        Standing standing = *fixture.standing()();
        if (standing.effective >= 10) standing.locked_until = at(1'000);
        return standing;
    };
    const auto decided = [&](Gate::Pass pass) {
        if (std::holds_alternative<Locked>(pass)) {
            ++locked;
        } else {
            begun.push_back(std::get<Reservation>(std::move(pass)));
        }
    };
    for (int i = 0; i < 1'000; ++i) {
        auto answer = gate.reserve(alice, at(9), at(0), lock_at_ten, [&](Result<Gate::Pass> pass) {
            CHECK(++depth == 1);
            REQUIRE(pass);
            decided(std::move(*pass));
            --depth;
        });
        REQUIRE(answer);
        if (auto* reservation = std::get_if<Reservation>(&*answer)) {
            begun.push_back(std::move(*reservation));
        }
    }
    CHECK(begun.size() == 10);
    CHECK(gate.waiting() == 990);
    while (!begun.empty()) {
        Reservation reservation = std::move(begun.back());
        begun.pop_back();
        ++verified;
        ++fixture.failures;
        gate.release(std::move(reservation), lock_at_ten, at(1));
    }
    CHECK(verified == 10);
    CHECK(locked == 990);
    CHECK(gate.waiting() == 0);
}

TEST_CASE("gate: a thousand right guesses that release as they are called: in turn, in a loop") {
    Fixture fixture(1);
    Gate& gate = fixture.gate;
    fixture.failures = 9;
    int depth = 0;
    int passed = 0;
    auto first = gate.reserve(alice, at(9), at(0), fixture.standing(), {});
    for (int i = 0; i < 1'000; ++i) {
        REQUIRE(gate.reserve(alice, at(9), at(0), fixture.standing(), [&](Result<Gate::Pass> pass) {
            CHECK(++depth == 1);
            ++passed;
            gate.release(std::get<Reservation>(std::move(*pass)), fixture.standing(), at(1));
            --depth;
        }));
    }
    gate.release(std::get<Reservation>(std::move(*first)), fixture.standing(), at(1));
    CHECK(passed == 1'000);
    CHECK(gate.in_flight(alice) == 0);
}

TEST_CASE("gate: 32 threads guess wrongly at once: as many are verified as the limits allow") {
    Fixture fixture(3);
    Gate& gate = fixture.gate;
    std::atomic<int> running = 0;
    std::atomic<int> most_running = 0;
    std::atomic<int> verified = 0;
    std::atomic<int> locked = 0;
    const auto lock_at_ten = [&]() -> Result<Standing> {
        Standing standing = *fixture.standing()();
        if (standing.effective >= 10) standing.locked_until = at(1'000'000);
        return standing;
    };
    const auto attempt = [&](std::uint64_t from) {
        if (!gate.wait_admitted(SourceKey{from}, mebibyte, at(600), at(0))) return;
        auto pass = gate.wait_reserved(alice, at(600), at(0), lock_at_ten);
        if (pass && std::holds_alternative<Reservation>(*pass)) {
            const int now = ++running;
            for (int most = most_running; most < now;) {
                if (most_running.compare_exchange_weak(most, now)) break;
            }
            ++verified;
            std::this_thread::yield();
            --running;
            ++fixture.failures;
            gate.release(std::get<Reservation>(std::move(*pass)), lock_at_ten, at(1));
        } else if (pass) {
            ++locked;
        }
        gate.release(mebibyte, at(1));
    };
    {
        std::vector<std::jthread> threads;
        for (std::uint64_t i = 0; i < 32; ++i) {
            threads.emplace_back([&, i] {
                for (int n = 0; n < 20; ++n) attempt(i % 5);
            });
        }
    }
    CHECK(verified == 10);
    CHECK(locked == 630);
    CHECK(most_running <= 3);
    CHECK(gate.bytes_in_use() == 0);
    CHECK(gate.in_flight(alice) == 0);
}

TEST_CASE("gate: a thread waits past its deadline: it leaves the line and says so") {
    Fixture fixture(1);
    Gate& gate = fixture.gate;
    REQUIRE(gate.wait_admitted(source, mebibyte, at(9), at(0)));
    CHECK(gate.wait_admitted(source, mebibyte, at(0) + 20ms, at(0)).error() == errc::timed_out);
    CHECK(gate.queued() == 0);
    fixture.failures = 9;
    auto first = gate.wait_reserved(alice, at(9), at(0), fixture.standing());
    REQUIRE(first);
    CHECK(gate.wait_reserved(alice, at(0) + 20ms, at(0), fixture.standing()).error() ==
          errc::timed_out);
    CHECK(gate.waiting() == 0);
    gate.release(mebibyte, at(1));
    gate.release(std::get<Reservation>(std::move(*first)), fixture.standing(), at(1));
    CHECK(gate.wait_admitted(source, mebibyte, Instant::max(), at(1)));
    CHECK(gate.wait_admitted(source, mebibyte, at(1), at(1)).error() == errc::overloaded);
    gate.release(mebibyte, at(1));
}

TEST_CASE("gate: closed while threads wait: each comes back cancelled") {
    Fixture fixture(1);
    Gate& gate = fixture.gate;
    fixture.failures = 9;
    REQUIRE(gate.wait_admitted(source, mebibyte, at(9), at(0)));
    auto first = gate.wait_reserved(alice, at(9), at(0), fixture.standing());
    std::atomic<int> cancelled = 0;
    {
        std::vector<std::jthread> threads;
        for (int i = 0; i < 8; ++i) {
            threads.emplace_back([&, i] {
                const auto deadline = Instant::max();
                if (i % 2 == 0) {
                    const auto result = gate.wait_admitted(source, mebibyte, deadline, at(0));
                    if (!result && result.error() == errc::cancelled) ++cancelled;
                } else {
                    const auto pass =
                        gate.wait_reserved(alice, deadline, at(0), fixture.standing());
                    if (!pass && pass.error() == errc::cancelled) ++cancelled;
                }
            });
        }
        while (gate.queued() + gate.waiting() < 8) std::this_thread::yield();
        gate.close();
    }
    CHECK(cancelled == 8);
    gate.release(mebibyte, at(1));
    gate.release(std::get<Reservation>(std::move(*first)), fixture.standing(), at(1));
}
