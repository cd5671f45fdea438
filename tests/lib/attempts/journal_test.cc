#include "attempts/journal.h"

#include <doctest/doctest.h>

#include "attempts/throttle.h"
#include "directory.h"

using namespace countersign;
using namespace countersign::attempts;
using namespace countersign::attempts::testing;
using countersign::testing::TemporaryDirectory;

namespace {

const auto alice = password_of(1);
const auto bob = password_of(2);

Code link(std::uint8_t number) {
    return Code::with_id(CodeKind::link, std::array<std::byte, 16>{std::byte{number}});
}

const TallyRow* own(const TallySet& rows, const Process& process) {
    return rows.find(process.author());
}

}  // namespace

TEST_CASE("journal: failures and a used code: durable, with the author row, across a reopening") {
    const TemporaryDirectory directory;
    {
        Process process(directory / "store");
        process.group([&](Journal& journal) {
            REQUIRE(journal.count_failure(alice));
            REQUIRE(journal.count_failure(alice));
            CHECK(journal.spend(alice, Code::totp_step(9), wall(90), process.view(9)).value());
        });
        process.group([&](Journal& journal) { REQUIRE(journal.count_failure(bob)); }, wall(900));
    }
    Process process(directory / "store");
    CHECK(process.effective(alice) == 2);
    CHECK(process.effective(bob) == 1);
    const auto author = process.author_row();
    CHECK(author.row_seq == RowSeq{4});
    CHECK(author.arrival == Arrival{3});
    CHECK(author.time == wall(1'000));  // never falls
    CHECK(author.started == wall(1));
    const auto rows = process.tables.tallies(alice);
    CHECK(verify_tally(encode(rows->front().row), rows->front().signature));
    CHECK(rows->front().row.head == LogSeq{5});
    process.group([&](Journal& journal) {
        CHECK_FALSE(journal.spend(alice, Code::totp_step(9), wall(90), process.view(9)).value());
    });
    int spent = 0;
    REQUIRE(process.tables.each_of(process.author(), RowSeq{1}, [&](const SignedRow& row) {
        if (row.kind == SignedRow::Kind::spent) {
            ++spent;
            CHECK(verify_spent(row.bytes, row.signature));
        }
        return true;
    }));
    CHECK(spent == 1);
}

TEST_CASE("journal: one row changed often in a group: written once, with its last row_seq") {
    const TemporaryDirectory directory;
    Process process(directory / "store");
    process.group([&](Journal& journal) {
        for (int i = 0; i < 3; ++i) REQUIRE(journal.count_failure(alice));
        CHECK(journal.record_success(alice).value());
        for (int i = 0; i < 4; ++i) REQUIRE(journal.count_failure(alice));
    });
    const auto rows = process.tables.tallies(alice);
    REQUIRE(rows->size() == 1);
    CHECK(rows->front().row.failures == 4);
    CHECK(rows->front().row.window == RowSeq{5});
    CHECK(rows->front().row.row_seq == RowSeq{8});
    CHECK(verify_tally(encode(rows->front().row), rows->front().signature));
    process.group([&](Journal& journal) { REQUIRE(journal.count_failure(bob)); });
    CHECK(process.tables.tallies(bob)->front().row.row_seq == RowSeq{9});
}

TEST_CASE("journal: nothing to change: nothing is written, the author row neither") {
    const TemporaryDirectory directory;
    Process process(directory / "store");
    const auto before = process.author_row();
    process.group([&](Journal& journal) {
        CHECK_FALSE(journal.record_success(alice).value());
        CHECK_FALSE(journal.operator_clear(alice).value());
        CHECK(journal.tallies(alice)->entries().empty());
        CHECK_FALSE(journal.spend(alice, Code::totp_step(3), wall(9), process.view(9, 4)).value());
        CHECK_FALSE(journal.has_changes());
    });
    CHECK(process.author_row() == before);
    CHECK(process.count("SELECT count(*) FROM tally") == 0);
}

TEST_CASE("journal: members of one group: each sees what its elders did") {
    const TemporaryDirectory directory;
    Process process(directory / "store");
    process.group([&](Journal& journal) {
        REQUIRE(journal.count_failure(alice));
        CHECK(effective_failures(*journal.tallies(alice), process.holders) == 1);
        REQUIRE(journal.count_failure(alice));
        CHECK(effective_failures(*journal.tallies(alice), process.holders) == 2);
        CHECK(journal.spend(alice, link(1), wall(9), process.view(1)).value());
        CHECK_FALSE(journal.spend(alice, link(1), wall(9), process.view(1)).value());
        CHECK(journal.spend(bob, link(1), wall(9), process.view(1)).value());
        CHECK(journal.spend(alice, Code::totp_step(6), wall(9), process.view(6)).value());
        CHECK_FALSE(journal.spend(alice, Code::totp_step(5), wall(9), process.view(6)).value());
        CHECK(journal.spend(alice, Code::totp_step(7), wall(9), process.view(7)).value());
    });
    CHECK(process.count("SELECT count(*) FROM spent") == 4);
}

TEST_CASE("journal: two processes take turns: the counts add up, no code works twice") {
    const TemporaryDirectory directory;
    Process server(directory / "store");
    Process tool(directory / "store");
    for (std::uint8_t i = 0; i < 10; ++i) {
        Process& one = i % 2 == 0 ? server : tool;
        Process& other = i % 2 == 0 ? tool : server;
        one.group([&](Journal& journal) {
            REQUIRE(journal.count_failure(alice));
            CHECK(journal.spend(alice, link(i), wall(9), one.view(1)).value());
        });
        other.group([&](Journal& journal) {
            CHECK_FALSE(journal.spend(alice, link(i), wall(9), other.view(1)).value());
            REQUIRE(journal.count_failure(alice));
        });
    }
    CHECK(server.effective(alice) == 20);
    const auto rows = tool.tables.tallies(alice);
    REQUIRE(rows->size() == 1);
    CHECK(rows->front().row.failures == 20);
    CHECK(rows->front().row.window == RowSeq{1});
    CHECK(tool.author_row().row_seq == RowSeq{30});
    tool.group([&](Journal& journal) { CHECK(journal.record_success(alice).value()); });
    CHECK(server.effective(alice) == 0);
}

TEST_CASE("journal: a group that rolls back: leaves no trace, and its numbers are given again") {
    const TemporaryDirectory directory;
    Process process(directory / "store");
    process.group([&](Journal& journal) { REQUIRE(journal.count_failure(alice)); });
    {
        auto open = process.transaction();
        auto journal = process.journal();
        REQUIRE(journal.count_failure(alice));
        CHECK(journal.spend(alice, link(1), wall(9), process.view(1)).value());
        REQUIRE(journal.flush(wall(5'000)));
    }
    CHECK(process.effective(alice) == 1);
    CHECK(process.author_row().row_seq == RowSeq{1});
    CHECK(process.author_row().time == wall(1'000));
    process.group([&](Journal& journal) {
        CHECK(journal.spend(alice, link(1), wall(9), process.view(1)).value());
    });
    CHECK(process.author_row().row_seq == RowSeq{2});
}

TEST_CASE("journal: a member that fails: leaves no trace in its group") {
    const TemporaryDirectory directory;
    Process process(directory / "store");
    process.group([&](Journal& journal) {
        REQUIRE(journal.count_failure(bob));
        CHECK(journal.spend(bob, link(3), wall(9), process.view(1)).value());
    });
    {
        auto open = process.transaction();
        REQUIRE(process.database.execute("UPDATE tally SET bytes = x'01'"));
        REQUIRE(process.database.execute("UPDATE spent SET bytes = x'01'"));
        REQUIRE(open.commit());
    }
    process.group([&](Journal& journal) {
        REQUIRE(journal.count_failure(alice));
        const auto before = journal.author();
        CHECK(journal.count_failure(bob).error() == errc::corrupt);
        CHECK(journal.record_success(bob).error() == errc::corrupt);
        CHECK(journal.operator_clear(bob).error() == errc::corrupt);
        CHECK(journal.spend(bob, link(3), wall(9), process.view(1)).error() == errc::corrupt);
        CHECK(journal.tallies(bob).error() == errc::corrupt);
        TallyRow foreign = signed_by(2, 1, 1, 1);
        foreign.credential = bob;
        CHECK(journal.take(foreign, sign(foreign, signing_key(2))).error() == errc::corrupt);
        CHECK(journal.author() == before);
    });
    CHECK(process.effective(alice) == 1);
    CHECK(process.author_row().row_seq == RowSeq{3});
    CHECK(process.count("SELECT count(*) FROM tally") == 2);
    CHECK(process.count("SELECT count(*) FROM spent") == 1);
}

TEST_CASE("journal: a row of the future: corrupt, rather than a row_seq given twice") {
    const TemporaryDirectory directory;
    Process process(directory / "store");
    process.group([&](Journal& journal) { REQUIRE(journal.count_failure(alice)); });
    auto open = process.transaction();
    auto author = process.author_row();
    author.row_seq = RowSeq{0};
    REQUIRE(process.tables.put_author(author));
    auto journal = process.journal();
    CHECK(journal.count_failure(alice).error() == errc::corrupt);
    REQUIRE(process.database.execute("DELETE FROM author"));
    const auto none = Journal::begin(process.tables, process.context());
    REQUIRE_FALSE(none);
    CHECK(none.error() == errc::corrupt);
}

TEST_CASE("journal: a user is erased: nothing stays, of elders in the group neither") {
    const TemporaryDirectory directory;
    Process process(directory / "store");
    const auto foreign = signed_by(2, 1, 1, 1);
    process.group([&](Journal& journal) {
        REQUIRE(journal.count_failure(alice));
        CHECK(journal.spend(alice, link(1), wall(9), process.view(1)).value());
        CHECK(journal.take(foreign, sign(foreign, signing_key(2))).value());
    });
    process.group([&](Journal& journal) {
        REQUIRE(journal.count_failure(bob));
        REQUIRE(journal.count_failure(alice));
        CHECK(journal.spend(alice, link(2), wall(9), process.view(1)).value());
        journal.erase(alice.user());
        CHECK(journal.count_failure(alice).error() == errc::not_found);
        CHECK(journal.tallies(alice).error() == errc::not_found);
        CHECK(journal.spend(alice, link(5), wall(9), process.view(1)).error() == errc::not_found);
        CHECK(journal.take(foreign, sign(foreign, signing_key(2))).error() == errc::not_found);
    });
    CHECK(process.tables.tallies(alice)->empty());
    CHECK(process.count("SELECT count(*) FROM spent") == 0);
    CHECK(process.effective(bob) == 1);
}

TEST_CASE("journal: a foreign row: taken once, and the own row follows what it clears") {
    const TemporaryDirectory directory;
    Process process(directory / "store");
    process.group([&](Journal& journal) {
        for (int i = 0; i < 3; ++i) REQUIRE(journal.count_failure(alice));
    });
    const auto failed = signed_by(2, 4, 4, 2);
    const auto cleared =
        signed_by(2, 5, 5, 0, {{process.node(), Process::incarnation, RowSeq{1}, 3}});
    const auto key = signing_key(2);
    process.group([&](Journal& journal) {
        CHECK(journal.take(failed, sign(failed, key)).value());
        CHECK_FALSE(journal.take(failed, sign(failed, key)).value());
        CHECK(effective_failures(*journal.tallies(alice), process.holders) == 5);
    });
    CHECK(process.effective(alice) == 5);
    process.group(
        [&](Journal& journal) { CHECK(journal.take(cleared, sign(cleared, key)).value()); });
    const auto rows = process.read(alice);
    CHECK(effective_failures(rows, process.holders) == 0);
    CHECK(own(rows, process)->failures == 0);
    CHECK(own(rows, process)->window == RowSeq{4});  // opened anew
    const auto stored = process.tables.tallies(alice);
    for (const auto& each : *stored) CHECK(verify_tally(encode(each.row), each.signature));

    TallyRow far = failed;
    far.row_seq = RowSeq{1ULL << 63};
    process.group([&](Journal& journal) {
        CHECK(journal.take(far, sign(far, key)).error() == errc::malformed);
        CHECK_FALSE(journal.has_changes());
    });
}

TEST_CASE("journal: a foreign row whose clears are needed no more: the own clears go") {
    const TemporaryDirectory directory;
    Process process(directory / "store");
    const auto key = signing_key(2);
    const auto failed = signed_by(2, 1, 1, 2);
    const auto anew = signed_by(2, 3, 3, 0);
    process.group([&](Journal& journal) {
        REQUIRE(journal.take(failed, sign(failed, key)));
        CHECK(journal.record_success(alice).value());
    });
    CHECK(own(process.read(alice), process)->clears.size() == 1);
    process.group([&](Journal& journal) { CHECK(journal.take(anew, sign(anew, key)).value()); });
    CHECK(own(process.read(alice), process)->clears.empty());
}

TEST_CASE("journal: a foreign used code: refuses the same here, as far as its author counts") {
    const TemporaryDirectory directory;
    Process process(directory / "store");
    const SpentRow row{.credential = alice,
                       .code = link(1),
                       .node = NodeId{signing_key(2).public_key()},
                       .incarnation = Incarnation{1},
                       .row_seq = RowSeq{1},
                       .expiry = wall(9)};
    process.group([&](Journal& journal) {
        REQUIRE(journal.take(row, sign(row, signing_key(2))));
        CHECK_FALSE(journal.spend(alice, link(1), wall(9), process.view(1)).value());
    });
    CHECK(process.author_row().row_seq == RowSeq{0});
    process.group([&](Journal& journal) {
        CHECK_FALSE(journal.spend(alice, link(1), wall(9), process.view(1)).value());
    });
    process.holders.without_realm = {row.node};
    process.group([&](Journal& journal) {
        CHECK(journal.spend(alice, link(1), wall(9), process.view(1)).value());
    });
}

TEST_CASE("journal: a used code that was accepted elsewhere too: those nodes are named") {
    const TemporaryDirectory directory;
    Process process(directory / "store");
    process.holders.without_realm.insert(NodeId{signing_key(4).public_key()});
    const auto by = [&](std::uint8_t number, std::uint64_t row_seq, std::uint64_t step) {
        const SpentRow row{.credential = alice,
                           .code = Code::totp_step(step),
                           .node = NodeId{signing_key(number).public_key()},
                           .incarnation = Incarnation{1},
                           .row_seq = RowSeq{row_seq},
                           .expiry = wall(90)};
        return row;
    };
    const auto take = [&](Journal& journal, const SpentRow& row, std::uint8_t number) {
        auto others = journal.take(row, sign(row, signing_key(number)));
        REQUIRE(others);
        return std::move(*others);
    };
    process.group([&](Journal& journal) {
        CHECK(journal.spend(alice, Code::totp_step(9), wall(90), process.view(9)).value());
    });
    process.group([&](Journal& journal) {
        CHECK(take(journal, by(2, 1, 8), 2).empty());
        CHECK(take(journal, by(4, 1, 9), 4).empty());  // its word does not count
        CHECK(take(journal, by(2, 2, 9), 2) == std::vector{process.node()});
        // What the group has not written yet counts as well.
        CHECK(take(journal, by(3, 1, 8), 3) == std::vector{NodeId{signing_key(2).public_key()}});
    });
}

TEST_CASE("journal: how far an author has come: on disk with the group, and never lower in it") {
    const TemporaryDirectory directory;
    Process process(directory / "store");
    const Author author{node(2), Incarnation{3}};
    process.group([&](Journal& journal) {
        journal.hear(author, RowSeq{5});
        journal.hear(author, RowSeq{4});
        CHECK(journal.has_changes());
        CHECK(journal.heard().at(author) == RowSeq{5});
    });
    const auto heard = process.tables.heard();
    REQUIRE(heard);
    REQUIRE(heard->size() == 1);
    CHECK(heard->front() == std::pair(author, RowSeq{5}));
    CHECK(process.author_row().row_seq == RowSeq{});
}

TEST_CASE("journal: an unlock of what a restored life has counted: the credential is renewed") {
    const TemporaryDirectory directory;
    Process process(directory / "store");
    {
        auto restored = process.author_row();
        restored.is_restored = true;
        auto transaction = process.transaction();
        REQUIRE(process.tables.put_author(restored));
        REQUIRE(transaction.commit());
    }
    process.group([&](Journal& journal) {
        REQUIRE(journal.count_failure(alice));
        REQUIRE(journal.count_failure(bob));
    });
    const auto own_clear = [&](std::uint64_t window, std::uint32_t failures, Incarnation life) {
        return Clear{process.node(), life, RowSeq{window}, failures};
    };
    const auto take = [&](TallyRow row) {
        process.group(
            [&](Journal& journal) { REQUIRE(journal.take(row, sign(row, signing_key(2)))); });
    };
    take(signed_by(2, 1, 1, 0, {own_clear(1, 1, Incarnation{5})}));  // of a life before
    CHECK_FALSE(*process.tables.is_renewed(alice));
    take(signed_by(2, 2, 1, 0, {own_clear(1, 2, Process::incarnation)}));  // above what was said
    CHECK_FALSE(*process.tables.is_renewed(alice));
    take(signed_by(2, 3, 1, 0, {own_clear(1, 1, Process::incarnation)}));
    CHECK(*process.tables.is_renewed(alice));
    CHECK_FALSE(*process.tables.is_renewed(bob));
}

TEST_CASE("journal: the throttle counts from when this process learned of a failure") {
    const TemporaryDirectory directory;
    Process process(directory / "store", at(100));
    Process other(directory / "store", at(100));
    process.now = at(120);
    process.group([&](Journal& journal) {
        REQUIRE(journal.count_failure(alice));
        CHECK(newest_counted_failure(*journal.tallies(alice), process.holders) == at(120));
    });
    other.now = at(125);
    CHECK(newest_counted_failure(other.read(alice), other.holders) == at(125));
    other.now = at(130);
    CHECK(newest_counted_failure(other.read(alice), other.holders) == at(125));
    process.now = at(140);
    CHECK(newest_counted_failure(process.read(alice), process.holders) == at(120));
    // A change that is no failure does not count as one.
    const auto anew = signed_by(2, 1, 1, 0);
    process.group(
        [&](Journal& journal) { REQUIRE(journal.take(anew, sign(anew, signing_key(2)))); });
    CHECK(newest_counted_failure(process.read(alice), process.holders) == at(120));

    Process restarted(directory / "store", at(900));
    restarted.now = at(950);
    CHECK(newest_counted_failure(restarted.read(alice), restarted.holders) == at(900));
}
