#include "attempts/own_row.h"

#include <doctest/doctest.h>

#include "rows.h"

using namespace countersign;
using namespace countersign::attempts;
using namespace countersign::attempts::testing;

TEST_CASE("own row: failures: the first opens a window, the next stay in it") {
    TallySet set(password_of(1));
    set.merge(count_failure(set, stamp(1, 5)), Instant{});
    CHECK(*set.find({node(1), Incarnation{1}}) == [] {
        TallyRow expected = row(1, 5, 5, 1);
        expected.head = LogSeq{1};
        return expected;
    }());
    set.merge(count_failure(set, stamp(1, 8)), Instant{});
    const TallyRow* own = set.find({node(1), Incarnation{1}});
    CHECK(own->window == RowSeq{5});
    CHECK(own->row_seq == RowSeq{8});
    CHECK(own->failures == 2);
    CHECK(effective_failures(set, Holders()) == 2);
    CHECK(count_failure(set_of({row(1, 6, 4, 0)}), stamp(1, 8)).window == RowSeq{8});
}

TEST_CASE("own row: a failure at the highest figure: it stays there") {
    TallySet set = set_of({row(1, 1, 1, ~0U)});
    CHECK(count_failure(set, stamp(1, 2)).failures == ~0U);
}

TEST_CASE("own row: a success that clears nothing: changes no row") {
    CHECK_FALSE(record_success(TallySet(password_of(1)), stamp(1, 1), Holders()));
    CHECK_FALSE(record_success(set_of({row(1, 3, 3, 0), row(2, 1, 1, 0)}), stamp(1, 4), Holders()));
    // All cleared by another node already.
    CHECK_FALSE(record_success(
        set_of({row(2, 4, 1, 4), row(3, 1, 1, 0, {clear(2, 1, 4)})}), stamp(1, 4), Holders()));
    // And twice is once.
    TallySet set = set_of({row(1, 3, 1, 3), row(2, 2, 1, 2)});
    set.merge(*record_success(set, stamp(1, 4), Holders()), Instant{});
    CHECK_FALSE(record_success(set, stamp(1, 5), Holders()));
}

TEST_CASE("own row: a success: a new window here, and clears of what is known of others") {
    TallySet set = set_of({row(1, 3, 1, 3), row(2, 2, 1, 2), row(3, 9, 7, 1), row(4, 1, 1, 0)});
    const auto changed = record_success(set, stamp(1, 4), Holders());
    REQUIRE(changed);
    CHECK(changed->failures == 0);
    CHECK(changed->window == RowSeq{4});
    CHECK(changed->clears == std::vector{clear(2, 1, 2), clear(3, 7, 1)});
    CHECK(set.find({node(1), Incarnation{1}})->failures == 3);  // until it is merged
    set.merge(*changed, Instant{});
    CHECK(effective_failures(set, Holders()) == 0);
}

TEST_CASE("own row: a success where the same node failed in an earlier incarnation: cleared too") {
    TallySet set = set_of({row(1, 3, 1, 3, {}, 1)});
    set.merge(*record_success(set, stamp(1, 1, 2), Holders()), Instant{});
    CHECK(effective_failures(set, Holders()) == 0);
    CHECK(remaining_of(node(1), set, Holders()) == 0);
}

TEST_CASE("own row: more failures after a clear, then a success: the clear rises, never falls") {
    TallySet set = set_of({row(1, 4, 4, 0, {clear(2, 1, 2)}), row(2, 5, 1, 5)});
    const auto changed = record_success(set, stamp(1, 5), Holders());
    REQUIRE(changed);
    CHECK(changed->clears == std::vector{clear(2, 1, 5)});
    CHECK(changed->window == RowSeq{4});

    // The subject's row was lost here and is known lower again: what was said stands.
    const TallySet lost = set_of({row(1, 5, 4, 0, {clear(2, 1, 5)}), row(2, 3, 1, 3)});
    CHECK_FALSE(record_success(lost, stamp(1, 6), Holders()));
}

TEST_CASE("own row: a success where a foreign row does not count: no clear of it") {
    Holders holders;
    holders.without_realm = {node(2)};
    CHECK_FALSE(record_success(set_of({row(2, 2, 1, 2)}), stamp(1, 1), holders));
}

TEST_CASE("own row: an operator unlocks: everything known is cleared, also where nobody failed") {
    Holders holders;
    holders.without_realm = {node(9)};
    holders.administrators = {node(9)};
    TallySet set = set_of({row(1, 30, 1, 30), row(2, 2, 1, 2)});
    set.merge(*operator_clear(set, stamp(9, 1), holders), Instant{});
    CHECK(effective_failures(set, holders) == 0);
    CHECK(remaining_of(node(1), set, holders) == 0);  // its share is free again
}

