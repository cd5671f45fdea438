#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "countersign/error.h"
#include "countersign/ids.h"
#include "countersign/secret.h"

#include "channel/cipher_state.h"
#include "channel/session.h"
#include "channel/symmetric_state.h"

namespace countersign::channel {

/// The public half of an X25519 key pair.
using ChannelKey = Id<struct ChannelKeyTag, key_size>;

/// An X25519 key pair (RFC 7748).
struct KeyPair {
    Secret private_key;
    ChannelKey public_key;

    /// Any `key_size` random bytes are a private key.
    static KeyPair from_private(Secret random_bytes);
};

enum class Role : std::uint8_t { initiator, responder };

/// The tokens of section 7.1, and `psk` of section 9.
enum class Token : std::uint8_t { e, s, ee, es, se, ss, psk };

/// A handshake pattern of section 7. `messages` alternate, the initiator's first.
struct HandshakePattern {
    std::string_view name;         ///< as in the protocol name, modifiers included
    bool initiator_known = false;  ///< pre-message "-> s"
    bool responder_known = false;  ///< pre-message "<- s"
    std::span<const std::span<const Token>> messages;
};

/// The pattern of every link: <- s ... -> e, es, s, ss <- e, ee, se, psk.
extern const HandshakePattern ikpsk2;
/// What the two messages of IKpsk2 are longer than their payloads.
inline constexpr std::size_t ikpsk2_overhead_1 = key_size + (key_size + tag_size) + tag_size;
inline constexpr std::size_t ikpsk2_overhead_2 = key_size + tag_size;

/// The HandshakeState of the Noise specification (section 5.3), over 25519, ChaChaPoly and SHA512.
/// Draws no randomness: the ephemeral key and the pre-shared keys are given just before the
/// message that needs them, so that a responder of IKpsk2 can choose the psk by what message 1
/// said. A message that cannot be read or written ends the handshake: its keys are wiped, nothing
/// that the message claimed can be asked for, and every later call is errc::handshake_failed.
/// To call out of turn, or without a key that the pattern needs, is a programmer's error.
class HandshakeState {
  public:
    /// `prologue` is hashed only; both sides must give the same. `static_key` and `remote_static`
    /// are needed where the pattern says so. `pattern` outlives this object.
    HandshakeState(const HandshakePattern& pattern,
                   Role role,
                   std::span<const std::byte> prologue,
                   std::shared_ptr<const KeyPair> static_key,
                   const std::optional<ChannelKey>& remote_static);

    /// `random_bytes` are fresh: they are never used for another handshake.
    void set_ephemeral(const Secret& random_bytes);
    /// The key of the next psk token. A pattern with several takes them one after another.
    void set_psk(const Secret& psk);

    /// Errors: errc::too_large (the payload does not fit in max_message_size; nothing has
    /// happened), errc::handshake_failed (a Diffie-Hellman result was all zero: the peer's key is
    /// a point of low order).
    Result<std::vector<std::byte>> write_message(std::span<const std::byte> payload);
    /// Gives the payload. Errors: errc::handshake_failed, whatever is wrong with `message`.
    Result<std::vector<std::byte>> read_message(std::span<const std::byte> message);

    /// Whether the next call is `write_message`.
    bool my_turn() const noexcept;
    /// All messages are written and read: `split` may be called.
    bool complete() const noexcept;
    /// The peer's static key, once known: given, or from a message that was read whole.
    const std::optional<ChannelKey>& remote_static() const noexcept { return remote_static_; }

    /// Ends the handshake and begins the transport phase.
    Session split() &&;

  private:
    std::span<const Token> tokens() const { return pattern_->messages[next_message_]; }
    std::size_t overhead() const;
    void mix_ephemeral(const ChannelKey& key);
    Result<void> mix_dh(Token token);
    void mix_psk();
    Result<void> write_tokens(std::vector<std::byte>& message);
    Result<void> read_tokens(std::span<const std::byte>& message);
    void wipe() noexcept;
    Error fail();

    const HandshakePattern* pattern_;
    Role role_;
    bool has_psk_;
    std::size_t next_message_ = 0;
    std::optional<SymmetricState> symmetric_;  // none once the handshake has failed
    std::shared_ptr<const KeyPair> static_key_;
    std::optional<KeyPair> ephemeral_;
    std::optional<ChannelKey> remote_static_;
    std::optional<ChannelKey> remote_ephemeral_;
    std::vector<Secret> psks_;  // in the order of their tokens; used ones are empty
    std::size_t next_psk_ = 0;
};

}  // namespace countersign::channel
