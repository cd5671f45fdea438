#include "sqlite/migrations.h"

#include <filesystem>
#include <string>

#include <doctest/doctest.h>

#include "sqlite/quick_check.h"
#include "sqlite/transaction.h"
#include "support/temporary_directory.h"

using namespace countersign;
using namespace countersign::sqlite;
using countersign::testing::TemporaryDirectory;

namespace {

Result<void> add_an_index(Database& database) {
    return database.execute("CREATE INDEX a_body ON a (body)");
}

const Migration migrations[] = {
    {.version = 1,
     .sql = "CREATE TABLE a (id INTEGER PRIMARY KEY, body TEXT NOT NULL) STRICT;"
            "INSERT INTO a (id, body) VALUES (1, 'kept');"},
    {.version = 2, .sql = "CREATE TABLE b (id INTEGER PRIMARY KEY) STRICT"},
    {.version = 3, .change = add_an_index},
};

Database open(const std::string& path) {
    auto database = Database::open(path, {.create = true});
    REQUIRE(database);
    return std::move(*database);
}

}  // namespace

TEST_CASE("migrations: a new file: made ours, at the newest version, and left alone after") {
    const TemporaryDirectory directory;
    Database database = open(directory / "store.db");
    REQUIRE(migrate(database, migrations));
    CHECK(database.application_id().value() == store_application_id);
    CHECK(database.user_version().value() == 3);
    CHECK(database.object_count().value() == 3);
    Database other = open(directory / "store.db");
    const auto before = other.data_version();
    REQUIRE(migrate(database, migrations));
    CHECK(other.data_version().value() == before.value());
}

TEST_CASE("migrations: an older file: brought up to date with its rows") {
    const TemporaryDirectory directory;
    Database database = open(directory / "store.db");
    REQUIRE(migrate(database, std::span(migrations).first(1)));
    CHECK(database.user_version().value() == 1);
    REQUIRE(migrate(database, migrations));
    CHECK(database.user_version().value() == 3);
    CHECK(database.object_count().value() == 3);
    CHECK(QuickCheck::whole(database));
}

TEST_CASE("migrations: a step fails: its own error, and the file as it was") {
    const TemporaryDirectory directory;
    Database database = open(directory / "store.db");
    REQUIRE(migrate(database, std::span(migrations).first(1)));
    const Migration broken[] = {
        migrations[0],
        migrations[1],
        {.version = 3, .change = [](Database&) -> Result<void> { return errc::limit_reached; }},
    };
    CHECK(migrate(database, broken).error() == errc::limit_reached);
    CHECK(database.user_version().value() == 1);
    CHECK(database.object_count().value() == 1);
    CHECK_FALSE(database.in_transaction());
    CHECK(migrate(database, migrations));
}

TEST_CASE("migrations: a newer file: refused with both versions, nothing changed") {
    const TemporaryDirectory directory;
    Database database = open(directory / "store.db");
    REQUIRE(migrate(database, migrations));
    const auto refused = migrate(database, std::span(migrations).first(2));
    REQUIRE_FALSE(refused);
    CHECK(refused.error() == errc::newer_format);
    CHECK(refused.error().detail().find("format 3") != std::string::npos);
    CHECK(refused.error().detail().find("up to 2") != std::string::npos);
    CHECK(database.user_version().value() == 3);
}

TEST_CASE("migrations: a database of another application: refused, its bytes untouched") {
    const TemporaryDirectory directory;
    const std::string path = directory / "store.db";
    SUBCASE("with an id of its own") {
        Database database = open(path);
        REQUIRE(migrate(database, migrations, 77));
        REQUIRE(database.checkpoint(CheckpointMode::truncate));
        REQUIRE(database.execute("PRAGMA journal_mode=DELETE"));
    }
    SUBCASE("without an id") {
        Database database = open(path);
        REQUIRE(database.execute("PRAGMA journal_mode=DELETE"));
        REQUIRE(database.execute("CREATE TABLE theirs (x INTEGER) STRICT"));
    }
    const std::string before = directory.read("store.db");
    Database database = open(path);
    CHECK(migrate(database, migrations).error() == errc::not_a_store);
    CHECK(directory.read("store.db") == before);
    CHECK_FALSE(std::filesystem::exists(path + "-wal"));
}

TEST_CASE("quick check: a sound file, table by table: each once, then no more") {
    const TemporaryDirectory directory;
    Database database = open(directory / "store.db");
    REQUIRE(migrate(database, migrations));
    auto check = QuickCheck::begin(database);
    REQUIRE(check);
    for (int table = 0; table < 3; ++table) CHECK(check->next().value());  // and sqlite_schema
    CHECK_FALSE(check->next().value());
}

TEST_CASE("quick check: a page of a table is overwritten: that table's turn says corrupt") {
    const TemporaryDirectory directory;
    const std::string path = directory / "store.db";
    {
        Database database = open(path);
        REQUIRE(migrate(database, migrations));
        REQUIRE(database.checkpoint(CheckpointMode::truncate));
    }
    std::string file = directory.read("store.db");
    constexpr std::size_t page = 4096;
    REQUIRE(file.size() == 5 * page);
    file.replace(2 * page, 100, 100, '\x7f');  // table a, behind the map of pages
    (void)directory.write("store.db", file);
    Database database = open(path);
    CHECK(QuickCheck::whole(database).error() == errc::corrupt);
    auto check = QuickCheck::begin(database);
    REQUIRE(check);
    bool found = false;
    for (;;) {
        const auto checked = check->next();
        if (!checked) {
            CHECK(checked.error() == errc::corrupt);
            found = true;
            break;
        }
        if (!*checked) break;
    }
    CHECK(found);
}
