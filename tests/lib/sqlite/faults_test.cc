// What a caller is told when the disk fails, and what is on it afterwards.

#include <filesystem>
#include <memory>
#include <string>

#include <doctest/doctest.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sqlite/database.h"
#include "sqlite/health.h"
#include "sqlite/statement.h"
#include "sqlite/transaction.h"
#include "support/faulty_vfs.h"
#include "support/temporary_directory.h"

using namespace countersign;
using namespace countersign::sqlite;
using namespace countersign::testing;

namespace {

struct Rig {
    TemporaryDirectory directory;
    FaultyVfs vfs;
    std::string path = directory / "store.db";
    OpenOptions options{
        .vfs = vfs.name(), .health = std::make_shared<Health>(), .patience = milliseconds(20)};
    OpenOptions reading{.vfs = vfs.name(),
                        .read_only = true,
                        .health = options.health,
                        .patience = milliseconds(20)};

    Rig() {
        auto database = Database::open(path, {.vfs = vfs.name(), .create = true});
        REQUIRE(database);
        auto transaction = Transaction::begin(*database);
        REQUIRE(transaction);
        REQUIRE(database->execute("CREATE TABLE t (id INTEGER PRIMARY KEY, body BLOB) STRICT"));
        REQUIRE(database->execute("PRAGMA application_id=1668507502"));
        REQUIRE(transaction->commit());
        REQUIRE(database->checkpoint(CheckpointMode::truncate));
        vfs.heal();
    }

    Database open() {
        auto database = Database::open(path, options);
        REQUIRE(database);
        return std::move(*database);
    }
};

Result<void> put(Database& database, int id, std::size_t size = 10) {
    auto transaction = Transaction::begin(database);
    if (!transaction) return transaction.error();
    auto insert = database.prepare("INSERT INTO t (id, body) VALUES (?, ?)");
    if (!insert) return insert.error();
    const std::vector<std::byte> body(size);
    if (auto done = insert->run(id, body); !done) return done;
    return transaction->commit();
}

Result<std::int64_t> count(Database& database) {
    auto select = database.prepare("SELECT count(*) FROM t");
    if (!select) return select.error();
    auto rows = select->query();
    if (!rows) return rows.error();
    const auto found = rows->next();
    if (!found) return found.error();
    return rows->integer(0);
}

}  // namespace

TEST_CASE("sqlite: the disk is full, then not: disk_full, nothing lost, and writing goes on") {
    Rig rig;
    Database database = rig.open();
    REQUIRE(put(database, 1));
    rig.vfs.plan({.calls = io_write,
                  .file_suffix = "-wal",
                  .code = SQLITE_FULL,
                  .for_good = true,
                  .half_written = true});
    const auto refused = put(database, 2);
    REQUIRE_FALSE(refused);
    CHECK(refused.error() == errc::disk_full);
    CHECK(refused.error().detail().find(rig.path) != std::string::npos);
    CHECK(refused.error().detail().find("make room") != std::string::npos);
    CHECK(database.health().sound());
    CHECK(count(database).value() == 1);
    rig.vfs.heal();
    CHECK(put(database, 3));
    CHECK(count(database).value() == 2);
}

TEST_CASE("sqlite: no room for what is written after a commit's last frame: outcome unknown") {
    // A disk that tears neighbouring bytes makes SQLite pad the log, after a frame that a later
    // reader takes for the commit.
    Rig rig;
    rig.vfs.claim_powersafe_overwrite(false);
    Database database = rig.open();
    rig.vfs.plan({.calls = io_write, .file_suffix = "-wal", .code = SQLITE_FULL, .for_good = true});
    CHECK(put(database, 1).error() == errc::outcome_unknown);
    CHECK_FALSE(database.health().sound());
}

TEST_CASE("sqlite: a large transaction meets a full disk before its commit: it stays refused") {
    Rig rig;
    rig.options.cache_bytes = 64 << 10;
    Database database = rig.open();
    rig.vfs.plan({.calls = io_write, .file_suffix = "-wal", .nth = 5, .code = SQLITE_FULL});
    auto transaction = Transaction::begin(database);
    REQUIRE(transaction);
    auto insert = database.prepare("INSERT INTO t (id, body) VALUES (?, zeroblob(100000))");
    REQUIRE(insert);
    Result<void> done;
    for (int id = 0; id < 100 && done; ++id) done = insert->run(id);
    REQUIRE_FALSE(done);
    CHECK(done.error() == errc::disk_full);
    CHECK_FALSE(database.in_transaction());
    CHECK(insert->run(1000).error() == errc::disk_full);
    CHECK(transaction->commit().error() == errc::disk_full);
    CHECK(count(database).value() == 0);
    CHECK(put(database, 1));
}

