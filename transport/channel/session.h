#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "countersign/error.h"

#include "channel/cipher_state.h"
#include "channel/symmetric_state.h"

namespace countersign::channel {

/// What a transport message can carry at most.
inline constexpr std::size_t max_payload_size = max_message_size - tag_size;

/// The transport phase of the Noise specification: one CipherState for each direction. Messages
/// are read in the order in which the peer wrote them. One that does not decrypt ends the session:
/// its keys are wiped, and every later call is errc::link_closed.
class Session {
  public:
    Session(CipherState sending, CipherState receiving, const Hash& handshake_hash);

    /// `message` has room for exactly `payload.size() + tag_size` bytes, and may begin where
    /// `payload` begins. Errors: errc::too_large (above max_payload_size; the session lives on),
    /// errc::limit_reached (nonces used up; the session has ended), errc::link_closed.
    Result<void> write_message(std::span<const std::byte> payload, std::span<std::byte> message);
    /// `payload` has room for exactly `message.size() - tag_size` bytes, zeroed on failure.
    /// Errors: errc::malformed (shorter than a tag, longer than max_message_size, or not the
    /// peer's next message), errc::limit_reached, errc::link_closed; all end the session.
    Result<void> read_message(std::span<const std::byte> message, std::span<std::byte> payload);

    /// Rekey of section 11.3; the peer does the same to its other half between the same messages.
    void rekey_sending();
    void rekey_receiving();

    /// Wipes the key of one direction, when a newer session has taken it over.
    void end_sending() noexcept { sending_.reset(); }
    void end() noexcept;

    /// Unique to this session, the same at both ends: a value to bind other proofs to.
    const Hash& handshake_hash() const noexcept { return handshake_hash_; }
    /// Messages written and read.
    std::uint64_t messages() const noexcept { return messages_; }

  private:
    std::optional<CipherState> sending_;
    std::optional<CipherState> receiving_;
    Hash handshake_hash_;
    std::uint64_t messages_ = 0;
};

}  // namespace countersign::channel
