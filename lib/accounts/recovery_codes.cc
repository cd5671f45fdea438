#include "accounts/recovery_codes.h"

#include <algorithm>
#include <cassert>
#include <functional>

#include "accounts/base32.h"

namespace countersign::accounts {
namespace {

constexpr std::size_t letter_count = recovery_code_size * 8 / 5;
constexpr std::size_t group_size = 4;
/// A code with a separator before and after each character is still one.
constexpr std::size_t max_typed_size = 3 * letter_count;

bool is_separator(char c) {
    return c == ' ' || c == '-' || c == '\t';
}

}  // namespace

std::array<RecoveryCodeView, recovery_code_count> split_recovery_codes(
    std::span<const std::byte, recovery_code_count * recovery_code_size> random) {
    const auto nth = [random](std::size_t i) {
        return RecoveryCodeView(random.subspan(i * recovery_code_size, recovery_code_size));
    };
    return {nth(0), nth(1), nth(2), nth(3), nth(4), nth(5), nth(6), nth(7), nth(8), nth(9)};
}

Secret print_recovery_code(RecoveryCodeView code) {
    const Secret letters = base32_encode(code, Base32::crockford);
    Secret printed = Secret::of_size(letter_count + letter_count / group_size - 1);
    auto out = printed.writable().begin();
    for (std::size_t i = 0; i < letter_count; ++i) {
        if (i != 0 && i % group_size == 0) *out++ = std::byte{'-'};
        *out++ = letters.bytes()[i];
    }
    return printed;
}

std::optional<Secret> parse_recovery_code(std::string_view typed) {
    if (typed.size() > max_typed_size) return std::nullopt;
    if (std::ranges::count_if(typed, std::not_fn(is_separator)) != letter_count)
        return std::nullopt;
    Secret letters = Secret::of_size(letter_count);
    auto out = letters.writable().begin();
    for (const char c : typed) {
        if (!is_separator(c)) *out++ = static_cast<std::byte>(c);
    }
    auto code = base32_decode(letters.text(), Base32::crockford);
    if (!code) return std::nullopt;
    return std::move(*code);
}

sealing::Mac128 recovery_code_digest(std::span<const std::byte> code, sealing::KeyView key) {
    assert(code.size() == recovery_code_size);
    return sealing::mac128(key, {code});
}

}  // namespace countersign::accounts
