#include "accounts/frequent_passwords.h"

#include <iterator>

#include "accounts/frequent_passwords_data.h"  // made by embed_passwords.py

namespace countersign::accounts {

std::size_t frequent_password_count() noexcept {
    return std::size(frequent_passwords::ends);
}

std::string_view frequent_password(std::size_t place) noexcept {
    const std::size_t begin = place == 0 ? 0 : frequent_passwords::ends[place - 1];
    return {frequent_passwords::text + begin, frequent_passwords::ends[place] - begin};
}

}  // namespace countersign::accounts
