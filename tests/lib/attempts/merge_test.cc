#include "attempts/merge.h"

#include <algorithm>
#include <random>
#include <vector>

#include <doctest/doctest.h>

#include "rows.h"

using namespace countersign;
using namespace countersign::attempts;
using namespace countersign::attempts::testing;

namespace {

std::vector<TallyRow> rows_of(const TallySet& set) {
    std::vector<TallyRow> rows;
    for (const auto& entry : set.entries()) rows.push_back(entry.row);
    return rows;
}

// Rows as a few nodes with a few incarnations, some of them copies of each other, might have
// signed: superseded, contradicting, cleared rightly, too high, and in other windows.
std::vector<TallyRow> random_rows(std::mt19937_64& random) {
    std::vector<TallyRow> rows;
    const std::size_t count = 1 + random() % 12;
    for (std::size_t i = 0; i < count; ++i) {
        TallyRow made =
            row(1 + random() % 4, 1 + random() % 6, 1, random() % 6, {}, 1 + random() % 2);
        made.window = RowSeq{1 + random() % value(made.row_seq)};
        for (std::uint8_t subject = 1; subject <= 4; ++subject) {
            if (random() % 3 != 0 || node(subject) == made.node) continue;
            made.clears.push_back(
                clear(subject, 1 + random() % 3, 1 + random() % 6, 1 + random() % 2));
        }
        rows.push_back(std::move(made));
    }
    return rows;
}

TallySet merged(const std::vector<TallyRow>& rows) {
    TallySet set(password_of(1));
    for (const TallyRow& each : rows) set.merge(each, Instant{});
    return set;
}

}  // namespace

TEST_CASE("merge: failures at several nodes and incarnations: they add up") {
    const TallySet set = set_of({row(1, 3, 1, 3), row(2, 5, 4, 2), row(2, 9, 9, 4, {}, 7)});
    CHECK(effective_failures(set, Holders()) == 9);
    CHECK(remaining_of(node(1), set, Holders()) == 3);
    CHECK(remaining_of(node(2), set, Holders()) == 6);
    CHECK(remaining_of(node(3), set, Holders()) == 0);
}

TEST_CASE("merge: rows of one incarnation: the greatest row_seq supersedes") {
    TallySet set = set_of({row(1, 3, 1, 3)});
    CHECK(set.merge(row(1, 4, 1, 4), Instant{}));
    CHECK_FALSE(set.merge(row(1, 4, 1, 4), Instant{}));
    CHECK_FALSE(set.merge(row(1, 3, 1, 9), Instant{}));
    CHECK(effective_failures(set, Holders()) == 4);
    CHECK(set.merge(row(1, 5, 5, 0), Instant{}));
    CHECK(effective_failures(set, Holders()) == 0);
}

TEST_CASE("merge: a clear: takes off its window's first failures, the greatest counts") {
    TallySet set = set_of({row(1, 7, 1, 7), row(2, 1, 1, 0, {clear(1, 1, 4)})});
    CHECK(effective_failures(set, Holders()) == 3);
    set.merge(row(3, 1, 1, 0, {clear(1, 1, 6)}), Instant{});
    CHECK(effective_failures(set, Holders()) == 1);
    set.merge(row(4, 1, 1, 0, {clear(1, 1, 5)}), Instant{});
    CHECK(effective_failures(set, Holders()) == 1);
}

TEST_CASE("merge: a clear of another window or incarnation: clears nothing") {
    CHECK(effective_failures(set_of({row(1, 9, 5, 2), row(2, 1, 1, 0, {clear(1, 1, 2)})}),
                             Holders()) == 2);
    CHECK(effective_failures(set_of({row(1, 9, 5, 2), row(2, 1, 1, 0, {clear(1, 5, 2, 3)})}),
                             Holders()) == 2);
}

TEST_CASE(
    "merge: a clear above what its subject signed: no effect before that row, never clamped") {
    TallySet set = set_of({row(1, 3, 1, 3), row(2, 1, 1, 0, {clear(1, 1, 5)})});
    CHECK(effective_failures(set, Holders()) == 3);
    set.merge(row(1, 4, 1, 4), Instant{});
    CHECK(effective_failures(set, Holders()) == 4);
    set.merge(row(1, 5, 1, 5), Instant{});
    CHECK(effective_failures(set, Holders()) == 0);
    set.merge(row(1, 6, 1, 6), Instant{});
    CHECK(effective_failures(set, Holders()) == 1);
}

