#include "attempts/tables.h"

#include <doctest/doctest.h>

#include "directory.h"

using namespace countersign;
using namespace countersign::attempts;
using namespace countersign::attempts::testing;
using countersign::testing::TemporaryDirectory;

namespace {

StoredTally stored(const TallyRow& row, Arrival arrival = Arrival{1}) {
    return {row, sign(row, signing_key(1)), arrival};
}

TallyRow own(const CredentialId& credential, std::uint64_t row_seq, std::uint32_t failures) {
    TallyRow made = signed_by(1, row_seq, row_seq, failures);
    made.credential = credential;
    return made;
}

StoredSpent stored_spent(const CredentialId& credential,
                         std::uint64_t row_seq,
                         const Code& code,
                         UnixTime expiry = wall(50)) {
    const SpentRow row{.credential = credential,
                       .code = code,
                       .node = NodeId{signing_key(1).public_key()},
                       .incarnation = Incarnation{1},
                       .row_seq = RowSeq{row_seq},
                       .expiry = expiry};
    return {row, sign(row, signing_key(1))};
}

std::vector<std::pair<SignedRow::Kind, std::uint64_t>> order(Process& process,
                                                             const Author& author,
                                                             std::uint64_t from,
                                                             std::size_t limit = 100) {
    std::vector<std::pair<SignedRow::Kind, std::uint64_t>> seen;
    REQUIRE(process.tables.each_of(author, RowSeq{from}, [&](const SignedRow& row) {
        seen.emplace_back(row.kind, value(row.row_seq));
        return seen.size() < limit;
    }));
    return seen;
}

}  // namespace

TEST_CASE("tables: a row put: comes back with its signature, as signed") {
    const TemporaryDirectory directory;
    Process process(directory / "store");
    TallyRow row = signed_by(1, 9, 4, 3, {clear(2, 1, 6, ~0ULL)});
    row.incarnation = Incarnation{~0ULL};
    {
        auto transaction = process.transaction();
        REQUIRE(process.tables.put(stored(row, Arrival{12})));
        REQUIRE(transaction.commit());
    }
    Process again(directory / "store");
    const auto rows = again.tables.tallies(password_of(1));
    REQUIRE(rows);
    REQUIRE(rows->size() == 1);
    CHECK(rows->front().row == row);
    CHECK(rows->front().arrival == Arrival{12});
    CHECK(verify_tally(encode(rows->front().row), rows->front().signature));
    CHECK(again.tables.tallies(password_of(2))->empty());
}

TEST_CASE("tables: a row put again: supersedes that of its author and no other") {
    const TemporaryDirectory directory;
    Process process(directory / "store");
    auto transaction = process.transaction();
    TallyRow other = signed_by(1, 1, 1, 8);
    other.incarnation = Incarnation{2};
    REQUIRE(process.tables.put(stored(signed_by(1, 1, 1, 1))));
    REQUIRE(process.tables.put(stored(other)));
    REQUIRE(process.tables.put(stored(signed_by(1, 2, 1, 2))));
    const auto rows = process.tables.tallies(password_of(1));
    REQUIRE(rows->size() == 2);
    CHECK(rows->at(0).row.failures == 2);
    CHECK(rows->at(1).row.failures == 8);
    REQUIRE(process.tables.drop_tally(password_of(1), other.author()));
    CHECK(process.tables.tallies(password_of(1))->size() == 1);
}

TEST_CASE("tables: a row_seq that no node can have: refused, nothing stored") {
    const TemporaryDirectory directory;
    Process process(directory / "store");
    auto transaction = process.transaction();
    CHECK(process.tables.put(stored(signed_by(1, ~0ULL, 1, 1))).error() == errc::malformed);
    CHECK(
        process.tables.put(stored_spent(password_of(1), 1ULL << 63, Code::totp_step(1))).error() ==
        errc::malformed);
    CHECK(process.tables.tallies(password_of(1))->empty());
    CHECK(order(process, signed_by(1, 1, 1, 1).author(), ~0ULL).empty());
}

