#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <vector>

#include "countersign/error.h"

#include "sealing/aead.h"

/// Sealed boxes (libsodium's crypto_box_seal: an ephemeral X25519 key and XSalsa20-Poly1305): one
/// message to a node's channel key. They say nothing of who sealed them; what carries them is
/// signed.
namespace countersign::sealing {

using BoxPublicKey = std::array<std::byte, 32>;

/// How much longer a box is than what is in it.
constexpr std::size_t box_overhead = 32 + 16;

/// An X25519 private key, in guarded memory.
class BoxKey {
  public:
    /// `secret` is the scalar of RFC 7748 section 5, before clamping; any 32 random bytes will do.
    explicit BoxKey(KeyView secret);

    const BoxPublicKey& public_key() const noexcept { return public_key_; }
    /// The scalar, for the channel's handshake.
    KeyView secret() const noexcept { return secret_.view(); }

  private:
    Key secret_;
    BoxPublicKey public_key_;
};

/// `ephemeral_seed` is 32 fresh random bytes, a secret, and must never serve twice: two boxes to
/// one key from one seed give away the difference of what is in them.
/// Errors: errc::invalid_argument (the public key is a point of low order).
Result<std::vector<std::byte>> seal_to(const BoxPublicKey& public_key,
                                       std::span<const std::byte> plaintext,
                                       KeyView ephemeral_seed);

/// Errors: errc::wrong_key (sealed to another key, or changed).
Result<PlainBytes> open_sealed(std::span<const std::byte> box, const BoxKey& key);

}  // namespace countersign::sealing