TEST_CASE("sqlite: a sync fails: every handle is stopped until recovery, which keeps the commits") {
    Rig rig;
    std::string detail;
    {
        Database database = rig.open();
        auto reader = Database::open(rig.path, rig.reading);
        REQUIRE(reader);
        REQUIRE(put(database, 1));
        CHECK(count(*reader).value() == 1);

        rig.vfs.plan({.calls = io_sync, .file_suffix = "-wal", .code = SQLITE_IOERR_FSYNC});
        const auto lost = put(database, 2);
        REQUIRE_FALSE(lost);
        CHECK(lost.error() == errc::outcome_unknown);
        CHECK(lost.error() == Remedy::stop);
        CHECK(rig.vfs.fired() == 1);

        CHECK(count(*reader).error() == errc::outcome_unknown);
        CHECK(put(database, 3).error() == errc::outcome_unknown);
        CHECK(ReadTransaction::begin(*reader).error() == errc::outcome_unknown);
        CHECK(database.checkpoint(CheckpointMode::passive).error() == errc::outcome_unknown);
        CHECK(Database::open(rig.path, rig.options).error() == errc::outcome_unknown);
        CHECK(recover(rig.path, rig.options).error() == errc::busy);  // handles are open
    }
    rig.vfs.heal();
    REQUIRE(recover(rig.path, rig.options));
    CHECK(rig.options.health->sound());
    CHECK(rig.vfs.calls(io_write, "-wal") > 0);
    CHECK(rig.vfs.calls(io_sync, "-wal") == 1);
    Database database = rig.open();
    const auto kept = count(database);
    REQUIRE(kept);
    CHECK(*kept >= 1);  // the second may be there: nobody was told
    CHECK(put(database, 10));
    CHECK(recover(rig.path, rig.options));  // nothing to do
}

TEST_CASE("sqlite: a sync fails while rows are being read: the rows end with outcome unknown") {
    Rig rig;
    Database database = rig.open();
    auto reader = Database::open(rig.path, rig.reading);
    REQUIRE(reader);
    REQUIRE(put(database, 1));
    REQUIRE(put(database, 2));
    auto select = reader->prepare("SELECT id FROM t");
    REQUIRE(select);
    auto rows = select->query();
    REQUIRE(rows);
    REQUIRE(rows->next().value());
    rig.vfs.plan({.calls = io_sync, .code = SQLITE_IOERR_FSYNC});
    REQUIRE_FALSE(put(database, 3));
    CHECK(rows->next().error() == errc::outcome_unknown);
}

TEST_CASE(
    "sqlite: a checkpoint's sync fails: suspect; recovery, and the next one moves the pages") {
    Rig rig;
    {
        Database database = rig.open();
        REQUIRE(put(database, 1));
        rig.vfs.plan({.calls = io_sync, .file_suffix = "store.db", .code = SQLITE_IOERR_FSYNC});
        CHECK(database.checkpoint(CheckpointMode::truncate).error() == errc::outcome_unknown);
        CHECK(count(database).error() == errc::outcome_unknown);
    }
    rig.vfs.heal();
    REQUIRE(recover(rig.path, rig.options));
    Database database = rig.open();
    CHECK(count(database).value() == 1);
    rig.vfs.heal();
    REQUIRE(database.checkpoint(CheckpointMode::truncate)->complete);
    CHECK(rig.vfs.calls(io_write, "store.db") > 0);
    CHECK(count(database).value() == 1);
}

