// SQLite on a virtual disk, and the disk's faults as SQLite tells them.

#include <algorithm>
#include <cerrno>
#include <functional>
#include <set>
#include <string>
#include <string_view>

#include <doctest/doctest.h>
#include <sqlite3.h>

#include "simulation/disk_environment.h"
#include "support/store_fixture.h"
#include "transport/simulation/disk_machine.h"

using namespace countersign;
using namespace countersign::simulation;
using namespace countersign::testing;

namespace {

std::span<const std::byte> bytes_of(std::string_view text) {
    return std::as_bytes(std::span(text));
}

/// A connection of SQLite's own, past the store's rooms.
class Sql {
  public:
    Sql(DiskEnvironment& process, const std::string& path = "/site/plain.db") {
        opened_ =
            sqlite3_open_v2(path.c_str(),
                            &handle_,
                            SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_EXRESCODE,
                            process.sqlite_vfs().c_str());
        sqlite3_db_config(handle_, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
    }
    Sql(const Sql&) = delete;
    Sql& operator=(const Sql&) = delete;
    ~Sql() { sqlite3_close(handle_); }

    int opened() const { return opened_; }
    int run(const char* sql) {
        const int code = sqlite3_exec(handle_, sql, nullptr, nullptr, nullptr);
        return code == SQLITE_OK ? SQLITE_OK : sqlite3_extended_errcode(handle_);
    }
    int system_error() { return sqlite3_system_errno(handle_); }
    std::string text(const char* sql) {
        sqlite3_stmt* statement = nullptr;
        REQUIRE(sqlite3_prepare_v2(handle_, sql, -1, &statement, nullptr) == SQLITE_OK);
        std::string found = "no row";
        if (sqlite3_step(statement) == SQLITE_ROW) {
            const auto* column = sqlite3_column_text(statement, 0);
            found = column ? reinterpret_cast<const char*>(column) : "null";
        }
        sqlite3_finalize(statement);
        return found;
    }

  private:
    sqlite3* handle_ = nullptr;
    int opened_ = SQLITE_OK;
};

constexpr const char* set_up =
    "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=0;"
    "CREATE TABLE t (id INTEGER PRIMARY KEY, body BLOB)";
constexpr const char* insert = "INSERT INTO t (body) VALUES (randomblob(3000))";

/// A machine with a table and one row in it, all synced.
struct Rig : DiskMachine {
    explicit Rig(const DiskOptions& options = {}) : DiskMachine(options) {
        start();
        Sql sql(*run);
        REQUIRE(sql.run(set_up) == SQLITE_OK);
        REQUIRE(sql.run(insert) == SQLITE_OK);
    }
    void restart() {
        power_on();
        start();
    }
};

std::string rows(DiskRun& run) {
    Sql sql(run);
    REQUIRE(sql.text("PRAGMA integrity_check") == "ok");
    return sql.text("SELECT count(*) FROM t");
}

}  // namespace

TEST_CASE("simulation: SQLite with a write-ahead log on the disk: reads, writes, checkpoints") {
    Rig rig;
    Sql writer(*rig.run);
    Sql reader(*rig.run);
    CHECK(writer.text("PRAGMA journal_mode") == "wal");
    REQUIRE(reader.run("BEGIN") == SQLITE_OK);
    CHECK(reader.text("SELECT count(*) FROM t") == "1");
    REQUIRE(writer.run("BEGIN IMMEDIATE") == SQLITE_OK);
    CHECK(reader.text("SELECT count(*) FROM t") == "1");
    REQUIRE(writer.run(insert) == SQLITE_OK);
    CHECK(Sql(*rig.run).run("BEGIN IMMEDIATE") == SQLITE_BUSY);
    REQUIRE(writer.run("COMMIT") == SQLITE_OK);
    CHECK(reader.text("SELECT count(*) FROM t") == "1");           // its snapshot
    CHECK(writer.text("PRAGMA wal_checkpoint(TRUNCATE)") == "1");  // the reader is in the way
    REQUIRE(reader.run("COMMIT") == SQLITE_OK);
    CHECK(reader.text("SELECT count(*) FROM t") == "2");
    CHECK(writer.text("PRAGMA wal_checkpoint(TRUNCATE)") == "0");
    CHECK(rig.disk->content("/site/plain.db-wal")->empty());
    CHECK(rows(*rig.run) == "2");
    CHECK(std::ranges::count(rig.disk->paths(), "/site/plain.db") == 1);
}

TEST_CASE(
    "simulation: SQLite with a rollback journal on the disk: commits, and undoes after a crash") {
    DiskMachine machine;
    machine.start();
    {
        Sql sql(*machine.run);
        REQUIRE(sql.run("CREATE TABLE t (id INTEGER PRIMARY KEY, body BLOB)") == SQLITE_OK);
        REQUIRE(sql.run(insert) == SQLITE_OK);
        REQUIRE(sql.run("PRAGMA cache_size=1; BEGIN") == SQLITE_OK);
        for (int i = 0; i < 50; ++i) REQUIRE(sql.run(insert) == SQLITE_OK);
        CHECK(Sql(*machine.run).run("SELECT * FROM t") == SQLITE_BUSY);  // the cache spilled
        machine.disk->power_off(Damage::keep);
        CHECK(sql.run("COMMIT") != SQLITE_OK);
    }
    machine.power_on();
    machine.start();
    CHECK(rows(*machine.run) == "1");
}

TEST_CASE("simulation: the same seed and calls: the same calls below, and the same files") {
    const auto run = [] {
        std::string trace;
        Rig rig;
        rig.disk->watch([&](const DiskEvent& event) {
            trace += std::string(name(event.call)) + ' ' + std::string(event.path) + ' ' +
                     std::to_string(event.offset) + ' ' + std::to_string(event.length) + ' ' +
                     std::to_string(event.error) + '\n';
        });
        Sql sql(*rig.run);
        for (int i = 0; i < 20; ++i) REQUIRE(sql.run(insert) == SQLITE_OK);
        rig.disk->power_off(Damage::tear_512);
        trace += std::to_string(rig.disk->bytes_held());
        return trace;
    };
    const std::string first = run();
    CHECK(first.find("write /site/plain.db-wal") != first.npos);
    CHECK(first == run());
}

TEST_CASE("simulation: the power goes between commits: every one is there, under each damage") {
    for (const Damage damage : all_damages) {
        CAPTURE(name(damage));
        for (std::uint64_t seed = 1; seed <= 10; ++seed) {
            Rig rig({.seed = seed});
            {
                Sql sql(*rig.run);
                REQUIRE(sql.run(insert) == SQLITE_OK);
                REQUIRE(sql.run("BEGIN; INSERT INTO t (body) VALUES (zeroblob(50000))") ==
                        SQLITE_OK);
                rig.disk->power_off(damage);
                CHECK(sql.run("COMMIT") != SQLITE_OK);
                CHECK(sql.run("SELECT * FROM t") != SQLITE_OK);
            }
            rig.restart();
            CHECK(rows(*rig.run) == "2");
        }
    }
}

TEST_CASE("simulation: no sync before the power goes: the commit is lost, or torn and noticed") {
    std::set<std::string> seen;
    for (std::uint64_t seed = 1; seed <= 30; ++seed) {
        for (const Damage damage : all_damages) {
            Rig rig({.seed = seed});
            {
                Sql sql(*rig.run);
                REQUIRE(sql.run("PRAGMA synchronous=OFF") == SQLITE_OK);
                REQUIRE(sql.run(insert) == SQLITE_OK);
                rig.disk->power_off(damage);
            }
            rig.restart();
            const std::string kept = rows(*rig.run);
            if (damage == Damage::drop) CHECK(kept == "1");
            if (damage == Damage::keep) CHECK(kept == "2");
            seen.insert(kept);
        }
    }
    CHECK(seen == std::set<std::string>{"1", "2"});
}

TEST_CASE(
    "simulation: a process is killed: what it wrote stays, its locks are gone, it can no more") {
    Rig rig;
    const auto first = rig.run;
    rig.start();
    Sql held(*first);
    REQUIRE(held.run("PRAGMA synchronous=OFF") == SQLITE_OK);
    REQUIRE(held.run(insert) == SQLITE_OK);
    REQUIRE(held.run("BEGIN IMMEDIATE") == SQLITE_OK);
    auto lock = first->open_lock("/site/lock");
    REQUIRE(lock);
    REQUIRE((*lock)->lock(milliseconds(0)));
    auto second = rig.run->open_lock("/site/lock");
    REQUIRE(second);
    CHECK((*second)->lock(milliseconds(1000)).error() == errc::busy);
    CHECK(Sql(*rig.run).run("BEGIN IMMEDIATE") == SQLITE_BUSY);
    first->end();
    CHECK((*second)->lock(milliseconds(0)));
    CHECK(held.run("COMMIT") == SQLITE_OK);  // it wrote nothing
    CHECK(held.run(insert) != SQLITE_OK);
    CHECK_FALSE(first->write_file("/site/file", bytes_of("x"), true));
    CHECK_FALSE(first->read_file("/site/plain.db", 1 << 20));
    CHECK((*lock)->lock(milliseconds(0)).error() == errc::io_error);
    Sql sql(*rig.run);
    CHECK(sql.run(insert) == SQLITE_OK);
    CHECK(rows(*rig.run) == "3");
}

TEST_CASE(
    "simulation: the power goes at the n-th change, for each n: the call fails, then all do") {
    std::uint64_t n = 1;
    for (bool stopped = true; stopped; ++n) {
        Rig rig({.seed = n});
        rig.disk->stop_at(n, Damage::tear_512);
        {
            Sql sql(*rig.run);
            const int code = sql.run(insert);
            stopped = !rig.disk->is_on();
            CHECK((code == SQLITE_OK) == !stopped);
            if (stopped) CHECK(sql.run("SELECT * FROM t") != SQLITE_OK);
        }
        if (stopped) rig.restart();
        const std::string kept = rows(*rig.run);
        CHECK((kept == "2" || (stopped && kept == "1")));
    }
    CHECK(n > 3);
}

TEST_CASE("simulation: each kind of call fails once: SQLite says which, and works afterwards") {
    struct Case {
        unsigned call;
        const char* suffix;
        int error;
        int code;
        const char* sql;
    };
    const Case cases[] = {
        {disk_read, ".db", EIO, SQLITE_IOERR_READ, "SELECT sum(length(body)) FROM t"},
        {disk_write, "-wal", EIO, SQLITE_IOERR_WRITE, insert},
        {disk_write, "-wal", ENOSPC, SQLITE_FULL, insert},
        {disk_sync, "-wal", EIO, SQLITE_IOERR_FSYNC, insert},
        {disk_sync, ".db", EIO, SQLITE_IOERR_FSYNC, "PRAGMA wal_checkpoint(TRUNCATE)"},
        {disk_write, ".db", EROFS, SQLITE_IOERR_WRITE, "PRAGMA wal_checkpoint(TRUNCATE)"},
        {disk_truncate, "-wal", EIO, SQLITE_IOERR_TRUNCATE, "PRAGMA wal_checkpoint(TRUNCATE)"},
        {disk_lock, "", EIO, SQLITE_IOERR_SHMLOCK, insert},
        {disk_size, ".db", EIO, SQLITE_IOERR_FSTAT, "PRAGMA wal_checkpoint(TRUNCATE)"},
    };
    for (const Case& c : cases) {
        CAPTURE(name(static_cast<DiskCall>(c.call)));
        CAPTURE(c.suffix);
        Rig rig;
        {
            Sql warm(*rig.run);
            REQUIRE(warm.run("PRAGMA synchronous=FULL") == SQLITE_OK);
            REQUIRE(warm.run(insert) == SQLITE_OK);
            if (c.call == disk_read) {
                REQUIRE(warm.text("PRAGMA wal_checkpoint(TRUNCATE)") == "0");
            }
        }
        Sql sql(*rig.run);
        REQUIRE(sql.text("SELECT count(*) FROM sqlite_schema") == "1");
        rig.disk->plan({.calls = c.call, .path_suffix = c.suffix, .error = c.error});
        CHECK(sql.run(c.sql) == c.code);
        CHECK(rig.disk->fired() == 1);
        CHECK(sql.run(c.sql) == SQLITE_OK);
        CHECK(rig.disk->fired() == 1);
    }
}

TEST_CASE("simulation: opening, removing or mapping fails: SQLite's codes for it") {
    SUBCASE("open") {
        Rig rig;
        rig.disk->plan({.calls = disk_open, .error = EACCES});
        CHECK(Sql(*rig.run).opened() == SQLITE_CANTOPEN);
    }
    SUBCASE("create") {
        DiskMachine machine;
        machine.start();
        machine.disk->plan({.calls = disk_create, .error = ENOSPC});
        Sql sql(*machine.run);
        CHECK(sql.run(set_up) == SQLITE_CANTOPEN);
        CHECK(sql.system_error() == ENOSPC);
        CHECK_FALSE(machine.disk->content("/site/plain.db"));
    }
    SUBCASE("no directory") {
        DiskMachine machine;
        machine.start();
        Sql sql(*machine.run, "/nowhere/plain.db");
        CHECK(sql.opened() == SQLITE_CANTOPEN);
        CHECK(sql.system_error() == ENOENT);
    }
    SUBCASE("map") {
        Rig rig;
        rig.disk->plan({.calls = disk_shared_memory, .error = EIO, .for_good = true});
        CHECK(Sql(*rig.run).run("SELECT * FROM t") == SQLITE_IOERR_SHMMAP);
    }
    SUBCASE("remove") {
        DiskMachine machine;
        machine.start();
        Sql sql(*machine.run);
        machine.disk->plan({.calls = disk_remove, .error = EIO, .for_good = true});
        CHECK(sql.run("CREATE TABLE t (id)") == SQLITE_IOERR_DELETE);
    }
    SUBCASE("sync of the directory") {
        DiskMachine machine;
        machine.start();
        Sql sql(*machine.run);
        REQUIRE(sql.run("PRAGMA synchronous=EXTRA") == SQLITE_OK);
        machine.disk->plan({.calls = disk_sync_directory, .nth = 2, .error = EIO});
        CHECK(sql.run("CREATE TABLE t (id)") == SQLITE_IOERR_DIR_FSYNC);
    }
}

TEST_CASE("simulation: the disk is full, then not: refused, then written") {
    Rig rig;
    Sql sql(*rig.run);
    REQUIRE(sql.text("SELECT count(*) FROM t") == "1");
    const std::uint64_t held = rig.disk->bytes_held();
    rig.disk->set_capacity(held + 1000);
    CHECK(sql.run(insert) == SQLITE_FULL);
    CHECK(rig.disk->bytes_held() == held + 1000);  // as much as there was room for
    CHECK(sql.text("SELECT count(*) FROM t") == "1");
    CHECK(rig.run->write_file("/site/file", bytes_of(std::string(2000, 'x')), true).error() ==
          errc::disk_full);
    rig.disk->set_capacity(held + 100'000);
    CHECK(sql.run(insert) == SQLITE_OK);
    CHECK(sql.text("SELECT count(*) FROM t") == "2");
}

TEST_CASE(
    "simulation: a failing sync: SQLite fails once; the disk may lack it although all later syncs "
    "succeed") {
    std::set<std::string> seen;
    for (std::uint64_t seed = 1; seed <= 30; ++seed) {
        Rig rig({.seed = seed});
        {
            Sql sql(*rig.run);
            rig.disk->plan({.calls = disk_sync, .path_suffix = "-wal"});
            REQUIRE(sql.run("INSERT INTO t (body) VALUES (zeroblob(200000))") ==
                    SQLITE_IOERR_FSYNC);
            rig.disk->power_off(Damage::keep);
        }
        rig.restart();
        seen.insert(rows(*rig.run));
    }
    CHECK(seen.contains("1"));
}

TEST_CASE("simulation: an image is put back: the old content, as the same files or as new ones") {
    Rig rig;
    const DiskImage old = rig.disk->image("/site", true);
    const auto inode = rig.run->identify("/site/plain.db");
    {
        Sql sql(*rig.run);
        REQUIRE(sql.run(insert) == SQLITE_OK);
        CHECK(sql.text("PRAGMA wal_checkpoint(TRUNCATE)") == "0");
    }
    CHECK(rows(*rig.run) == "2");
    rig.disk->put_back(old, true);
    CHECK(rig.run->identify("/site/plain.db") == inode);
    CHECK(rows(*rig.run) == "1");
    rig.disk->put_back(old, false);
    CHECK(rig.run->identify("/site/plain.db")->inode != inode->inode);
    CHECK(rows(*rig.run) == "1");

    DiskMachine other({.device = 2}, "machine-2");
    other.disk->put_back(old, false);
    other.start();
    CHECK(rows(*other.run) == "1");
    CHECK(other.run->identify("/site/plain.db") != rig.run->identify("/site/plain.db"));
    other.disk->erase("/site/plain.db-wal");
    CHECK_FALSE(other.disk->content("/site/plain.db-wal"));
    other.disk->erase("/site");
    CHECK(other.disk->paths().empty());
    CHECK(other.disk->bytes_held() == 0);
}

TEST_CASE("simulation: the bytes held follow writes, truncation, removal and closing") {
    DiskMachine machine;
    machine.start();
    REQUIRE(machine.run->write_file("/site/a", bytes_of(std::string(5000, 'a')), true));
    CHECK(machine.disk->bytes_held() == 5000);
    REQUIRE(machine.run->write_file("/site/a", bytes_of(std::string(100, 'a')), false));
    CHECK(machine.disk->bytes_held() == 100);
    {
        Sql sql(*machine.run);
        REQUIRE(sql.run(set_up) == SQLITE_OK);
        CHECK(machine.disk->bytes_held() > 32'768);  // SQLite's shared memory counts
    }
    const auto database = machine.disk->content("/site/plain.db")->size();
    const auto log = machine.disk->content("/site/plain.db-wal")->size();
    CHECK(machine.disk->bytes_held() == 100 + database + log);
    machine.disk->power_off(Damage::keep);
    machine.power_on();
    CHECK(machine.disk->bytes_held() == 100 + database + log);
}
