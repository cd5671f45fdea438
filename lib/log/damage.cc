#include "log/damage.h"

#include <utility>

#include "sqlite/read.h"

namespace countersign::log {

const char* const damage_schema_sql = R"sql(
CREATE TABLE damage (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    stage INTEGER NOT NULL CHECK (stage IN (1, 2)),
    seq INTEGER NOT NULL,
    found INTEGER NOT NULL,
    what TEXT NOT NULL
) STRICT;
)sql";

Result<DamageRow> DamageRow::prepare(sqlite::Database& database) {
    auto statements = sqlite::Statements<Query>::prepare(
        database,
        {{{Query::read, "SELECT stage, seq, found, what FROM damage"},
          {Query::write,
           "INSERT OR REPLACE INTO damage (one, stage, seq, found, what) VALUES (1, ?, ?, ?, ?)"},
          {Query::erase, "DELETE FROM damage"}}});
    if (!statements) return statements.error();
    return DamageRow(std::move(*statements));
}

Result<std::optional<Damage>> DamageRow::read() {
    return sqlite::one_row(
        statements_[Query::read].query(), [](const sqlite::Rows& rows) -> Result<Damage> {
            auto row = sqlite::columns<Damage::Stage, LogSeq, UnixTime, std::string>(rows);
            if (!row) return row.error();
            auto& [stage, seq, found, what] = *row;
            return Damage{.stage = stage, .seq = seq, .found = found, .what = std::move(what)};
        });
}

Result<void> DamageRow::write(const Damage& damage) {
    return statements_[Query::write].run(damage.stage, damage.seq, damage.found, damage.what);
}

Result<void> DamageRow::erase() {
    return statements_[Query::erase].run();
}

}  // namespace countersign::log
