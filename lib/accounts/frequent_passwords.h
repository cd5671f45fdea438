#pragma once

#include <cstddef>
#include <string_view>

/// The built-in list of passwords that attackers try first (frequent_passwords.txt), made part of
/// the program when it is built: sorted by bytes, in lower-case ASCII, each of 8 characters or
/// more.
namespace countersign::accounts {

std::size_t frequent_password_count() noexcept;
/// `place` is below `frequent_password_count()`.
std::string_view frequent_password(std::size_t place) noexcept;

}  // namespace countersign::accounts
