#pragma once

#include <optional>
#include <string>
#include <vector>

#include "countersign/error.h"

#include "sealing/box.h"
#include "sqlite/database.h"

namespace countersign::membership {

/// Whom the invitation named: the one node that a new one knows before it holds the log. The one
/// row of the table `sponsor`; a pool's first node has none.
struct Sponsor {
    sealing::BoxPublicKey channel_key{};
    std::vector<std::string> addresses;
    bool has_admitted = false;  ///< this node is in the pool; its own keyring says the pool's keys
};

/// The table `sponsor`, as `user_version` 1 of the file has it.
extern const char* const sponsor_schema_sql;

Result<std::optional<Sponsor>> read_sponsor(sqlite::Database& database);
/// Replaces the row within the caller's transaction.
Result<void> write_sponsor(sqlite::Database& database, const Sponsor& sponsor);

}  // namespace countersign::membership
