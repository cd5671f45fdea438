#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "countersign/error.h"
#include "countersign/secret.h"

/// Argon2id (RFC 9106), version 1.3, and its strings in the PHC format. A string that comes from
/// elsewhere can ask for gigabytes and minutes, so every string is held to the caps below before
/// anything is computed.
namespace countersign::sealing {

constexpr std::size_t max_phc_size = 127;
constexpr std::uint32_t max_argon2_memory_kib = 256 * 1024;
constexpr std::uint32_t max_argon2_passes = 10;
constexpr std::uint32_t max_argon2_lanes = 8;
constexpr std::size_t min_argon2_salt_size = 8;
constexpr std::size_t min_argon2_hash_size = 16;
constexpr std::size_t argon2_salt_size = 16;  ///< of the strings made here
constexpr std::size_t argon2_hash_size = 32;  ///< of the strings made here

/// What one hash costs: memory in KiB (8 to 262,144), and passes over it (1 to 10), one lane. Time
/// grows with their product. The default is a profile of OWASP's password storage cheat sheet;
/// 47,104 KiB and one pass is the other that it puts first.
struct Argon2Cost {
    std::uint32_t memory_kib = 19 * 1024;
    std::uint32_t passes = 2;
    friend bool operator==(const Argon2Cost&, const Argon2Cost&) = default;
};

/// A PHC string that was read and found within the caps.
struct PasswordHash {
    Argon2Cost cost;
    std::uint32_t lanes = 1;
    std::vector<std::byte> salt;
    std::vector<std::byte> hash;
};

/// Reads `$argon2id$v=19$m=<KiB>,t=<passes>,p=<lanes>$<salt>$<hash>`: in this order, numbers
/// without leading zeros, base64 without padding or stray bits.
/// Errors: errc::invalid_hash, with what is wrong; the detail repeats nothing of the string.
Result<PasswordHash> parse_password_hash(std::string_view phc);

/// The PHC string of a password. `salt` is 16 fresh random bytes. One Argon2 at `cost`.
/// Errors: errc::invalid_argument (cost outside its range), errc::out_of_memory.
Result<std::string> hash_password(const Secret& password,
                                  Argon2Cost cost,
                                  std::span<const std::byte, argon2_salt_size> salt);

/// True when the string is that of the password. One Argon2 at the string's own cost, on one
/// thread whatever its lanes; the caps are checked first.
/// Errors: errc::invalid_hash (as parse_password_hash), errc::out_of_memory. In strings made
/// elsewhere, with several lanes or a salt of other than 16 bytes, memory that is missing for a
/// moment only can pass for a wrong password.
Result<bool> verify_password(std::string_view phc, const Secret& password);

/// True when a guess at the hash costs an attacker less than `cost` asks: less memory, or less
/// memory times passes, or a salt or hash shorter than those made here.
bool weaker_than(const PasswordHash& hash, Argon2Cost cost) noexcept;

/// The bytes of memory that computing it takes.
std::size_t memory_of(Argon2Cost cost) noexcept;
inline std::size_t memory_of(const PasswordHash& hash) noexcept {
    return memory_of(hash.cost);
}

/// Argon2id itself, with one lane: fills `out`, which is 16 bytes or more.
/// Errors: errc::invalid_argument (cost or size outside its range), errc::out_of_memory.
Result<void> argon2id(std::span<std::byte> out,
                      const Secret& password,
                      Argon2Cost cost,
                      std::span<const std::byte, argon2_salt_size> salt);

}  // namespace countersign::sealing
