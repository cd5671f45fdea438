#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "countersign/time.h"

namespace countersign::simulation {

/// The time step of RFC 6238 that `time` is in, at 30 seconds a step.
std::uint64_t totp_step(UnixTime time) noexcept;

/// What an authenticator app shows: the code of six digits for that step, by HMAC-SHA-256, from an
/// otpauth URI of a store. Empty: the URI has no secret.
std::string totp_code(std::string_view uri, std::uint64_t step);

}  // namespace countersign::simulation
