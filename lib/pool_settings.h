#pragma once

#include <string_view>

#include "countersign/options.h"

#include "attempts/throttle.h"
#include "records/pool_settings.h"
#include "sealing/argon2.h"

namespace countersign {

/// Whether every option of a new pool is in its range. Errors: errc::invalid_argument, naming it.
Result<void> check(const PoolOptions& options);

/// The record of a new pool's options.
records::PoolSettings to_settings(const PoolOptions& options, std::string_view unicode_version);

attempts::ThrottlePolicy to_policy(const records::ThrottleSettings& settings);
sealing::Argon2Cost hash_cost(const records::PoolSettings& settings);

}  // namespace countersign
