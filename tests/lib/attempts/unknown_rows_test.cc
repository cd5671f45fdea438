#include "attempts/unknown_rows.h"

#include <string>

#include <doctest/doctest.h>

#include "directory.h"

using namespace countersign;
using namespace countersign::attempts;
using namespace countersign::attempts::testing;
using countersign::testing::TemporaryDirectory;

namespace {

// As many names as one likes, told by their first byte.
CredentialId unknown(std::uint32_t number) {
    UserId id;
    id.bytes[0] = std::byte{0xee};
    for (std::size_t i = 0; i < 4; ++i) {
        id.bytes[12 + i] = static_cast<std::byte>(number >> (24 - 8 * i));
    }
    return CredentialId::password(id, PasswordVersion{1});
}

bool is_unknown(const UserId& id) {
    return id.bytes[0] == std::byte{0xee};
}

constexpr const char* with_failures = "SELECT count(*) FROM tally WHERE silent = 0";

}  // namespace

TEST_CASE("unknown rows: one name too many: the one that failed longest ago makes room") {
    const TemporaryDirectory directory;
    Process process(directory / "store");
    UnknownRows rows(is_unknown, 2);
    const auto attempt = [&](std::uint32_t name) {
        bool is_overrun = false;
        process.group([&](Journal& journal) {
            const auto made = journal.make_room(rows);
            REQUIRE(made);
            is_overrun = *made;
            REQUIRE(journal.count_failure(unknown(name)));
        });
        return is_overrun;
    };
    process.group([&](Journal& journal) { REQUIRE(journal.count_failure(password_of(9))); });
    CHECK_FALSE(attempt(1));
    CHECK_FALSE(attempt(2));
    CHECK_FALSE(attempt(1));
    CHECK_FALSE(attempt(3));
    CHECK(attempt(3));  // learns of the third name now, within the hour
    CHECK(process.effective(unknown(2)) == 0);
    CHECK(process.effective(unknown(1)) == 2);
    CHECK(process.effective(unknown(3)) == 2);
    CHECK(process.effective(password_of(9)) == 1);
    CHECK(process.count(with_failures) == 3);
    const auto left = process.tables.tallies(unknown(2));
    REQUIRE(left->size() == 1);
    CHECK(verify_tally(encode(left->front().row), left->front().signature));

    CHECK_FALSE(attempt(3));  // what has left is told no more
    CHECK(rows.leaving().empty());
    process.now = at(7'200);
    CHECK_FALSE(attempt(4));
    CHECK_FALSE(attempt(4));  // the oldest failed hours ago
    CHECK(process.effective(unknown(1)) == 0);
}

TEST_CASE("unknown rows: letting go rolls back: it is done by the next group") {
    const TemporaryDirectory directory;
    Process process(directory / "store");
    UnknownRows rows(is_unknown, 1);
    for (const std::uint32_t name : {1U, 2U}) {
        process.group([&](Journal& journal) { REQUIRE(journal.count_failure(unknown(name))); });
    }
    {
        auto open = process.transaction();
        auto journal = process.journal();
        CHECK(journal.make_room(rows).value());
        REQUIRE(journal.flush(wall(1)));
    }
    CHECK(process.effective(unknown(1)) == 1);
    process.group([&](Journal& journal) { REQUIRE(journal.make_room(rows)); });
    CHECK(process.effective(unknown(1)) == 0);
}

TEST_CASE("unknown rows: another process lets go and drops the row: nothing is left to do") {
    const TemporaryDirectory directory;
    Process process(directory / "store");
    Process other(directory / "store");
    UnknownRows rows(is_unknown, 1);
    UnknownRows rows_of_other(is_unknown, 1);
    process.group([&](Journal& journal) {
        REQUIRE(journal.count_failure(unknown(1)));
        REQUIRE(journal.count_failure(unknown(2)));
    });
    REQUIRE(rows.catch_up(process.tables, process.author(), at(0)));
    CHECK(rows.leaving() == std::set{unknown(1)});
    other.group([&](Journal& journal) { REQUIRE(journal.make_room(rows_of_other)); });
    {
        auto open = other.transaction();
        REQUIRE(*other.tables.drop_silent(other.author(), RowSeq{100}, 10) == 1);
        REQUIRE(open.commit());
    }
    process.group([&](Journal& journal) {
        REQUIRE(journal.make_room(rows));
        CHECK_FALSE(journal.has_changes());
    });
    CHECK(rows.leaving().empty());
    CHECK(rows.size() == 1);
}

TEST_CASE("unknown rows: another incarnation: begins anew") {
    const TemporaryDirectory directory;
    Process process(directory / "store");
    UnknownRows rows(is_unknown, 10);
    process.group([&](Journal& journal) { REQUIRE(journal.count_failure(unknown(1))); });
    REQUIRE(rows.catch_up(process.tables, process.author(), at(0)));
    CHECK(rows.size() == 1);
    REQUIRE(rows.catch_up(process.tables, {process.node(), Incarnation{1}}, at(0)));
    CHECK(rows.size() == 0);
    REQUIRE(rows.catch_up(process.tables, process.author(), at(0)));
    CHECK(rows.size() == 1);
}

TEST_CASE("unknown rows: a flood of 100,000 names, and a restart in it: the table stays bounded") {
    constexpr std::uint32_t names = 100'000;
    constexpr std::uint32_t per_group = 1'000;
    const TemporaryDirectory directory;
    Process process(directory / "store");
    UnknownRows rows(is_unknown);
    REQUIRE(process.database.execute("PRAGMA synchronous=OFF"));
    process.group([&](Journal& journal) { REQUIRE(journal.count_failure(password_of(9))); });
    for (std::uint32_t name = 0; name < names;) {
        if (name == 80'000) rows = UnknownRows(is_unknown);
        process.group([&](Journal& journal) {
            REQUIRE(journal.make_room(rows));
            for (std::uint32_t i = 0; i < per_group; ++i, ++name) {
                REQUIRE(journal.count_failure(unknown(name)));
            }
        });
        auto open = process.transaction();
        REQUIRE(process.tables.drop_silent(process.author(), process.author_row().row_seq, 5'000));
        REQUIRE(open.commit());
        if (name % 10'000 == 0) {
            CHECK(process.count("SELECT count(*) FROM tally") <=
                  1 + UnknownNames::max_names + per_group);
        }
    }
    CHECK(process.effective(password_of(9)) == 1);
    CHECK(process.effective(unknown(names - 1)) == 1);
    CHECK(process.effective(unknown(0)) == 0);
    CHECK(rows.size() == UnknownNames::max_names);
}
