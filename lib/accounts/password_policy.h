#pragma once

#include <cstddef>
#include <string_view>

#include "countersign/error.h"
#include "countersign/secret.h"

#include "accounts/blocklist.h"

/// What a new password must be (NIST SP 800-63B-4 section 3.1.1, OWASP ASVS 5 6.2): long enough and
/// not well known. There are no rules on its composition.
namespace countersign::accounts {

/// What may be set for either length, in code points.
constexpr std::size_t min_minimum_length = 8;
constexpr std::size_t max_minimum_length = 64;
constexpr std::size_t min_maximum_length = 64;
constexpr std::size_t max_maximum_length = 1024;

struct PasswordPolicy {
    /// In code points of the normal form. NIST asks for 15 where the password is the only factor.
    std::size_t minimum_length = 8;
    /// In code points. Longer ones cost no more to hash; `max_password_size` bounds them anyway.
    std::size_t maximum_length = 128;

    friend bool operator==(const PasswordPolicy&, const PasswordPolicy&) = default;
};

/// Errors: errc::invalid_argument when a length is outside of its limits.
Result<void> check(const PasswordPolicy& policy);

/// Judges a new password; both it and `login` are in their normal form. Errors:
/// errc::invalid_password when it is too short or too long; errc::password_blocked when the whole
/// of it, case folded, is the login or on the list. The details hold no part of it.
Result<void> check_new_password(const PasswordPolicy& policy,
                                const Secret& password,
                                std::string_view login,
                                const Blocklist& blocklist);

}  // namespace countersign::accounts
