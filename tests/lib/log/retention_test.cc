#include "log/retention.h"

#include <doctest/doctest.h>

#include "support/pool.h"

using namespace countersign;
using namespace countersign::log;
using countersign::testing::changes;
using countersign::testing::Pool;
using countersign::testing::PoolNode;
using countersign::testing::put;
using countersign::testing::user_name;

namespace {

/// A primary that wrote batches 1 to 10, one a second.
struct Primary {
    Pool pool;
    PoolNode& node = pool.add_node();
    std::size_t size = 0;  ///< of each batch

    Primary() {
        pool.designate(node);
        for (std::uint8_t i = 0; i < 10; ++i) {
            size = pool.append(node, changes(put(user_name(i), "content"))).bytes.size();
        }
    }
    std::uint64_t erasable(const Retention& retention, std::uint64_t everyone_has = 0) {
        const auto last = log::erasable(node.ledger, retention, LogSeq{everyone_has}, pool.now);
        REQUIRE(last);
        return value(*last);
    }
    std::uint64_t erase_to(std::uint64_t last, std::uint64_t limit) {
        const auto erased =
            node.write([&] { return node.ledger.batches.erase_to(LogSeq{last}, limit); });
        REQUIRE(erased);
        return *erased;
    }
};

constexpr std::uint64_t plenty = std::uint64_t{1} << 30;

}  // namespace

TEST_CASE("retention: nobody needs them: those of age, never the head's") {
    Primary primary;
    primary.pool.now += std::chrono::hours{24};
    CHECK(primary.erasable({}, 0) == 0);
    // The last one is 24 h old, the others older.
    CHECK(primary.erasable({}, 4) == 4);
    CHECK(primary.erasable({}, 10) == 9);
    CHECK(primary.erasable({}, 99) == 9);
    CHECK(*erasable_at_once(primary.node.ledger) == LogSeq{9});
}

TEST_CASE("retention: everyone has them: they stay for a while, and no limit waits for that") {
    Primary primary;
    CHECK(primary.erasable({}, 10) == 0);
    CHECK(primary.erasable({.acked_age = milliseconds{2'500}}, 10) == 7);
    CHECK(primary.erasable({.acked_age = milliseconds{2'500}}, 4) == 4);
    CHECK(primary.erasable({.acked_age = milliseconds{0}}, 10) == 9);
    CHECK(primary.erasable({.age = milliseconds{2'500}, .bytes = plenty}, 10) == 7);
    CHECK(primary.erasable({.acked_age = milliseconds{5'500}, .age = milliseconds{2'500}}, 10) ==
          7);
}

TEST_CASE("retention: by age: those older, whoever lacks them") {
    Primary primary;
    // The last is written now, the one before a second ago.
    CHECK(primary.erasable({.age = milliseconds{8'999}, .bytes = plenty}) == 1);
    CHECK(primary.erasable({.age = milliseconds{9'000}, .bytes = plenty}) == 0);
    CHECK(primary.erasable({.age = milliseconds{2'500}, .bytes = plenty}) == 7);
    CHECK(primary.erasable({.age = milliseconds{-1}, .bytes = plenty}) == 9);
}

TEST_CASE("retention: by bytes: the oldest beyond, and never the head's") {
    Primary primary;
    const auto with = [&](std::uint64_t bytes) {
        return primary.erasable({.age = std::chrono::days{30}, .bytes = bytes});
    };
    CHECK(with(10 * primary.size) == 0);
    CHECK(with(10 * primary.size - 1) == 1);
    CHECK(with(3 * primary.size) == 7);
    CHECK(with(primary.size - 1) == 9);
    CHECK(with(0) == 9);
}

TEST_CASE("retention: an empty log, and one of a single batch: nothing goes") {
    Pool pool;
    auto& node = pool.add_node();
    const Retention none{.age = milliseconds{-1}, .bytes = 0};
    CHECK(erasable(node.ledger, none, LogSeq{9}, pool.now).value() == LogSeq{0});
    CHECK(*erasable_at_once(node.ledger) == LogSeq{0});
    pool.designate(node);
    pool.append(node, changes(put(user_name(1), "x")));
    CHECK(erasable(node.ledger, none, LogSeq{9}, pool.now).value() == LogSeq{0});
    CHECK(*erasable_at_once(node.ledger) == LogSeq{0});
}

TEST_CASE("retention: erased in slices: the lowest first, and what is left is counted right") {
    Primary primary;
    auto& batches = primary.node.ledger.batches;
    CHECK(primary.erase_to(7, 3) == 3);
    CHECK(*batches.first() == LogSeq{4});
    CHECK(*batches.last() == LogSeq{10});
    CHECK(batches.size()->batches == 7);
    CHECK(batches.size()->bytes == 7 * primary.size);
    CHECK(primary.erasable({.age = milliseconds{2'500}, .bytes = plenty}) == 7);
    CHECK(primary.erasable({.age = std::chrono::days{30}, .bytes = 2 * primary.size}) == 8);
    CHECK(primary.erase_to(7, 100) == 4);
    CHECK(primary.erase_to(7, 100) == 0);
    CHECK(primary.erase_to(10, 0) == 0);
    CHECK(*batches.get(LogSeq{7}) == std::nullopt);
    CHECK(batches.get(LogSeq{8})->has_value());
    primary.pool.append(primary.node, changes(put(user_name(1), "content")));
    CHECK(batches.size()->bytes == 4 * primary.size);
    CHECK(primary.erase_to(99, 100) == 4);
    CHECK(batches.size()->batches == 0);
    CHECK(*batches.first() == LogSeq{0});
}
