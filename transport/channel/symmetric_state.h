#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "countersign/error.h"
#include "countersign/secret.h"

#include "channel/cipher_state.h"

namespace countersign::channel {

/// HASHLEN of SHA-512.
inline constexpr std::size_t hash_size = 64;
using Hash = std::array<std::byte, hash_size>;

/// The SymmetricState of the Noise specification (section 5.2) for ChaChaPoly and SHA512: the
/// chaining key, the hash of all that was said, and a key once there is one.
class SymmetricState {
  public:
    explicit SymmetricState(std::string_view protocol_name);

    void mix_key(std::span<const std::byte> input_key_material);
    void mix_hash(std::span<const std::byte> data);
    void mix_key_and_hash(std::span<const std::byte> input_key_material);
    const Hash& handshake_hash() const noexcept { return hash_; }
    bool has_key() const noexcept { return cipher_.has_value(); }
    /// By how much `encrypt_and_hash` lengthens what it is given now.
    std::size_t overhead() const noexcept { return has_key() ? tag_size : 0; }

    /// Before there is a key, both give back what they were given, and hash it.
    /// Errors: those of CipherState; the hash then stays as it was.
    Result<std::vector<std::byte>> encrypt_and_hash(std::span<const std::byte> plaintext);
    Result<std::vector<std::byte>> decrypt_and_hash(std::span<const std::byte> ciphertext);

    /// The keys of the transport phase: the initiator sends with the first, the responder with the
    /// second.
    std::pair<CipherState, CipherState> split() &&;

  private:
    Secret chaining_key_;
    Hash hash_{};
    std::optional<CipherState> cipher_;
};

}  // namespace countersign::channel