TEST_CASE("sqlite: recovery's own sync fails: stopped, even when the disk is well again") {
    Rig rig;
    {
        Database database = rig.open();
        REQUIRE(put(database, 1));
        rig.vfs.plan({.calls = io_sync, .code = SQLITE_IOERR_FSYNC, .for_good = true});
        REQUIRE_FALSE(put(database, 2));
    }
    CHECK(recover(rig.path, rig.options).error() == errc::outcome_unknown);
    rig.vfs.heal();
    const auto stopped = recover(rig.path, rig.options);
    REQUIRE_FALSE(stopped);
    CHECK(stopped.error() == errc::outcome_unknown);
    CHECK(stopped.error().detail().find("open the store anew") != std::string::npos);
    CHECK(Database::open(rig.path, rig.options).error() == errc::outcome_unknown);
    rig.options.health = std::make_shared<Health>();
    CHECK(Database::open(rig.path, rig.options));
}

TEST_CASE("sqlite: recovery finds no room: says so, and succeeds when there is") {
    Rig rig;
    {
        Database database = rig.open();
        REQUIRE(put(database, 1));
        rig.vfs.plan({.calls = io_sync, .code = SQLITE_IOERR_FSYNC});
        REQUIRE_FALSE(put(database, 2));
    }
    rig.vfs.heal();
    rig.vfs.plan({.calls = io_write, .file_suffix = "-wal", .code = SQLITE_FULL});
    CHECK(recover(rig.path, rig.options).error() == errc::disk_full);
    CHECK(recover(rig.path, rig.options));
}

TEST_CASE("sqlite: another process still reads: recovery does not wait for it") {
    Rig rig;
    {
        auto foreign =
            Database::open(rig.path, {.vfs = rig.vfs.name(), .read_only = true});  // its own Health
        REQUIRE(foreign);
        {
            Database database = rig.open();
            REQUIRE(put(database, 1));
            rig.vfs.plan({.calls = io_sync, .code = SQLITE_IOERR_FSYNC});
            REQUIRE_FALSE(put(database, 2));
        }
        auto snapshot = ReadTransaction::begin(*foreign);
        REQUIRE(snapshot);
        CHECK(recover(rig.path, rig.options));
        CHECK(rig.options.health->sound());
    }
}

TEST_CASE("sqlite: a write to the log fails in COMMIT although it was made: outcome unknown") {
    Rig rig;
    Database database = rig.open();
    REQUIRE(put(database, 1));
    rig.vfs.heal();
    REQUIRE(put(database, 2));
    const int writes = rig.vfs.calls(io_write, "-wal");
    rig.vfs.plan({.calls = io_write,
                  .file_suffix = "-wal",
                  .nth = writes,
                  .code = SQLITE_IOERR_WRITE,
                  .done_before = true});
    CHECK(put(database, 3).error() == errc::outcome_unknown);
    CHECK_FALSE(database.health().sound());
}

TEST_CASE("sqlite: no room for the log's index, after the commit is on disk: outcome unknown") {
    Rig rig;
    rig.options.cache_bytes = 64 << 20;
    {
        Database database = rig.open();
        auto transaction = Transaction::begin(database);
        REQUIRE(transaction);
        auto insert = database.prepare("INSERT INTO t (id, body) VALUES (?, zeroblob(10000000))");
        REQUIRE(insert);
        REQUIRE(insert->run(1));
        REQUIRE(insert->run(2));  // more pages than the index's first block has room for
        rig.vfs.plan({.calls = io_shared_memory,
                      .code = SQLITE_IOERR_SHMSIZE,
                      .system_errno = ENOSPC,
                      .for_good = true});
        CHECK(transaction->commit().error() == errc::outcome_unknown);
        CHECK(rig.vfs.fired() > 0);
    }
    rig.vfs.heal();
    REQUIRE(recover(rig.path, rig.options));
    Database database = rig.open();
    CHECK(count(database).value() == 2);
}

TEST_CASE("sqlite: each result code of a read: the caller's code and a remedy") {
    struct Expected {
        int code;
        errc meaning;
    };
    const Expected cases[] = {
        {SQLITE_IOERR_READ, errc::io_error},
        {SQLITE_IOERR_CORRUPTFS, errc::corrupt},
        {SQLITE_IOERR_NOMEM, errc::out_of_memory},
        {SQLITE_NOMEM, errc::out_of_memory},
        {SQLITE_CORRUPT, errc::corrupt},
        {SQLITE_NOTADB, errc::corrupt},
        {SQLITE_READONLY, errc::read_only},
        {SQLITE_PERM, errc::read_only},
        {SQLITE_FULL, errc::disk_full},
        {SQLITE_IOERR_FSYNC, errc::outcome_unknown},
        {SQLITE_IOERR_DIR_FSYNC, errc::outcome_unknown},
    };
    for (const auto& [code, meaning] : cases) {
        CAPTURE(code);
        Rig rig;
        Database database = rig.open();
        rig.vfs.plan({.calls = io_read, .file_suffix = "store.db", .code = code, .for_good = true});
        const auto failed = count(database);
        REQUIRE_FALSE(failed);
        CHECK(failed.error() == meaning);
        CHECK(failed.error().detail().find("store.db") != std::string::npos);
        CHECK(failed.error().detail().find("; ") != std::string::npos);
    }
}

