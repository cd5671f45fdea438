#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "countersign/error.h"

/// E-mail addresses: checked for a form to which mail can be sent, and made comparable.
namespace countersign::accounts {

/// In bytes of UTF-8 (RFC 5321 section 4.5.3.1): a path is 256 with its angle brackets.
constexpr std::size_t max_email_size = 254;
constexpr std::size_t max_email_local_size = 64;
constexpr std::size_t max_domain_label_size = 63;

struct Email {
    /// To send mail to: the local part in the case in which it was given, the domain in lower case.
    std::string address;
    /// Equal for addresses that count as one. Mail servers may tell cases of the local part apart;
    /// none in use does, and two accounts that differ only in it would be a trap: so both parts are
    /// in lower case.
    std::string key;
};

/// Reads an address `local@domain`, internationalised ones (RFC 6531) included: the local part a
/// dot-atom, the domain labels of letters, digits and hyphens, one label being enough; characters
/// outside ASCII follow RFC 8264's IdentifierClass and come out in NFC. Quoted local parts and
/// address literals are refused. A domain's `xn--` form and its Unicode form count as two.
/// Errors: errc::invalid_email, whose detail says why.
Result<Email> normalise_email(std::string_view text);

}  // namespace countersign::accounts
