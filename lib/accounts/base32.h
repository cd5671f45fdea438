#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "countersign/error.h"
#include "countersign/secret.h"

/// Five bits a character, for secrets that people copy by hand.
namespace countersign::accounts {

enum class Base32 {
    rfc4648,    ///< A to Z and 2 to 7 (RFC 4648 section 6): TOTP secrets
    crockford,  ///< 0 to 9 and the letters without I, L, O and U: recovery codes
};

/// Upper-case, without padding.
Secret base32_encode(std::span<const std::byte> bytes, Base32 alphabet = Base32::rfc4648);

/// Reads either case, unpadded or with exactly the padding of RFC 4648; for Crockford's also O as
/// 0, and I and L as 1, and no padding. Each byte string has one spelling: a length that no bytes
/// give and bits left over that are not 0 are refused. Errors: errc::malformed, which says why.
Result<Secret> base32_decode(std::string_view text, Base32 alphabet = Base32::rfc4648);

}  // namespace countersign::accounts