TEST_CASE("sqlite: each result code of opening and locking: the caller's code") {
    Rig rig;
    SUBCASE("open") {
        rig.vfs.plan({.calls = io_open, .code = SQLITE_PERM});
        CHECK(Database::open(rig.path, rig.options).error() == errc::read_only);
    }
    SUBCASE("lock") {
        rig.vfs.plan({.calls = io_lock, .code = SQLITE_IOERR_LOCK, .for_good = true});
        CHECK(Database::open(rig.path, rig.options).error() == errc::io_error);
    }
    SUBCASE("held by another") {
        rig.vfs.plan({.calls = io_lock, .code = SQLITE_BUSY, .for_good = true});
        CHECK(Database::open(rig.path, rig.options).error() == errc::busy);
    }
    SUBCASE("shared memory") {
        rig.vfs.plan({.calls = io_shared_memory, .code = SQLITE_IOERR_SHMMAP, .for_good = true});
        CHECK(Database::open(rig.path, rig.options).error() == errc::io_error);
    }
    CHECK(rig.vfs.fired() > 0);
    CHECK(rig.options.health->handles() == 0);
    rig.vfs.heal();
    CHECK(Database::open(rig.path, rig.options));
}

TEST_CASE("sqlite: the n-th call fails, for every n of a commit: refused or unknown, never torn") {
    int n = 1;
    for (bool fired = true; fired; ++n) {
        CAPTURE(n);
        Rig rig;
        bool acknowledged = false;
        {
            auto database = Database::open(rig.path, rig.options);
            REQUIRE(database);
            REQUIRE(put(*database, 1));
            rig.vfs.plan({.nth = n, .code = SQLITE_IOERR, .half_written = true});
            const auto done = put(*database, 2, 20'000);
            acknowledged = done.has_value();
            fired = rig.vfs.fired() != 0;
            if (!fired) CHECK(done);
        }
        rig.vfs.heal();
        REQUIRE(recover(rig.path, rig.options));
        Database database = rig.open();
        const auto rows = count(database);
        REQUIRE(rows);
        CHECK(*rows >= (acknowledged ? 2 : 1));
        CHECK(*rows <= 2);
        CHECK(put(database, 3));
    }
    CHECK(n > 5);
}

TEST_CASE("sqlite: a process is killed within a transaction: what it committed is there, alone") {
    const TemporaryDirectory directory;
    const std::string path = directory / "store.db";
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        auto database = Database::open(path, {.create = true});
        if (!database) ::_exit(1);
        {
            auto transaction = Transaction::begin(*database);
            if (!database->execute("CREATE TABLE t (id INTEGER PRIMARY KEY, body BLOB) STRICT")) {
                ::_exit(2);
            }
            if (!transaction->commit() || !put(*database, 1)) ::_exit(3);
        }
        auto transaction = Transaction::begin(*database);
        auto insert = database->prepare("INSERT INTO t (id) VALUES (2)");
        if (!transaction || !insert || !insert->run()) ::_exit(4);
        ::_exit(0);
    }
    int status = -1;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE(WIFEXITED(status));
    REQUIRE(WEXITSTATUS(status) == 0);
    auto database = Database::open(path);
    REQUIRE(database);
    CHECK(count(*database).value() == 1);
    CHECK(put(*database, 2));
}

TEST_CASE("sqlite: the process is gone between two calls: nothing that was committed is lost") {
    Rig rig;
    {
        Database database = rig.open();
        REQUIRE(put(database, 1));
        rig.vfs.crash();
        CHECK_FALSE(put(database, 2));
    }
    rig.vfs.heal();
    rig.options.health = std::make_shared<Health>();
    Database database = rig.open();
    CHECK(count(database).value() == 1);
}
