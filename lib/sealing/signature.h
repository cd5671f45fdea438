#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string_view>

#include "countersign/ids.h"
#include "countersign/secret.h"

/// Ed25519 (RFC 8032), by libsodium alone: nodes that must agree on what is signed must agree on
/// the odd cases too (non-canonical encodings, points of low order; both are refused).
namespace countersign::sealing {

/// As NodeId::bytes: a node's name is its public key.
using PublicKey = std::array<std::byte, 32>;
using Signature = Id<struct SignatureTag, 64>;

/// What is signed: a signature of one kind never passes for another. Each has its context string,
/// "countersign/<kind>/v1".
enum class SignatureKind {
    batch,
    designation,
    membership,
    tally,
    pulse,
    receipt,
    invitation,
    token,
    admission,
    spent,
    challenge,
};

/// The word between the slashes: "batch".
std::string_view name(SignatureKind kind) noexcept;

/// A private key, in guarded memory.
class SigningKey {
  public:
    /// `seed` is the private key of RFC 8032 section 5.1.5. Takes a copy.
    explicit SigningKey(std::span<const std::byte, 32> seed);

    const PublicKey& public_key() const noexcept { return public_key_; }

  private:
    friend Signature sign_raw(std::span<const std::byte> message, const SigningKey& key);
    Secret expanded_;  // seed and public key, as libsodium keeps them
    PublicKey public_key_;
};

/// Signs "countersign/<kind>/v1" || 0x00 || BLAKE2b-256(bytes).
Signature sign(SignatureKind kind, std::span<const std::byte> bytes, const SigningKey& key);
/// True when `signature` is that of `public_key` over exactly these bytes, as this kind.
bool verify(SignatureKind kind,
            std::span<const std::byte> bytes,
            const Signature& signature,
            std::span<const std::byte, 32> public_key);

/// Ed25519 of the message itself, for formats that fix what is signed (JWS, RFC 8037).
Signature sign_raw(std::span<const std::byte> message, const SigningKey& key);
bool verify_raw(std::span<const std::byte> message,
                const Signature& signature,
                std::span<const std::byte, 32> public_key);

}  // namespace countersign::sealing
