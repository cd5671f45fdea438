#include "sqlite/reader_pool.h"

#include <atomic>
#include <optional>
#include <thread>
#include <vector>

#include <doctest/doctest.h>
#include <sqlite3.h>

#include "sqlite/statement.h"
#include "sqlite/transaction.h"
#include "support/faulty_vfs.h"
#include "support/temporary_directory.h"

using namespace countersign;
using namespace countersign::sqlite;
using countersign::testing::FaultyVfs;
using countersign::testing::TemporaryDirectory;

namespace {

struct Counter {
    Statement select;

    static Result<Counter> prepare(Database& database) {
        auto select = database.prepare("SELECT count(*) FROM t");
        if (!select) return select.error();
        return Counter{std::move(*select)};
    }
    Result<std::int64_t> count() {
        auto rows = select.query();
        if (!rows) return rows.error();
        const auto found = rows->next();
        if (!found) return found.error();
        return rows->integer(0);
    }
};

struct Rig {
    TemporaryDirectory directory;
    FaultyVfs vfs;
    std::string path = directory / "store.db";
    OpenOptions options{.vfs = vfs.name(), .create = true, .health = std::make_shared<Health>()};
    std::optional<Database> writer;

    Rig() {
        auto database = Database::open(path, options);
        REQUIRE(database);
        writer.emplace(std::move(*database));
        auto transaction = Transaction::begin(*writer);
        REQUIRE(transaction);
        REQUIRE(writer->execute("CREATE TABLE t (id INTEGER PRIMARY KEY) STRICT"));
        REQUIRE(transaction->commit());
    }
    Result<void> put() {
        auto transaction = Transaction::begin(*writer);
        if (!transaction) return transaction.error();
        auto insert = writer->prepare("INSERT INTO t (id) VALUES (NULL)");
        if (!insert) return insert.error();
        if (auto done = insert->run(); !done) return done;
        return transaction->commit();
    }
};

}  // namespace

TEST_CASE("reader pool: a commit, then a lease of a handle used before: it sees the commit") {
    Rig rig;
    ReaderPool<Counter> pool(rig.path, rig.options, 1, Counter::prepare);
    for (std::int64_t rows = 0; rows < 5; ++rows) {
        auto lease = pool.lease();
        REQUIRE(lease);
        CHECK((*lease)->count().value() == rows);
        REQUIRE(rig.put());
        CHECK((*lease)->count().value() == rows + 1);
    }
    CHECK(rig.options.health->handles() == 2);
}

TEST_CASE("reader pool: more threads than handles beside a writer: all read, none goes back") {
    Rig rig;
    ReaderPool<Counter> pool(rig.path, rig.options, 2, Counter::prepare);
    std::atomic<bool> failed = false;
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&] {
            std::int64_t last = 0;
            for (int round = 0; round < 50; ++round) {
                auto lease = pool.lease();
                if (!lease) {
                    failed = true;
                    return;
                }
                const auto rows = (*lease)->count();
                if (!rows || *rows < last) failed = true;
                if (rows) last = *rows;
            }
        });
    }
    for (int i = 0; i < 20; ++i) CHECK(rig.put());
    for (std::thread& thread : threads) thread.join();
    CHECK_FALSE(failed);
    CHECK(rig.options.health->handles() <= 3);
}

TEST_CASE("reader pool: a sync fails: leases are refused; after recovery they read again") {
    Rig rig;
    ReaderPool<Counter> pool(rig.path, rig.options, 2, Counter::prepare);
    {
        auto lease = pool.lease();
        REQUIRE(lease);
        CHECK((*lease)->count());
        rig.vfs.plan({.calls = testing::io_sync, .code = SQLITE_IOERR_FSYNC});
        CHECK_FALSE(rig.put());
        CHECK((*lease)->count().error() == errc::outcome_unknown);
        CHECK(pool.lease().error() == errc::outcome_unknown);
    }
    pool.close();
    rig.writer.reset();
    CHECK(rig.options.health->handles() == 0);
    rig.vfs.heal();
    REQUIRE(recover(rig.path, rig.options));
    auto lease = pool.lease();
    REQUIRE(lease);
    CHECK((*lease)->count());
}

TEST_CASE("reader pool: the file cannot be read: the error, and the place in the pool is free") {
    Rig rig;
    ReaderPool<Counter> pool(rig.path, rig.options, 1, Counter::prepare);
    rig.vfs.plan({.calls = testing::io_open, .code = SQLITE_PERM, .for_good = true});
    CHECK(pool.lease().error() == errc::read_only);
    CHECK(pool.lease().error() == errc::read_only);
    rig.vfs.heal();
    CHECK(pool.lease());
}
