#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "countersign/error.h"
#include "countersign/secret.h"

/// Login names and passwords in the one form in which they are compared (RFC 8264, RFC 8265).
namespace countersign::accounts {

/// In bytes of UTF-8, after normalisation.
constexpr std::size_t max_login_size = 255;
/// What is given to `normalise_login` may be this many bytes long.
constexpr std::size_t max_login_input_size = 1024;
/// In bytes of UTF-8, before normalisation and after.
constexpr std::size_t max_password_size = 1024;

enum class LoginCase {
    mapped,     ///< UsernameCaseMapped (RFC 8265 section 3.3): the form in which logins compare
    preserved,  ///< UsernameCasePreserved (section 3.4): the form to show
};

/// The login in its normal form: width mapped, NFC, one userpart without spaces, in which the rules
/// for bidirectional text (RFC 5893) and for joiners hold. Applying it again changes nothing.
/// Errors: errc::invalid_login, whose detail names the character and says why.
Result<std::string> normalise_login(std::string_view text,
                                    LoginCase login_case = LoginCase::mapped);

/// The password as OpaqueString (RFC 8265 section 4): every space becomes U+0020, then NFC. Case
/// and width stay. Everything in between is held in memory that is zeroed. What is given
/// away and in its normal form already comes back as it is, without the cost of another Secret;
/// after an error it still is the caller's.
/// Errors: errc::invalid_password, whose detail says why without a part of the password.
Result<Secret> normalise_password(Secret&& password);
Result<Secret> normalise_password(const Secret& password);

}  // namespace countersign::accounts
