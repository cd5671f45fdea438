#include "attempts/sighting_table.h"

#include <cstdint>
#include <utility>

#include "sqlite/read.h"

namespace countersign::attempts {

const char* const sightings_schema_sql = R"sql(
CREATE TABLE sighting (
    arrival INTEGER PRIMARY KEY,
    known_by INTEGER NOT NULL,
    boot TEXT NOT NULL
) STRICT;
)sql";

namespace {

std::int64_t stored(Instant instant) {
    return instant.time_since_epoch().count();
}

Result<SightingMark> read_mark(const sqlite::Rows& rows) {
    const auto row = sqlite::columns<Arrival, std::int64_t>(rows);
    if (!row) return row.error();
    return SightingMark{.arrival = std::get<0>(*row),
                        .known_by = Instant(std::chrono::nanoseconds(std::get<1>(*row)))};
}

}  // namespace

Result<SightingTable> SightingTable::prepare(sqlite::Database& database) {
    auto statements = sqlite::Statements<Query>::prepare(
        database,
        {{{Query::all, "SELECT arrival, known_by FROM sighting WHERE boot = ? ORDER BY arrival"},
          {Query::newest, "SELECT arrival, known_by FROM sighting ORDER BY arrival DESC LIMIT 2"},
          {Query::put,
           "INSERT OR REPLACE INTO sighting (arrival, known_by, boot) VALUES (?, ?, ?)"},
          {Query::drop, "DELETE FROM sighting WHERE arrival = ?"},
          {Query::drop_other, "DELETE FROM sighting WHERE boot <> ?"},
          {Query::drop_old,
           "DELETE FROM sighting WHERE arrival <"
           " (SELECT max(arrival) FROM sighting WHERE known_by < ?)"}}});
    if (!statements) return statements.error();
    return SightingTable(std::move(*statements));
}

Result<std::vector<SightingMark>> SightingTable::marks(std::string_view boot) {
    std::vector<SightingMark> marks;
    if (boot.empty()) return marks;
    const auto read = sqlite::each_row(statements_[Query::all].query(boot),
                                       [&](const sqlite::Rows& rows) -> Result<bool> {
                                           const auto mark = read_mark(rows);
                                           if (!mark) return mark.error();
                                           marks.push_back(*mark);
                                           return true;
                                       });
    if (!read) return read.error();
    return marks;
}

Result<void> SightingTable::put(const SightingMark& mark, std::string_view boot) {
    if (boot.empty()) return {};
    if (auto done = statements_[Query::drop_other].run(boot); !done) return done;
    std::vector<SightingMark> newest;
    const auto read = sqlite::each_row(statements_[Query::newest].query(),
                                       [&](const sqlite::Rows& rows) -> Result<bool> {
                                           const auto found = read_mark(rows);
                                           if (!found) return found.error();
                                           newest.push_back(*found);
                                           return true;
                                       });
    if (!read) return read;
    // The newer of two that lie close together covers what the other did, a moment later.
    if (newest.size() == 2 && mark.known_by < newest[1].known_by + distance) {
        if (auto done = statements_[Query::drop].run(newest[0].arrival); !done) return done;
    }
    if (auto done = statements_[Query::drop_old].run(stored(mark.known_by - reach)); !done) {
        return done;
    }
    return statements_[Query::put].run(mark.arrival, stored(mark.known_by), boot);
}

}  // namespace countersign::attempts
