#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "attempts/journal.h"
#include "attempts/sightings.h"
#include "attempts/tables.h"
#include "rows.h"
#include "sqlite/database.h"
#include "sqlite/transaction.h"
#include "support/temporary_directory.h"

/// A database with the room's tables, and processes that use it, for the tests of this room.
namespace countersign::attempts::testing {

inline Instant at(std::int64_t seconds) {
    return Instant{std::chrono::seconds(seconds)};
}

inline UnixTime wall(std::int64_t seconds) {
    return UnixTime{std::chrono::seconds(seconds)};
}

/// One process on the directory: a handle, and what it keeps in memory. The node is that of
/// signing_key(1), in incarnation 7.
struct Process {
    static constexpr Incarnation incarnation{0x8000'0000'0000'0007};

    explicit Process(const std::string& path, Instant start = at(0))
        : database(open(path)), tables(prepare(database)), sightings({}, arrival(tables), start) {}

    static sqlite::Database open(const std::string& path) {
        auto database = sqlite::Database::open(path, {.create = true});
        REQUIRE(database);
        if (*database->user_version() == 0) {
            auto transaction = sqlite::Transaction::begin(*database);
            REQUIRE(transaction);
            REQUIRE(database->execute(schema_sql));
            REQUIRE(database->execute("PRAGMA user_version=1"));
            auto tables = Tables::prepare(*database);
            REQUIRE(tables);
            REQUIRE(tables->put_author({.incarnation = incarnation, .started = wall(1)}));
            REQUIRE(transaction->commit());
        }
        return std::move(*database);
    }

    static Tables prepare(sqlite::Database& database) {
        auto tables = Tables::prepare(database);
        REQUIRE(tables);
        return std::move(*tables);
    }

    static Arrival arrival(Tables& tables) { return tables.author().value().value().arrival; }

    NodeId node() const { return {key.public_key()}; }
    Author author() const { return {node(), incarnation}; }
    Journal::Context context() const {
        return {.key = key,
                .head = LogSeq{5},
                .whose_word = holders,
                .whose_spent = holders,
                .sightings = sightings,
                .now = now};
    }
    StepView view(std::uint64_t current, std::uint64_t first = 0) const {
        return {.node = node(), .current = current, .first = first};
    }

    sqlite::Transaction transaction() {
        auto begun = sqlite::Transaction::begin(database);
        REQUIRE(begun);
        return std::move(*begun);
    }
    Journal journal() {
        auto begun = Journal::begin(tables, context());
        REQUIRE(begun);
        return std::move(*begun);
    }

    /// One group, committed.
    void group(const std::function<void(Journal&)>& members, UnixTime time = wall(1'000)) {
        auto open = transaction();
        auto group = journal();
        members(group);
        REQUIRE(group.flush(time));
        REQUIRE(open.commit());
        sightings.note(group.author().arrival, now);
    }

    AuthorRow author_row() { return tables.author().value().value(); }
    TallySet read(const CredentialId& credential) {
        auto rows = sightings.read(tables, credential, now);
        REQUIRE(rows);
        return std::move(*rows);
    }
    std::uint64_t effective(const CredentialId& credential) {
        return effective_failures(read(credential), holders);
    }
    std::int64_t count(const char* sql) {
        auto select = database.prepare(sql);
        REQUIRE(select);
        auto rows = select->query();
        REQUIRE(rows);
        REQUIRE(rows->next().value());
        return rows->integer(0);
    }

    sqlite::Database database;
    Tables tables;
    Sightings sightings;
    sealing::SigningKey key = signing_key(1);
    Holders holders;
    Instant now = at(0);
};

/// A row of the node that signing_key(number) is.
inline TallyRow signed_by(std::uint8_t number,
                          std::uint64_t row_seq,
                          std::uint64_t window,
                          std::uint32_t failures,
                          std::vector<Clear> clears = {}) {
    TallyRow made = row(number, row_seq, window, failures, std::move(clears));
    made.node = NodeId{signing_key(number).public_key()};
    return made;
}

}  // namespace countersign::attempts::testing