TEST_CASE("merge: a node without the realm: neither its failures nor its clears count") {
    Holders holders;
    holders.without_realm = {node(2)};
    const TallySet set = set_of({row(1, 3, 1, 3), row(2, 8, 1, 8, {clear(1, 1, 3)})});
    CHECK(effective_failures(set, holders) == 3);
    CHECK(effective_failures(set, Holders()) == 8);
}

TEST_CASE("merge: an administrator without the realm: its clears count, its failures do not") {
    Holders holders;
    holders.without_realm = {node(2)};
    holders.administrators = {node(2)};
    const TallySet set = set_of({row(1, 3, 1, 3), row(2, 8, 1, 8, {clear(1, 1, 3)})});
    CHECK(effective_failures(set, holders) == 0);
}

TEST_CASE("merge: the highest figures a row can hold, many times: the sum does not overflow") {
    TallySet set(password_of(1));
    for (std::uint64_t i = 1; i <= 100; ++i) set.merge(row(1, 1, 1, ~0U, {}, i), Instant{});
    CHECK(effective_failures(set, Holders()) == 100ULL * ~0U);
}

TEST_CASE("merge: when a failure came: by this node's clock, not renewed by clears or repeats") {
    const auto at = [](int seconds) { return Instant(std::chrono::seconds(seconds)); };
    TallySet set(password_of(1));
    CHECK_FALSE(newest_counted_failure(set, Holders()));
    set.merge(row(1, 1, 1, 1), at(10));
    set.merge(row(2, 1, 1, 1), at(20));
    set.merge(row(1, 2, 1, 1, {clear(3, 1, 1)}), at(30));
    set.merge(row(2, 1, 1, 1), at(40));
    CHECK(newest_counted_failure(set, Holders()) == at(20));
    set.merge(row(1, 3, 1, 2), at(50));
    CHECK(newest_counted_failure(set, Holders()) == at(50));
    set.merge(row(3, 1, 1, 0, {clear(1, 1, 2)}), at(60));
    CHECK(newest_counted_failure(set, Holders()) == at(20));
    set.merge(row(2, 9, 9, 0), at(70));
    CHECK_FALSE(newest_counted_failure(set, Holders()));
    set.merge(row(2, 10, 10, 1), at(80));
    CHECK(newest_counted_failure(set, Holders()) == at(80));
}

TEST_CASE("merge: a row that everyone dropped: forgotten, and others stay") {
    TallySet set = set_of({row(1, 3, 1, 3), row(1, 4, 4, 1, {}, 2)});
    set.drop({node(1), Incarnation{1}});
    CHECK(set.find({node(1), Incarnation{1}}) == nullptr);
    CHECK(effective_failures(set, Holders()) == 1);
}

TEST_CASE("merge: any rows in any order, in any groups, any number of times: the same set") {
    for (std::uint64_t seed = 1; seed <= 2'000; ++seed) {
        std::mt19937_64 random(seed);
        CAPTURE(seed);
        std::vector<TallyRow> rows = random_rows(random);
        const TallySet once = merged(rows);

        std::vector<TallyRow> shuffled = rows;
        for (int i = 0; i < 5; ++i) shuffled.push_back(rows[random() % rows.size()]);
        std::ranges::shuffle(shuffled, random);
        const TallySet other = merged(shuffled);
        REQUIRE(rows_of(other) == rows_of(once));
        REQUIRE(effective_failures(other, Holders()) == effective_failures(once, Holders()));

        // Associative: what two nodes made of their parts, put together.
        const auto middle = rows.begin() + static_cast<std::ptrdiff_t>(random() % rows.size());
        TallySet left = merged({rows.begin(), middle});
        for (const TallyRow& each : rows_of(merged({middle, rows.end()}))) {
            left.merge(each, Instant{});
        }
        REQUIRE(rows_of(left) == rows_of(once));
        for (const TallyRow& each : rows_of(once)) REQUIRE_FALSE(left.merge(each, Instant{}));
    }
}

TEST_CASE("merge: rows of nodes without the realm added to any set: nothing falls") {
    for (std::uint64_t seed = 1; seed <= 2'000; ++seed) {
        std::mt19937_64 random(seed);
        CAPTURE(seed);
        Holders holders;
        holders.without_realm = {node(4)};
        TallySet set(password_of(1));
        const auto rows = random_rows(random);
        for (const TallyRow& each : rows) {
            if (each.node != node(4)) set.merge(each, Instant{});
        }
        const std::uint64_t before = effective_failures(set, holders);
        for (const TallyRow& each : rows) set.merge(each, Instant{});
        REQUIRE(effective_failures(set, holders) == before);
    }
}
