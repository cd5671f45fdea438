#include "accounts/password_policy.h"

#include <algorithm>
#include <string>

namespace countersign::accounts {
namespace {

/// One code point is one character (NIST SP 800-63B-4 section 3.1.1.2).
std::size_t code_points(std::string_view utf8) {
    return static_cast<std::size_t>(
        std::ranges::count_if(utf8, [](char c) { return (c & 0xc0) != 0x80; }));
}

}  // namespace

Result<void> check(const PasswordPolicy& policy) {
    if (policy.minimum_length < min_minimum_length || policy.minimum_length > max_minimum_length) {
        return Error(errc::invalid_argument, "the least length of passwords is 8 to 64");
    }
    if (policy.maximum_length < min_maximum_length || policy.maximum_length > max_maximum_length) {
        return Error(errc::invalid_argument, "the greatest length of passwords is 64 to 1,024");
    }
    return {};
}

Result<void> check_new_password(const PasswordPolicy& policy,
                                const Secret& password,
                                std::string_view login,
                                const Blocklist& blocklist) {
    const std::size_t length = code_points(password.text());
    if (length < policy.minimum_length) {
        return Error(errc::invalid_password,
                     "it is shorter than " + std::to_string(policy.minimum_length) + " characters");
    }
    if (length > policy.maximum_length) {
        return Error(errc::invalid_password,
                     "it is longer than " + std::to_string(policy.maximum_length) + " characters");
    }
    if (fold(password.text()) == fold(login)) {
        return Error(errc::password_blocked, "it is the login name");
    }
    if (blocklist.contains(password)) {
        return Error(errc::password_blocked, "choose one that is not well known");
    }
    return {};
}

}  // namespace countersign::accounts
