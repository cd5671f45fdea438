// The tables that change their names, and everything that works on them meanwhile.

#include <memory>

#include <doctest/doctest.h>
#include <sqlite3.h>

#include "copying.h"
#include "log/scrub.h"
#include "schema.h"
#include "sqlite/quick_check.h"
#include "support/faulty_vfs.h"
#include "support/vectors.h"

using namespace countersign;
using namespace countersign::log;
using namespace countersign::testing;
using Stage = CopyState::Stage;

namespace {

/// A replica that holds batches 1 to 3 of a longer log.
struct Behind : Copying {
    Behind() {
        REQUIRE(pool.accept(replica, run(feeder, LogSeq{1}, LogSeq{3})));
        for (std::uint8_t i = 10; i < 20; ++i) write(i);
    }
    void copy() {
        begin();
        stage_all(feeder);
        const auto done = replay_all(feeder);
        REQUIRE(done);
        REQUIRE(done->head);
    }
};

sqlite::Database open_reader(const PoolNode& node) {
    auto database = sqlite::Database::open(node.database.path(), {.read_only = true});
    REQUIRE(database);
    return std::move(*database);
}

std::size_t number_of_records(records::Reader& reader) {
    std::size_t number = 0;
    const auto read = reader.each({}, [&](const auto&, const auto&) {
        ++number;
        return true;
    });
    REQUIRE(read);
    return number;
}

}  // namespace

TEST_CASE("staging: statements prepared before a swap: they read and write what serves after it") {
    Behind copying;
    auto database = open_reader(copying.replica);
    auto ledger = Ledger::prepare(database, copying.pool.id, copying.pool.keyring->digest_key());
    REQUIRE(ledger);
    auto writing = copying.replica.open();
    auto other = Ledger::prepare(writing, copying.pool.id, copying.pool.keyring->digest_key());
    REQUIRE(other);
    CHECK(number_of_records(ledger->reader) == 4);
    for (int copies = 0; copies < 3; ++copies) {
        copying.copy();
        CHECK(ledger->head.read()->place == copying.feeder.head().place);
        CHECK(number_of_records(ledger->reader) == number_of_records(copying.feeder.ledger.reader));
        CHECK(ledger->reader.find(handle(19), records::RecordKind::user)->size() == 2);
        CHECK(ledger->batches.first().value() == copying.feeder.head().place.seq);
        CHECK(verify(database, *ledger));
        // A second process writes.
        const auto next = copying.write(static_cast<std::uint8_t>(30 + copies));
        {
            auto transaction = sqlite::Transaction::begin(writing);
            REQUIRE(transaction);
            REQUIRE(accept(*other, std::vector{next}));
            REQUIRE(transaction->commit());
        }
        CHECK(copying.equal(copying.feeder));
        const auto last = copying.write(static_cast<std::uint8_t>(40 + copies));
        REQUIRE(copying.pool.accept(copying.replica, std::vector{last}));
        CHECK(verify(database, *ledger));
    }
}

TEST_CASE("staging: a snapshot held across a swap: it reads on what it had, and then the new") {
    Behind copying;
    auto database = open_reader(copying.replica);
    auto reader = records::Reader::prepare(database);
    REQUIRE(reader);
    auto head = HeadRow::prepare(database);
    REQUIRE(head);
    {
        const auto snapshot = sqlite::ReadTransaction::begin(database);
        REQUIRE(snapshot);
        copying.copy();
        CHECK(copying.drop_old(1000) > 0);
        CHECK(number_of_records(*reader) == 4);
        CHECK(head->read()->place.seq == LogSeq{3});
    }
    CHECK(head->read()->place == copying.feeder.head().place);
    CHECK(number_of_records(*reader) == number_of_records(copying.feeder.ledger.reader));
}

TEST_CASE("staging: a scrub begun before a swap, and one after it: both find the rows sound") {
    Behind copying;
    auto database = open_reader(copying.replica);
    auto before = Scrub::begin(database, copying.replica.ledger.hash_row);
    REQUIRE(before);
    REQUIRE(before->step(2));
    copying.copy();
    while (!before->step(2).value()) {
    }
    CHECK(before->sound());
    CHECK(before->head().place.seq == LogSeq{3});
    auto other = open_reader(copying.replica);
    auto after = Scrub::begin(other, copying.replica.ledger.hash_row);
    REQUIRE(after);
    while (!after->step(2).value()) {
    }
    CHECK(after->sound());
    CHECK(after->head().place == copying.feeder.head().place);
}

TEST_CASE("staging: a check of the file's structure with swaps between its tables: sound") {
    Behind copying;
    auto database = open_reader(copying.replica);
    auto check = sqlite::QuickCheck::begin(database);
    REQUIRE(check);
    for (int table = 0;; ++table) {
        if (table < 4) copying.copy();
        const auto more = check->next();
        REQUIRE(more);
        if (!*more) break;
    }
    CHECK(sqlite::QuickCheck::whole(copying.replica.database));
}

