#include "countersign/ids.h"

namespace countersign {
namespace {

constexpr std::string_view digits = "0123456789abcdef";

std::optional<unsigned> digit(char c) noexcept {
    if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
    if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a' + 10);
    if (c >= 'A' && c <= 'F') return static_cast<unsigned>(c - 'A' + 10);
    return std::nullopt;
}

bool hyphen_follows(std::size_t byte) noexcept {
    return byte == 3 || byte == 5 || byte == 7 || byte == 9;
}

}  // namespace

std::string to_hex(std::span<const std::byte> bytes) {
    std::string text;
    text.reserve(2 * bytes.size());
    for (std::byte byte : bytes) {
        text += digits[std::to_integer<unsigned>(byte) >> 4];
        text += digits[std::to_integer<unsigned>(byte) & 15];
    }
    return text;
}

std::optional<std::vector<std::byte>> from_hex(std::string_view text) {
    if (text.size() % 2 != 0) return std::nullopt;
    std::vector<std::byte> bytes;
    bytes.reserve(text.size() / 2);
    for (std::size_t i = 0; i < text.size(); i += 2) {
        const auto high = digit(text[i]);
        const auto low = digit(text[i + 1]);
        if (!high || !low) return std::nullopt;
        bytes.push_back(static_cast<std::byte>(*high << 4 | *low));
    }
    return bytes;
}

std::string to_string(const UserId& id) {
    std::string text;
    for (std::size_t i = 0; i < UserId::size; ++i) {
        text += to_hex(std::span(id.bytes).subspan(i, 1));
        if (hyphen_follows(i)) text += '-';
    }
    return text;
}

std::optional<UserId> parse_user_id(std::string_view text) {
    constexpr std::size_t text_size = 2 * UserId::size + 4;
    if (text.size() != text_size) return std::nullopt;
    std::string hex;
    for (std::size_t i = 0, byte = 0; i < text_size; ++byte) {
        hex += text.substr(i, 2);
        i += 2;
        if (hyphen_follows(byte) && text[i++] != '-') return std::nullopt;
    }
    const auto bytes = from_hex(hex);
    return bytes ? UserId::from_bytes(*bytes) : std::nullopt;
}

std::string to_string(const PoolId& id) {
    return to_hex(id.bytes);
}
std::string to_string(const NodeId& id) {
    return to_hex(id.bytes);
}
std::string to_string(const TotpId& id) {
    return to_hex(id.bytes);
}

}  // namespace countersign
