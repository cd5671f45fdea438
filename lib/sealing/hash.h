#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>

#include "countersign/ids.h"

#include "sealing/aead.h"

/// BLAKE2b (RFC 7693), plain and keyed, and keys derived from keys.
namespace countersign::sealing {

/// BLAKE2b-256, as `b2sum -l 256` prints it.
using Hash256 = Id<struct Hash256Tag, 32>;
/// Keyed BLAKE2b-128.
using Mac128 = Id<struct Mac128Tag, 16>;

/// Byte strings hashed one after the other, with nothing between them: a caller that wants them
/// told apart gives separators or fixed sizes.
using Parts = std::initializer_list<std::span<const std::byte>>;

Hash256 hash256(std::span<const std::byte> bytes);
Hash256 hash256(Parts parts);
Mac128 mac128(KeyView key, Parts parts);
Hash256 mac256(KeyView key, Parts parts);

/// BLAKE2b of bytes that come in pieces. Zeroes its state when it goes.
class Hasher {
  public:
    /// `output_size` is 16 to 64 bytes; `key` is empty or 16 to 64 bytes.
    explicit Hasher(std::size_t output_size = Hash256::size, std::span<const std::byte> key = {});
    Hasher(const Hasher&) = default;
    Hasher& operator=(const Hasher&) = default;
    ~Hasher();

    Hasher& update(std::span<const std::byte> bytes);
    /// `out` must have the size that the constructor was given. Once only.
    void finish(std::span<std::byte> out);
    /// For the default size. Once only.
    Hash256 finish();

  private:
    alignas(64) std::array<std::byte, 384> state_;
    std::size_t output_size_;
};

/// A key of its own for one purpose: `context` (eight characters) names the kind of master key and
/// `subkey_id` the purpose. Two derived keys tell nothing of each other nor of the master
/// (crypto_kdf of libsodium: BLAKE2b with the id as salt and the context as personalisation).
Key derive_key(KeyView master, std::uint64_t subkey_id, const char (&context)[9]);

/// Takes the same time wherever two byte strings of one size differ; sizes are not secret.
bool constant_time_equal(std::span<const std::byte> left,
                         std::span<const std::byte> right) noexcept;

}  // namespace countersign::sealing
