#pragma once

#include <cstdint>
#include <span>

#include "countersign/error.h"

#include "sqlite/database.h"

namespace countersign::sqlite {

/// One step of the file's format: what makes version `version` of the version before. Exactly one
/// of the two is given.
struct Migration {
    std::int32_t version;                                  ///< 1 is the first; the next is one more
    const char* sql = nullptr;                             ///< statements without parameters
    Result<void> (*change)(Database& database) = nullptr;  ///< within the migration's transaction
};

/// Brings a file, new or old, to the version of the last of `migrations` in one transaction; a file
/// of that version is only read. The caller holds the directory's write lock. After any error the
/// file is as it was. Errors: errc::not_a_store (a database of another application),
/// errc::newer_format.
Result<void> migrate(Database& database,
                     std::span<const Migration> migrations,
                     std::int32_t application_id = store_application_id);

}  // namespace countersign::sqlite
