#include "sqlite/database.h"

#include <filesystem>
#include <string>

#include <doctest/doctest.h>
#include <sys/stat.h>

#include "sqlite/statement.h"
#include "sqlite/transaction.h"
#include "support/temporary_directory.h"
#include "support/vectors.h"

using namespace countersign;
using namespace countersign::sqlite;
using countersign::testing::bytes_of;
using countersign::testing::TemporaryDirectory;

namespace {

Database new_database(const std::string& path) {
    auto database = Database::open(path, {.create = true});
    REQUIRE(database);
    auto transaction = Transaction::begin(*database);
    REQUIRE(transaction);
    REQUIRE(
        database->execute("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT NOT NULL,"
                          " body BLOB, CHECK (length(name) < 10)) STRICT"));
    REQUIRE(database->execute("PRAGMA application_id=1668507502"));
    REQUIRE(transaction->commit());
    return std::move(*database);
}

Result<void> put(Database& database, std::uint64_t id, std::string_view name) {
    auto transaction = Transaction::begin(database);
    if (!transaction) return transaction.error();
    auto insert = database.prepare("INSERT INTO t (id, name, body) VALUES (?, ?, ?)");
    if (!insert) return insert.error();
    if (auto done = insert->run(id, name, std::nullopt); !done) return done;
    return transaction->commit();
}

std::int64_t count(Database& database) {
    auto select = database.prepare("SELECT count(*) FROM t");
    REQUIRE(select);
    auto rows = select->query();
    REQUIRE(rows);
    const auto found = rows->next();
    REQUIRE(found);
    REQUIRE(*found);
    return rows->integer(0);
}

unsigned mode_of(const std::string& path) {
    struct stat status{};
    REQUIRE(::stat(path.c_str(), &status) == 0);
    return status.st_mode & 0777U;
}

}  // namespace

TEST_CASE("database: a new file: it, its log and its index are the owner's alone") {
    const TemporaryDirectory directory;
    const std::string path = directory / "store.db";
    const mode_t before = ::umask(0);
    Database database = new_database(path);
    ::umask(before);
    CHECK(mode_of(path) == 0600);
    CHECK(mode_of(path + "-wal") == 0600);
    CHECK(mode_of(path + "-shm") == 0600);
}

TEST_CASE("database: no file, or no directory, and not to be made: not found") {
    const TemporaryDirectory directory;
    auto missing = Database::open(directory / "store.db");
    REQUIRE_FALSE(missing);
    CHECK(missing.error() == errc::not_found);
    CHECK(missing.error().detail().find(directory / "store.db") != std::string::npos);
    CHECK_FALSE(std::filesystem::exists(directory / "store.db"));
    CHECK(Database::open(directory / "none/store.db", {.create = true}).error() == errc::not_found);
}

TEST_CASE("database: a file that is no database: corrupt, and left as it was") {
    const TemporaryDirectory directory;
    const std::string path = directory.write("store.db", std::string(8192, 'x'));
    CHECK(Database::open(path).error() == errc::corrupt);
    CHECK(directory.read("store.db") == std::string(8192, 'x'));
}

TEST_CASE("statement: every kind of argument: comes back as it was") {
    const TemporaryDirectory directory;
    Database database = new_database(directory / "store.db");
    auto transaction = Transaction::begin(database);
    REQUIRE(transaction);
    auto insert = database.prepare("INSERT INTO t (id, name, body) VALUES (?, ?, ?)");
    REQUIRE(insert);
    const UserId id = *UserId::from_bytes(bytes_of("0123456789abcdef"));
    CHECK(insert->run(LogSeq{7}, "seven", id));
    CHECK(insert->run(std::int64_t{-1}, std::string("minus"), std::optional<UserId>()));
    CHECK(insert->run(8U, std::string_view(""), std::vector<std::byte>()));
    CHECK(database.changed_rows() == 1);
    REQUIRE(transaction->commit());

    auto select = database.prepare("SELECT id, name, body FROM t WHERE body IS ?");
    REQUIRE(select);
    {
        auto rows = select->query(std::optional(id));
        REQUIRE(rows);
        REQUIRE(rows->next().value());
        CHECK(rows->as<LogSeq>(0).value() == LogSeq{7});
        CHECK(rows->text(1) == "seven");
        CHECK(rows->as<UserId>(2).value() == id);
        CHECK(rows->as<TotpId>(2).error() == errc::corrupt);  // another size
        CHECK_FALSE(rows->next().value());
    }
    {
        auto rows = select->query(std::nullopt);
        REQUIRE(rows->next().value());
        CHECK(rows->integer(0) == -1);
        CHECK(rows->as<std::uint64_t>(0).error() == errc::corrupt);
        CHECK(rows->is_null(2));
        CHECK(rows->blob(2).empty());
        CHECK(rows->as<UserId>(2).error() == errc::corrupt);
        CHECK_FALSE(rows->as<std::optional<UserId>>(2).value());
    }
    auto rows = select->query(std::vector<std::byte>());
    REQUIRE(rows->next().value());
    CHECK_FALSE(rows->is_null(2));
    CHECK(rows->text(1).empty());
}

TEST_CASE("statement: a query's arguments are gone before its rows are read: it kept them") {
    const TemporaryDirectory directory;
    Database database = new_database(directory / "store.db");
    REQUIRE(put(database, 1, "one"));
    auto select = database.prepare("SELECT id FROM t WHERE name = ? OR name = ?");
    REQUIRE(select);
    auto rows = [&] {
        const std::string large(1000, 'x');
        const std::string small = "one";
        return select->query(large, small);
    }();
    REQUIRE(rows);
    CHECK(rows->next().value());
}

