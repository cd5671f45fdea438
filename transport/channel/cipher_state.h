#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "countersign/error.h"
#include "countersign/secret.h"

namespace countersign::channel {

/// Size of a cipher key, of a pre-shared key, and of both halves of an X25519 key pair (DHLEN).
inline constexpr std::size_t key_size = 32;
/// By how much a ciphertext is longer than its plaintext.
inline constexpr std::size_t tag_size = 16;
/// The largest Noise message, handshake or transport (specification section 3).
inline constexpr std::size_t max_message_size = 65'535;

/// The CipherState of the Noise specification (section 5.1) for ChaChaPoly: one key and the nonce
/// that counts up under it. Unlike there it always has a key; a SymmetricState without one holds
/// no CipherState. Nonce 2^64-1 is reserved for `rekey` and never used for a message.
class CipherState {
  public:
    /// `key` has `key_size` bytes.
    explicit CipherState(Secret key);

    /// The nonce of the next message: how many there were, unless `set_nonce` moved it.
    std::uint64_t nonce() const noexcept { return nonce_; }
    void set_nonce(std::uint64_t nonce) noexcept { nonce_ = nonce; }

    /// `ciphertext` has room for exactly `plaintext.size() + tag_size` bytes, and may begin where
    /// `plaintext` begins. Errors: errc::limit_reached when the nonces are used up; nothing is
    /// written then.
    Result<void> encrypt_with_ad(std::span<const std::byte> associated,
                                 std::span<const std::byte> plaintext,
                                 std::span<std::byte> ciphertext);
    /// `plaintext` has room for exactly `ciphertext.size() - tag_size` bytes, which are zeroed when
    /// the tag does not match. The nonce moves only on success.
    /// Errors: errc::malformed (no match, or shorter than a tag), errc::limit_reached.
    Result<void> decrypt_with_ad(std::span<const std::byte> associated,
                                 std::span<const std::byte> ciphertext,
                                 std::span<std::byte> plaintext);
    /// Replaces the key by one that does not lead back to it (section 11.3). The nonce stays.
    void rekey();

  private:
    Secret key_;
    std::uint64_t nonce_ = 0;
};

}  // namespace countersign::channel