TEST_CASE("tables: stored bytes that belong to another place: corrupt") {
    const TemporaryDirectory directory;
    Process process(directory / "store");
    auto transaction = process.transaction();
    REQUIRE(process.tables.put(stored(own(password_of(1), 3, 2))));
    REQUIRE(process.tables.put(stored(own(password_of(2), 4, 2))));
    for (const char* damage : {"UPDATE tally SET row_seq = 7",
                               "UPDATE tally SET bytes = (SELECT max(bytes) FROM tally)",
                               "UPDATE tally SET incarnation = 77",
                               "UPDATE tally SET arrival = -1",
                               "UPDATE tally SET bytes = x'01'"}) {
        CAPTURE(damage);
        REQUIRE(process.database.execute("SAVEPOINT before"));
        REQUIRE(process.database.execute(damage));
        const auto rows = process.tables.tallies(password_of(1));
        REQUIRE_FALSE(rows);
        CHECK(rows.error() == errc::corrupt);
        REQUIRE(process.database.execute("ROLLBACK TO before"));
    }
    CHECK(process.tables.tallies(password_of(1)));
}

TEST_CASE("tables: spent rows: all steps for a step, for another code that one") {
    const TemporaryDirectory directory;
    Process process(directory / "store");
    auto transaction = process.transaction();
    const auto link = Code::with_id(CodeKind::link, std::array<std::byte, 16>{std::byte{1}});
    const auto link_2 = Code::with_id(CodeKind::link, std::array<std::byte, 16>{std::byte{2}});
    const auto who = password_of(1);
    REQUIRE(process.tables.put(stored_spent(who, 1, Code::totp_step(~0ULL))));
    REQUIRE(process.tables.put(stored_spent(who, 2, Code::totp_step(3))));
    REQUIRE(process.tables.put(stored_spent(who, 3, link)));
    REQUIRE(process.tables.put(stored_spent(password_of(2), 4, Code::totp_step(9))));
    CHECK(process.tables.spent(who, Code::totp_step(8))->size() == 2);
    CHECK(process.tables.spent(who, link)->size() == 1);
    CHECK(process.tables.spent(who, link)->front() == stored_spent(who, 3, link).row);
    CHECK(process.tables.spent(who, link_2)->empty());
}

TEST_CASE("tables: rows of one author: tallies and spent in rising row_seq, from n on") {
    using enum SignedRow::Kind;
    const TemporaryDirectory directory;
    Process process(directory / "store");
    auto transaction = process.transaction();
    const Author author = signed_by(1, 1, 1, 1).author();
    REQUIRE(process.tables.put(stored(own(password_of(1), 8, 1))));
    REQUIRE(process.tables.put(stored_spent(password_of(1), 5, Code::totp_step(1))));
    REQUIRE(process.tables.put(stored(own(password_of(2), 2, 1))));
    REQUIRE(process.tables.put(stored_spent(password_of(2), 9, Code::totp_step(1))));
    TallyRow foreign = own(password_of(3), 3, 1);
    foreign.incarnation = Incarnation{2};
    REQUIRE(process.tables.put(stored(foreign)));
    CHECK(order(process, author, 1) ==
          decltype(order(process, author, 1)){{tally, 2}, {spent, 5}, {tally, 8}, {spent, 9}});
    CHECK(order(process, author, 6) == decltype(order(process, author, 1)){{tally, 8}, {spent, 9}});
    CHECK(order(process, author, 6, 1).size() == 1);
    CHECK(order(process, author, 10).empty());

    CHECK(*process.tables.drop_all_of(author, 3) == 3);
    CHECK(order(process, author, 1).size() == 1);
    CHECK(*process.tables.drop_all_of(author, 3) == 1);
    CHECK(order(process, foreign.author(), 1).size() == 1);
}

TEST_CASE("tables: what has expired or says nothing: goes in slices, and only up to its bound") {
    const TemporaryDirectory directory;
    Process process(directory / "store");
    auto transaction = process.transaction();
    const Author author = signed_by(1, 1, 1, 1).author();
    for (std::uint8_t i = 1; i <= 5; ++i) {
        REQUIRE(process.tables.put(stored(own(password_of(i), i, i == 2 ? 1 : 0))));
        REQUIRE(process.tables.put(
            stored_spent(password_of(i), 10U + i, Code::totp_step(i), wall(100 + i))));
    }
    CHECK(*process.tables.drop_expired(wall(104), 2) == 2);
    CHECK(*process.tables.drop_expired(wall(104), 2) == 1);
    CHECK(*process.tables.drop_expired(wall(104), 2) == 0);
    CHECK(*process.tables.drop_silent(author, RowSeq{4}, 2) == 2);
    CHECK(*process.tables.drop_silent(author, RowSeq{4}, 2) == 1);
    CHECK(*process.tables.drop_silent(author, RowSeq{4}, 2) == 0);
    CHECK(order(process, author, 1).size() == 4);  // 2 and 5, and two spent
    REQUIRE(process.tables.put(stored(own(password_of(5), 20, 1))));
    CHECK(*process.tables.drop_silent(author, RowSeq{100}, 10) == 0);
}

