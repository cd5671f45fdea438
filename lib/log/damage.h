#pragma once

#include <optional>
#include <string>

#include "countersign/error.h"
#include "countersign/ids.h"
#include "countersign/time.h"

#include "sqlite/database.h"
#include "sqlite/prepare.h"

namespace countersign::log {

/// The table `damage`, as `user_version` 1 of the file has it.
extern const char* const damage_schema_sql;

/// What was found of records that are not those that were signed.
struct Damage {
    enum class Stage : std::uint8_t {
        suspected = 1,  ///< something did not fit; the records have not all been re-read since
        proved = 2,     ///< they do not add up to the signed digest
    };
    Stage stage = Stage::suspected;
    LogSeq seq{};  ///< of the head when it was found
    UnixTime found{};
    std::string what;
};

/// The table `damage`: one row from the moment that damage is found until all records are proved
/// again, so that no restart forgets it.
class DamageRow {
  public:
    static Result<DamageRow> prepare(sqlite::Database& database);
    Result<std::optional<Damage>> read();
    Result<void> write(const Damage& damage);
    Result<void> erase();

  private:
    enum class Query { read, write, erase, count };
    explicit DamageRow(sqlite::Statements<Query> statements) : statements_(std::move(statements)) {}
    sqlite::Statements<Query> statements_;
};

}  // namespace countersign::log
