#pragma once

#include <string_view>
#include <vector>

#include "countersign/error.h"

#include "attempts/sightings.h"
#include "sqlite/database.h"
#include "sqlite/prepare.h"

namespace countersign::attempts {

/// The table `sighting`: the marks of Sightings, for processes that open the directory later. They
/// hold for one run of the machine, whose processes share one monotonic clock: a lock then runs
/// out also where every attempt is made by a process of its own. Marks lie a second apart, and
/// those of more than a day ago, which no lock outlasts, are one.
class SightingTable {
  public:
    static constexpr std::chrono::seconds distance{1};
    static constexpr std::chrono::days reach{1};

    static Result<SightingTable> prepare(sqlite::Database& database);

    /// Those of the run of the machine that `boot` names, rising; none when it is empty.
    Result<std::vector<SightingMark>> marks(std::string_view boot);
    /// Adds the newest, within the caller's transaction. Nothing when `boot` is empty.
    Result<void> put(const SightingMark& mark, std::string_view boot);

  private:
    enum class Query { all, newest, put, drop, drop_other, drop_old, count };
    explicit SightingTable(sqlite::Statements<Query> statements)
        : statements_(std::move(statements)) {}
    sqlite::Statements<Query> statements_;
};

/// The table, as `user_version` 1 of the file has it.
extern const char* const sightings_schema_sql;

}  // namespace countersign::attempts