TEST_CASE("own row: wholly cleared by others: a new window; in part, or empty: nothing") {
    TallySet set = set_of({row(1, 4, 1, 4), row(2, 1, 1, 0, {clear(1, 1, 3)})});
    CHECK_FALSE(open_new_window(set, stamp(1, 5), Holders()));
    set.merge(row(2, 2, 1, 0, {clear(1, 1, 4)}), Instant{});
    const auto opened = open_new_window(set, stamp(1, 5), Holders());
    REQUIRE(opened);
    CHECK(opened->failures == 0);
    CHECK(opened->window == RowSeq{5});
    set.merge(*opened, Instant{});
    CHECK_FALSE(open_new_window(set, stamp(1, 6), Holders()));
    CHECK_FALSE(open_new_window(TallySet(password_of(1)), stamp(1, 6), Holders()));
}

TEST_CASE("own row: a clear: stays until a newer window of its subject is known") {
    TallySet set = set_of({row(1, 4, 4, 0, {clear(2, 1, 5), clear(3, 1, 1)}), row(2, 5, 1, 5)});
    CHECK_FALSE(drop_clears(set, stamp(1, 5)));
    set.merge(row(2, 7, 1, 7), Instant{});
    CHECK_FALSE(drop_clears(set, stamp(1, 5)));
    set.merge(row(2, 8, 8, 0), Instant{});
    const auto dropped = drop_clears(set, stamp(1, 5));
    REQUIRE(dropped);
    CHECK(dropped->clears == std::vector{clear(3, 1, 1)});
    CHECK(dropped->window == RowSeq{4});
    // Any other change lets go of it as well.
    CHECK(count_failure(set, stamp(1, 5)).clears == std::vector{clear(3, 1, 1)});
    CHECK_FALSE(drop_clears(TallySet(password_of(1)), stamp(1, 5)));
}

TEST_CASE("own row: no failures and no clears: says nothing, and may be dropped") {
    CHECK(says_nothing(row(1, 4, 4, 0)));
    CHECK_FALSE(says_nothing(row(1, 4, 4, 1)));
    CHECK_FALSE(says_nothing(row(1, 4, 4, 0, {clear(2, 1, 1)})));
}

TEST_CASE("own row: a new incarnation: copies what it counts, and both add up") {
    TallySet set = set_of(
        {row(1, 5, 1, 5, {clear(2, 1, 2)}), row(2, 2, 1, 2), row(3, 1, 1, 0, {clear(1, 1, 1)})});
    REQUIRE(effective_failures(set, Holders()) == 4);
    const auto copy = copy_from(Incarnation{1}, set, stamp(1, 1, 2), Holders());
    REQUIRE(copy);
    CHECK(copy->failures == 4);
    CHECK(copy->incarnation == Incarnation{2});
    CHECK(copy->clears == std::vector{clear(2, 1, 2)});
    set.merge(*copy, Instant{});
    CHECK(effective_failures(set, Holders()) == 8);  // too high is safe
    CHECK(remaining_of(node(1), set, Holders()) == 8);

    CHECK_FALSE(copy_from(Incarnation{1}, set_of({row(1, 5, 5, 0)}), stamp(1, 1, 2), Holders()));
    CHECK_FALSE(copy_from(Incarnation{9}, set_of({row(1, 5, 5, 1)}), stamp(1, 1, 2), Holders()));
}

TEST_CASE("own row: more rows than one can clear: the highest first, the rest next time") {
    TallySet set(password_of(1));
    for (std::uint64_t life = 1; life <= max_clears + 10; ++life) {
        set.merge(row(2, 1, 1, static_cast<std::uint32_t>(life), {}, life), Instant{});
    }
    auto changed = record_success(set, stamp(1, 1), Holders());
    REQUIRE(changed);
    CHECK(changed->clears.size() == max_clears);
    CHECK(decode_tally(encode(*changed)));
    set.merge(*changed, Instant{});
    CHECK(effective_failures(set, Holders()) == 1 + 2 + 3 + 4 + 5 + 6 + 7 + 8 + 9 + 10);
    CHECK_FALSE(record_success(set, stamp(1, 2), Holders()));

    for (std::uint64_t life = 100; life < 110; ++life)
        set.merge(row(2, 2, 2, 0, {}, life), Instant{});
    set.merge(*record_success(set, stamp(1, 2), Holders()), Instant{});
    CHECK(effective_failures(set, Holders()) == 0);
}
