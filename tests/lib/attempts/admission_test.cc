#include "attempts/admission.h"

#include <map>
#include <random>
#include <vector>

#include <doctest/doctest.h>

using namespace countersign;
using namespace countersign::attempts;
using namespace std::chrono_literals;

namespace {

constexpr std::uint64_t mib = 1ULL << 20;
constexpr Instant start(100s);
constexpr Instant later(200s);

Admission gate(std::uint64_t budget, std::size_t queued = 100, std::size_t per_source = 50) {
    auto made = Admission::make(
        {.budget = budget * mib, .max_queued = queued, .max_queued_per_source = per_source});
    REQUIRE(made);
    return std::move(*made);
}

Admission::Answer ask(Admission& gate, std::uint64_t source, std::uint64_t size = 1) {
    return gate.request(SourceKey{source}, size * mib, later, start);
}

bool is_granted(const Admission::Answer& answer) {
    return std::holds_alternative<Admission::Granted>(answer);
}

bool is_overloaded(const Admission::Answer& answer) {
    return std::holds_alternative<Admission::Overloaded>(answer);
}

AdmissionId queued(const Admission::Answer& answer) {
    REQUIRE(std::holds_alternative<Admission::Queued>(answer));
    return std::get<Admission::Queued>(answer).id;
}

using Ids = std::vector<AdmissionId>;

}  // namespace

TEST_CASE("admission: within the budget: granted; above it: queued until there is room") {
    Admission room = gate(4);
    CHECK(is_granted(ask(room, 1, 2)));
    CHECK(is_granted(ask(room, 2, 2)));
    CHECK(room.bytes_in_use() == 4 * mib);
    const auto third = queued(ask(room, 3, 1));
    CHECK(room.queued() == 1);
    CHECK(room.release(2 * mib, start).granted == Ids{third});
    CHECK(room.bytes_in_use() == 3 * mib);
    CHECK(is_granted(ask(room, 1, 1)));
}

TEST_CASE("admission: several sources: one from each in turn, in order within each") {
    Admission room = gate(1);
    REQUIRE(is_granted(ask(room, 9)));
    const auto a1 = queued(ask(room, 1));
    const auto a2 = queued(ask(room, 1));
    const auto a3 = queued(ask(room, 1));
    const auto b1 = queued(ask(room, 2));
    const auto c1 = queued(ask(room, 3));
    const auto c2 = queued(ask(room, 3));
    Ids order;
    for (int i = 0; i < 6; ++i) {
        const auto turn = room.release(mib, start);
        REQUIRE(turn.granted.size() == 1);
        order.push_back(turn.granted.front());
    }
    CHECK(order == Ids{a1, b1, c1, a2, c2, a3});
}

