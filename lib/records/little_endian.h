#pragma once

#include <array>
#include <concepts>
#include <cstddef>

namespace countersign::records {

/// The bytes of a number in the order in which every format of ours stores it.
template <std::unsigned_integral Number>
constexpr std::array<std::byte, sizeof(Number)> little_endian(Number number) noexcept {
    std::array<std::byte, sizeof(Number)> bytes;
    for (std::size_t i = 0; i < sizeof(Number); ++i) {
        bytes[i] = static_cast<std::byte>(number >> (8 * i) & 0xff);
    }
    return bytes;
}

/// Reads `sizeof(Number)` bytes at `from`.
template <std::unsigned_integral Number>
constexpr Number from_little_endian(const std::byte* from) noexcept {
    Number number = 0;
    for (std::size_t i = sizeof(Number); i-- > 0;) {
        number = static_cast<Number>((number << 8) | std::to_integer<Number>(from[i]));
    }
    return number;
}

}  // namespace countersign::records
