#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "countersign/secret.h"

#include "sealing/hash.h"

/// Codes to get in with when the authenticator is lost: each works once, and of each only a keyed
/// hash is kept.
namespace countersign::accounts {

constexpr std::size_t recovery_code_count = 10;
/// 80 random bits.
constexpr std::size_t recovery_code_size = 10;
using RecoveryCodeView = std::span<const std::byte, recovery_code_size>;

/// Cuts a full set of codes out of random bytes.
std::array<RecoveryCodeView, recovery_code_count> split_recovery_codes(
    std::span<const std::byte, recovery_code_count * recovery_code_size> random);

/// For the user to keep: sixteen characters of Crockford's base32 as `XXXX-XXXX-XXXX-XXXX`.
Secret print_recovery_code(RecoveryCodeView code);

/// The ten bytes of a code as a person types it: either case, spaces and hyphens anywhere, O for 0,
/// I or L for 1. No value when it cannot be one.
std::optional<Secret> parse_recovery_code(std::string_view typed);

/// What is kept of a code: keyed BLAKE2b-128. `code` is `recovery_code_size` bytes long.
sealing::Mac128 recovery_code_digest(std::span<const std::byte> code, sealing::KeyView key);

}  // namespace countersign::accounts