TEST_CASE("staging: old tables: emptied in slices, none of them live, and then nothing is left") {
    Behind copying;
    copying.copy();
    const auto live = copying.replica.content();
    // 4 records, 7 handles, 3 batches.
    CHECK(copying.count("old_record") == 4);
    CHECK(copying.count("old_handle") == 7);
    CHECK(copying.count("old_batch") == 3);
    for (const auto& [limit, dropped] : {std::pair{0, 0}, {3, 3}, {3, 3}, {6, 6}, {5, 2}, {5, 0}}) {
        CHECK(copying.drop_old(static_cast<std::uint64_t>(limit)) ==
              static_cast<std::uint64_t>(dropped));
        CHECK(copying.replica.content() == live);
    }
    for (const char* table : {"old_record", "old_handle", "old_batch", "old_head"}) {
        CAPTURE(table);
        CHECK(copying.count(table) == 0);
    }
    CHECK(sqlite::QuickCheck::whole(copying.replica.database));
}

TEST_CASE("staging: a copy while old tables are being emptied: both end well") {
    Behind copying;
    copying.copy();
    copying.write(50);
    CHECK(copying.drop_old(2) == 2);
    copying.begin();
    CHECK(copying.drop_old(2) == 2);
    copying.stage_all(copying.feeder, 100);
    CHECK(copying.drop_old(2) == 2);
    CHECK(copying.replay_all(copying.feeder)->head);
    CHECK(copying.equal(copying.feeder));
    CHECK(copying.count("staged_record") == 0);
    CHECK(copying.count("staged_handle") == 0);
    CHECK(copying.count("staged_batch") == 0);
    CHECK(copying.count("staged_head") == 0);
    while (copying.drop_old(4) == 4) {
    }
    CHECK(copying.equal(copying.feeder));
    CHECK(copying.count("old_record") == 0);
}

TEST_CASE("staging: swaps: the file's tables and indexes stay as the schema made them") {
    Behind copying;
    const std::string objects =
        "SELECT type || ' ' || name || ' ' || tbl_name || ' ' || replace(coalesce(sql, ''), '\"',"
        " '') FROM sqlite_schema ORDER BY 1";
    const std::string made = copying.text_of(objects);
    CHECK(made.find("sqlite_autoindex_staged_record_1 staged_record") != std::string::npos);
    copying.copy();
    CHECK(copying.text_of(objects) == made);
    copying.begin();
    copying.stage_all(copying.feeder);
    copying.begin();
    CHECK(copying.text_of(objects) == made);
}

TEST_CASE("staging: the disk fails at any write, then not: the copy goes on where it was") {
    for (const unsigned calls : {unsigned{io_write}, unsigned{io_sync}}) {
        for (int nth = 1;; nth += nth < 10 ? 1 : 5) {
            CAPTURE(calls);
            CAPTURE(nth);
            Behind copying;
            const auto past = copying.replica.content();
            FaultyVfs vfs;
            vfs.plan({.calls = calls,
                      .nth = nth,
                      .code = calls == io_write ? SQLITE_IOERR_WRITE : SQLITE_IOERR_FSYNC,
                      .for_good = true});
            bool failed = false;
            const auto health = std::make_shared<sqlite::Health>();
            {
                // A cache of a few pages: SQLite writes before it commits, too.
                auto database = sqlite::Database::open(
                    copying.replica.database.path(),
                    {.vfs = vfs.name(), .health = health, .cache_bytes = 16 << 10});
                if (!database) break;
                auto staging = Staging::prepare(
                    *database, copying.pool.id, copying.pool.keyring->digest_key());
                REQUIRE(staging);
                const auto write = [&](auto&& work) {
                    auto transaction = sqlite::Transaction::begin(*database);
                    if (transaction) {
                        const auto done = work();
                        if (done && transaction->commit()) return true;
                    }
                    failed = true;
                    return false;
                };
                const auto page = [&] {
                    return Copying::read(copying.feeder, copying.state().after, 100);
                };
                bool go_on = write([&] { return staging->begin(*database); });
                while (go_on && copying.state().stage == Stage::paging) {
                    go_on = write([&] { return staging->stage(page()); });
                }
                while (go_on && copying.state().stage == Stage::replaying) {
                    go_on = write([&] {
                        const auto now = copying.state();
                        return staging->replay(*database,
                                               Copying::run(copying.feeder, now.first, now.last),
                                               LogSeq{1});
                    });
                }
            }
            if (!failed) {
                CHECK(copying.equal(copying.feeder));
                break;
            }
            const bool swapped = copying.replica.content() != past;
            copying.reopen();
            if (!swapped) {
                if (copying.state().stage == Stage::none) copying.begin();
                if (copying.state().stage == Stage::paging) copying.stage_all(copying.feeder);
                CHECK(copying.replica.content() == past);
                CHECK(copying.replay_all(copying.feeder)->head);
            }
            CHECK(copying.equal(copying.feeder));
        }
    }
}

TEST_CASE("staging: a new store's file: it has the staging tables, and they work") {
    TemporaryDirectory directory;
    auto database = sqlite::Database::open(directory / "store.db", {.create = true});
    REQUIRE(database);
    REQUIRE(sqlite::migrate(*database, schema()));
    Pool pool;
    auto staging = Staging::prepare(*database, pool.id, pool.keyring->digest_key());
    REQUIRE(staging);
    auto transaction = sqlite::Transaction::begin(*database);
    REQUIRE(transaction);
    CHECK(staging->begin(*database)->stage == Stage::paging);
    CHECK(staging->drop_old(10).value() == 0);
}
