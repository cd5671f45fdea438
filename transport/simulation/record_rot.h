#pragma once

#include <cstdint>
#include <string>

#include "countersign/error.h"

namespace countersign::simulation {

/// Flips a bit of a user's sealed record in a store's file, durably: the one in place `which`,
/// modulo their number. No store has the file open. Errors: errc::not_found.
Result<void> rot_record(const std::string& vfs, const std::string& path, std::uint64_t which);

}  // namespace countersign::simulation