TEST_CASE("tables: a user or a credential is erased: nothing of it stays, all of others") {
    const TemporaryDirectory directory;
    Process process(directory / "store");
    auto transaction = process.transaction();
    UserId last;
    last.bytes.fill(std::byte{0xff});
    TotpId totp;
    totp.bytes.fill(std::byte{0xff});
    for (const UserId& each : {user(1), user(2), last}) {
        const auto base = 10ULL * std::to_integer<std::uint64_t>(each.bytes[15]);
        const auto password = CredentialId::password(each, PasswordVersion{1});
        const auto code = CredentialId::totp(each, totp);
        REQUIRE(process.tables.put(stored(own(password, base + 1, 1))));
        REQUIRE(process.tables.put(stored(own(code, base + 2, 1))));
        REQUIRE(process.tables.put(stored_spent(code, base + 3, Code::totp_step(1))));
    }
    REQUIRE(process.tables.erase(user(2)));
    CHECK(process.count("SELECT count(*) FROM tally") == 4);
    CHECK(process.count("SELECT count(*) FROM spent") == 2);
    REQUIRE(process.tables.erase(last));
    CHECK(process.count("SELECT count(*) FROM tally") == 2);
    REQUIRE(process.tables.erase(CredentialId::totp(user(1), totp)));
    CHECK(process.tables.tallies(password_of(1))->size() == 1);
    CHECK(process.count("SELECT count(*) FROM tally") == 1);
    CHECK(process.count("SELECT count(*) FROM spent") == 0);
}

TEST_CASE("tables: the author row: none at first, then what was put last") {
    const TemporaryDirectory directory;
    auto database = sqlite::Database::open(directory / "store", {.create = true});
    auto transaction = sqlite::Transaction::begin(*database);
    REQUIRE(transaction);
    REQUIRE(database->execute(schema_sql));
    auto tables = Tables::prepare(*database);
    REQUIRE(tables);
    CHECK(tables->author().value() == std::nullopt);
    AuthorRow author{.incarnation = Incarnation{~0ULL},
                     .started = wall(5),
                     .is_restored = true,
                     .row_seq = RowSeq{6},
                     .arrival = Arrival{7},
                     .time = wall(8)};
    REQUIRE(tables->put_author({.incarnation = Incarnation{1}}));
    REQUIRE(tables->put_author(author));
    CHECK(tables->author().value() == author);
}

TEST_CASE("tables: how far other authors have come: kept, and raised in place") {
    const TemporaryDirectory directory;
    Process process(directory / "store");
    const Author one{node(1), Incarnation{~0ULL}};
    const Author other{node(2), Incarnation{3}};
    {
        auto transaction = process.transaction();
        REQUIRE(process.tables.put_heard(other, RowSeq{5}));
        REQUIRE(process.tables.put_heard(one, RowSeq{9}));
        REQUIRE(process.tables.put_heard(other, RowSeq{7}));
        CHECK(process.tables.put_heard(other, RowSeq{~0ULL}).error() == errc::malformed);
        REQUIRE(transaction.commit());
    }
    Process again(directory / "store");
    const auto heard = again.tables.heard();
    REQUIRE(heard);
    CHECK(*heard == std::vector<std::pair<Author, RowSeq>>{{one, RowSeq{9}}, {other, RowSeq{7}}});
}

TEST_CASE("tables: rows and credentials: counted by node, listed in order and by user") {
    const TemporaryDirectory directory;
    Process process(directory / "store");
    auto transaction = process.transaction();
    const NodeId self = signed_by(1, 1, 1, 1).node;
    for (const std::uint8_t user : {3, 1, 2}) {
        REQUIRE(process.tables.put(stored(own(password_of(user), user, 1))));
    }
    const auto totp = CredentialId::totp(user(2), TotpId{});
    REQUIRE(process.tables.put(stored(own(totp, 4, 1))));
    REQUIRE(process.tables.put(stored_spent(password_of(1), 5, Code::totp_step(1))));
    CHECK(process.tables.count_tallies(self) == 4);
    CHECK(process.tables.count_spent(self) == 1);
    CHECK(process.tables.count_tallies(node(9)) == 0);
    CHECK(process.tables.credentials({}, 2) == std::vector{password_of(1), password_of(2)});
    CHECK(process.tables.credentials(totp, 9) == std::vector{totp, password_of(3)});
    CHECK(process.tables.credentials_of(user(2)) == std::vector{password_of(2), totp});
    CHECK(process.tables.credentials_of(user(4))->empty());
}
