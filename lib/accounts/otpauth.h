#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "countersign/error.h"
#include "countersign/secret.h"

#include "accounts/totp.h"

/// The otpauth URIs that authenticator apps read from QR codes (the "Key Uri Format" of Google
/// Authenticator).
namespace countersign::accounts {

/// In bytes.
constexpr std::size_t max_otpauth_size = 4096;
/// Of issuer and account each, in bytes of UTF-8.
constexpr std::size_t max_otpauth_name_size = 255;

struct Otpauth {
    std::string issuer;   ///< may be empty
    std::string account;  ///< whose code it is, for people: not empty
    Secret secret;
    TotpParameters parameters;
};

/// `otpauth://totp/Issuer:account?secret=...&issuer=Issuer&algorithm=SHA1&digits=6&period=30`.
/// Holds the secret, hence a Secret itself.
/// Errors: errc::invalid_totp for what `parse_otpauth` would not read back.
Result<Secret> format_otpauth(const Otpauth& otpauth);

/// Reads what `format_otpauth` writes and what other issuers make of the format: parameters that
/// may be left out are SHA1, 6 and 30; unknown ones are passed over. An issuer in the label and one
/// in a parameter must be the same. `+` is a plus, not a space (RFC 3986).
/// Errors: errc::invalid_totp, whose detail says why and holds no part of the secret.
Result<Otpauth> parse_otpauth(std::string_view uri);

}  // namespace countersign::accounts