TEST_CASE("statement: what the schema or the range forbids: its own error, nothing written") {
    const TemporaryDirectory directory;
    Database database = new_database(directory / "store.db");
    REQUIRE(put(database, 1, "one"));
    CHECK(put(database, 1, "again").error() == errc::already_exists);
    CHECK(put(database, 2, "far too long a name").error() == errc::invalid_argument);
    CHECK(put(database, std::uint64_t{1} << 63, "range").error() == errc::invalid_argument);
    CHECK(put(database, 3, std::string(max_row_bytes + 1, 'x')).error() == errc::too_large);
    CHECK(database.prepare("SELECT nothing FROM nowhere").error() == errc::corrupt);
    CHECK(count(database) == 1);
    CHECK(put(database, 2, "two"));
}

TEST_CASE("statement: a value of another type than its column's: corrupt") {
    const TemporaryDirectory directory;
    const std::string path = directory / "store.db";
    {
        Database database = new_database(path);
        REQUIRE(put(database, 1, "one"));
        REQUIRE(database.checkpoint(CheckpointMode::truncate).value().complete);
    }
    // The record of the row is: header size 4, types NULL (rowid), text of 3 bytes, NULL.
    std::string file = directory.read("store.db");
    const std::size_t row = file.find(std::string("\x04\x00\x13\x00one", 7));
    REQUIRE(row != std::string::npos);
    SUBCASE("text has become a blob") {
        file[row + 2] = '\x12';
    }
    SUBCASE("text that must be there has become NULL") {
        file[row + 2] = '\x00';
    }
    (void)directory.write("store.db", file);
    auto database = Database::open(path);
    REQUIRE(database);
    auto select = database->prepare("SELECT id, name FROM t");
    REQUIRE(select);
    auto rows = select->query();
    CHECK(rows->next().error() == errc::corrupt);
}

TEST_CASE("transaction: dropped without commit: nothing is written") {
    const TemporaryDirectory directory;
    Database database = new_database(directory / "store.db");
    {
        auto transaction = Transaction::begin(database);
        REQUIRE(transaction);
        REQUIRE(database.prepare("INSERT INTO t (id, name) VALUES (1, 'one')")->run());
        CHECK(count(database) == 1);
    }
    CHECK(count(database) == 0);
    CHECK_FALSE(database.in_transaction());
}

TEST_CASE("transaction: a reader's snapshot: stays while others commit, and is new the next time") {
    const TemporaryDirectory directory;
    Database writer = new_database(directory / "store.db");
    auto reader = Database::open(directory / "store.db", {.read_only = true});
    REQUIRE(reader);
    const auto version = reader->data_version();
    {
        auto snapshot = ReadTransaction::begin(*reader);
        REQUIRE(snapshot);
        REQUIRE(put(writer, 1, "one"));
        CHECK(count(*reader) == 0);
    }
    CHECK(count(*reader) == 1);
    CHECK(reader->data_version().value() != version.value());
}

TEST_CASE("database: a reader: cannot write") {
    const TemporaryDirectory directory;
    Database writer = new_database(directory / "store.db");
    auto reader = Database::open(directory / "store.db", {.read_only = true});
    REQUIRE(reader);
    CHECK(reader->execute("DELETE FROM t").error() == errc::read_only);
}

TEST_CASE("database: two writers: the second is told busy when its patience ends") {
    const TemporaryDirectory directory;
    Database first = new_database(directory / "store.db");
    auto second = Database::open(directory / "store.db", {.patience = milliseconds(20)});
    REQUIRE(second);
    auto transaction = Transaction::begin(first);
    REQUIRE(transaction);
    CHECK(Transaction::begin(*second).error() == errc::busy);
    REQUIRE(transaction->commit());
    CHECK(put(*second, 1, "one"));
}

TEST_CASE("database: checkpoints: only when asked, never past a reader, never on close") {
    const TemporaryDirectory directory;
    const std::string path = directory / "store.db";
    {
        Database writer = new_database(path);
        for (std::uint64_t id = 0; id < 20; ++id) REQUIRE(put(writer, id, "row"));
        CHECK(writer.wal_bytes() == std::filesystem::file_size(path + "-wal"));
        auto reader = Database::open(path, {.read_only = true, .patience = milliseconds(10)});
        REQUIRE(reader);
        auto snapshot = ReadTransaction::begin(*reader);
        REQUIRE(snapshot);
        REQUIRE(put(writer, 100, "late"));
        const auto partly = writer.checkpoint(CheckpointMode::passive);
        REQUIRE(partly);
        CHECK_FALSE(partly->complete);
        CHECK(partly->moved > 0);
        CHECK(writer.wal_bytes() > 0);
    }
    CHECK(std::filesystem::file_size(path + "-wal") > 0);
    auto writer = Database::open(path, {.patience = milliseconds(10)});
    REQUIRE(writer);
    const auto wholly = writer->checkpoint(CheckpointMode::truncate);
    REQUIRE(wholly);
    CHECK(wholly->complete);
    CHECK(writer->wal_bytes() == 0);
    CHECK(std::filesystem::file_size(path + "-wal") == 0);
    CHECK(count(*writer) == 21);
}
