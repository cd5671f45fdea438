#pragma once

#include <array>
#include <cstddef>
#include <span>

/// HMAC (RFC 2104, FIPS 198-1), for one-time codes. A key may have any length: one longer than the
/// hash's block is hashed first.
namespace countersign::sealing {

std::array<std::byte, 20> hmac_sha1(std::span<const std::byte> key,
                                    std::span<const std::byte> message);
std::array<std::byte, 32> hmac_sha256(std::span<const std::byte> key,
                                      std::span<const std::byte> message);
std::array<std::byte, 64> hmac_sha512(std::span<const std::byte> key,
                                      std::span<const std::byte> message);

}  // namespace countersign::sealing
