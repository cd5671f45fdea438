#pragma once

#include <cstdint>
#include <string>

#include "countersign/time.h"

namespace countersign::records {

/// When and how long failures lock (attempts/throttle.h).
struct ThrottleSettings {
    std::uint32_t max_failures = 10;
    milliseconds lock_for{30'000};
    std::uint32_t backoff = 2;
    milliseconds lock_cap{3'600'000};
};

/// What holds for the pool as a whole, at every node alike.
struct PoolSettings {
    std::string issuer;
    std::string unicode_version;
    bool unique_email = false;
    std::uint16_t password_minimum = 8;
    std::uint16_t password_maximum = 128;
    std::uint32_t hash_memory_kib = 19 * 1024;
    std::uint32_t hash_passes = 2;
    ThrottleSettings password_throttle;
    ThrottleSettings code_throttle;
    std::uint32_t guess_budget = 100;
};

}  // namespace countersign::records
