#include "accounts/base32.h"

#include <cstdint>
#include <optional>

namespace countersign::accounts {
namespace {

constexpr std::string_view rfc4648_letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
constexpr std::string_view crockford_letters = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
constexpr std::size_t bits_per_letter = 5;
constexpr std::size_t letters_per_group = 8;

std::string_view letters_of(Base32 alphabet) {
    return alphabet == Base32::crockford ? crockford_letters : rfc4648_letters;
}

std::optional<std::uint32_t> value_of(char letter, Base32 alphabet) {
    if (letter >= 'a' && letter <= 'z') letter = static_cast<char>(letter - 'a' + 'A');
    if (alphabet == Base32::crockford) {
        if (letter == 'O') letter = '0';
        if (letter == 'I' || letter == 'L') letter = '1';
    }
    const std::size_t place = letters_of(alphabet).find(letter);
    if (place == std::string_view::npos) return std::nullopt;
    return static_cast<std::uint32_t>(place);
}

/// The text without its padding; no value where the padding is not that of RFC 4648.
std::optional<std::string_view> without_padding(std::string_view text) {
    const std::size_t size = text.find_last_not_of('=') + 1;  // npos + 1 is 0
    const std::size_t padding = text.size() - size;
    if (padding != 0 && (text.size() % letters_per_group != 0 || padding >= letters_per_group)) {
        return std::nullopt;
    }
    return text.substr(0, size);
}

}  // namespace

Secret base32_encode(std::span<const std::byte> bytes, Base32 alphabet) {
    const std::string_view letters = letters_of(alphabet);
    Secret text = Secret::of_size((bytes.size() * 8 + bits_per_letter - 1) / bits_per_letter);
    auto out = text.writable().begin();
    std::uint32_t pending = 0;
    std::size_t bits = 0;
    for (const std::byte byte : bytes) {
        pending = pending << 8 | std::to_integer<std::uint32_t>(byte);
        for (bits += 8; bits >= bits_per_letter;) {
            bits -= bits_per_letter;
            *out++ = static_cast<std::byte>(letters[pending >> bits & 31]);
        }
        pending &= (1u << bits) - 1;
    }
    if (bits != 0) {
        *out = static_cast<std::byte>(letters[pending << (bits_per_letter - bits) & 31]);
    }
    return text;
}

Result<Secret> base32_decode(std::string_view text, Base32 alphabet) {
    if (alphabet == Base32::rfc4648) {
        const auto unpadded = without_padding(text);
        if (!unpadded) return Error(errc::malformed, "the base32 padding is wrong; leave it out");
        text = *unpadded;
    }
    const std::size_t bits_left_over = text.size() * bits_per_letter % 8;
    if (bits_left_over >= bits_per_letter) {
        return Error(errc::malformed, "the base32 text is cut short");
    }
    Secret bytes = Secret::of_size(text.size() * bits_per_letter / 8);
    auto out = bytes.writable().begin();
    std::uint32_t pending = 0;
    std::size_t bits = 0;
    for (const char letter : text) {
        const auto value = value_of(letter, alphabet);
        if (!value) return Error(errc::malformed, "a character is not one of base32");
        pending = pending << bits_per_letter | *value;
        bits += bits_per_letter;
        if (bits < 8) continue;
        bits -= 8;
        *out++ = static_cast<std::byte>(pending >> bits);
        pending &= (1u << bits) - 1;
    }
    if (pending != 0) return Error(errc::malformed, "the base32 text is cut short or mistyped");
    return bytes;
}

}  // namespace countersign::accounts