TEST_CASE("admission: a flood from some sources: another waits one round, not for the flood") {
    Admission room = gate(2, 4'096, 256);
    for (std::uint64_t i = 0; i < 10'000; ++i) ask(room, i % 16);
    const auto known = queued(ask(room, 1'000));
    std::size_t before = 0;
    for (bool found = false; !found; ++before) {
        found = room.release(mib, start).granted == Ids{known};
    }
    CHECK(before <= 17);
}

TEST_CASE("admission: a small request behind a large one: does not overtake it") {
    Admission room = gate(4);
    REQUIRE(is_granted(ask(room, 1, 3)));
    const auto large = queued(ask(room, 1, 3));
    const auto small = queued(ask(room, 2, 1));
    CHECK(room.release(3 * mib, start).granted == Ids{large, small});
}

TEST_CASE("admission: more than the whole budget: runs, but alone") {
    Admission room = gate(4);
    REQUIRE(is_granted(ask(room, 1, 1)));
    const auto huge = queued(ask(room, 1, 100));
    CHECK(room.release(1 * mib, start).granted == Ids{huge});
    CHECK(room.bytes_in_use() == 4 * mib);
    const auto next = queued(ask(room, 2, 1));
    CHECK(room.release(100 * mib, start).granted == Ids{next});
}

TEST_CASE("admission: a source's part of the queue is full: overloaded, nothing changes") {
    Admission room = gate(1, 4, 2);
    REQUIRE(is_granted(ask(room, 1)));
    queued(ask(room, 1));
    queued(ask(room, 1));
    CHECK(is_overloaded(ask(room, 1)));
    CHECK(room.queued() == 2);
    CHECK(room.bytes_in_use() == mib);

    Admission none = gate(1, 0, 0);
    CHECK(is_granted(ask(none, 1)));
    CHECK(is_overloaded(ask(none, 1)));
}

TEST_CASE("admission: the queue is full: who has most in it makes room for who has less") {
    Admission room = gate(1, 4, 3);
    REQUIRE(is_granted(ask(room, 1)));
    const auto a1 = queued(ask(room, 1));
    const auto a2 = queued(ask(room, 1));
    const auto a3 = queued(ask(room, 1));
    const auto b1 = queued(ask(room, 2));
    const auto answer = ask(room, 2);
    const auto b2 = queued(answer);
    CHECK(std::get<Admission::Queued>(answer).displaced == a3);
    const auto third = ask(room, 3);
    const auto c1 = queued(third);
    CHECK(std::get<Admission::Queued>(third).displaced == b2);
    // All have their part now: nobody gives way to a second one of source 3, nor to source 2.
    CHECK(is_overloaded(ask(room, 3)));
    CHECK(is_overloaded(ask(room, 2)));
    CHECK(room.queued() == 4);
    Ids order;
    for (int i = 0; i < 4; ++i) order.push_back(room.release(mib, start).granted.at(0));
    CHECK(order == Ids{a1, b1, c1, a2});
}

TEST_CASE("admission: the deadline passes: expired, never granted afterwards") {
    Admission room = gate(1);
    REQUIRE(is_granted(ask(room, 1)));
    CHECK(is_overloaded(room.request(SourceKey{1}, mib, start, start)));
    const auto soon = room.request(SourceKey{1}, mib, start + 1s, start);
    const auto patient = queued(ask(room, 2));
    CHECK(room.next_deadline() == start + 1s);
    CHECK(room.expire(start).expired.empty());
    const auto turn = room.release(mib, start + 1s);
    CHECK(turn.expired == Ids{queued(soon)});
    CHECK(turn.granted == Ids{patient});
    CHECK_FALSE(room.next_deadline());
    CHECK(room.queued() == 0);
}

TEST_CASE("admission: a large request leaves the queue: those behind it are let in") {
    Admission room = gate(4);
    REQUIRE(is_granted(ask(room, 1, 2)));
    const auto large = room.request(SourceKey{1}, 3 * mib, start + 1s, start);
    const auto small = queued(ask(room, 2, 1));
    const auto turn = room.expire(start + 1s);
    CHECK(turn.expired == Ids{queued(large)});
    CHECK(turn.granted == Ids{small});

    const auto again = queued(ask(room, 1, 3));
    const auto other = queued(ask(room, 2, 1));
    CHECK(room.cancel(again, start).granted == Ids{other});
    CHECK(room.cancel(again, start).granted.empty());
}

TEST_CASE("admission: any sequence: never above the budget, everybody is answered once") {
    for (std::uint64_t seed = 1; seed <= 100; ++seed) {
        CAPTURE(seed);
        std::mt19937_64 random(seed);
        Admission room = gate(8, 30, 10);
        std::map<AdmissionId, std::uint64_t> waiting;
        std::vector<std::uint64_t> running;
        Instant now = start;
        const auto take = [&](const Admission::Turn& turn) {
            for (const auto id : turn.granted) {
                running.push_back(waiting.at(id));
                waiting.erase(id);
            }
            for (const auto id : turn.expired) REQUIRE(waiting.erase(id) == 1);
        };
        for (int step = 0; step < 2'000; ++step) {
            now += std::chrono::milliseconds(random() % 10);
            const std::uint64_t bytes = (1 + random() % 10) * mib;
            switch (random() % 4) {
                case 0:
                case 1: {
                    const auto answer = room.request(SourceKey{random() % 5},
                                                     bytes,
                                                     now + milliseconds(1 + random() % 200),
                                                     now);
                    if (is_granted(answer)) running.push_back(bytes);
                    if (const auto* in_line = std::get_if<Admission::Queued>(&answer)) {
                        if (in_line->displaced) REQUIRE(waiting.erase(*in_line->displaced) == 1);
                        waiting.emplace(in_line->id, bytes);
                    }
                    break;
                }
                case 2:
                    if (!running.empty()) {
                        const std::uint64_t last = running.back();
                        running.pop_back();
                        take(room.release(last, now));
                    }
                    break;
                default:
                    if (!waiting.empty() && random() % 3 == 0) {
                        const auto id = waiting.begin()->first;
                        waiting.erase(id);
                        take(room.cancel(id, now));
                    } else {
                        take(room.expire(now));
                    }
            }
            REQUIRE(room.bytes_in_use() <= 8 * mib);
            REQUIRE(room.queued() == waiting.size());
            REQUIRE(room.queued() <= 30);
        }
        while (!running.empty()) {
            const std::uint64_t last = running.back();
            running.pop_back();
            take(room.release(last, later + 1h));
        }
        CHECK(room.bytes_in_use() == 0);
        CHECK(room.queued() == 0);
    }
}

TEST_CASE("admission: options that cannot be meant: refused") {
    CHECK(Admission::make({.budget = mib - 1}).error() == errc::invalid_argument);
    CHECK(Admission::make({.max_queued = 1, .max_queued_per_source = 2}).error() ==
          errc::invalid_argument);
}

TEST_CASE("admission: sources: the same under one key, others under another; none is one") {
    const sealing::Key key(Secret(std::string_view("0123456789abcdef0123456789abcdef")));
    const sealing::Key other(Secret(std::string_view("1123456789abcdef0123456789abcdef")));
    CHECK(source_key("10.0.0.1", key) == source_key("10.0.0.1", key));
    CHECK(source_key("10.0.0.1", key) != source_key("10.0.0.2", key));
    CHECK(source_key("10.0.0.1", key) != source_key("10.0.0.1", other));
    CHECK(source_key("", key) == source_key({}, key));
}
