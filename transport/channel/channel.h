#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <variant>
#include <vector>

#include "countersign/error.h"
#include "countersign/ids.h"
#include "countersign/secret.h"
#include "countersign/time.h"

#include "channel/framing.h"
#include "channel/handshake_state.h"
#include "channel/session.h"

namespace countersign::channel {

/// The format of the stream, hashed into every handshake: sides that name different versions do
/// not understand each other. Releases that speak several agree on one in the handshake payloads.
enum class WireVersion : std::uint16_t {};

/// Limits of time and use. Shorter sessions cost handshakes (four X25519 products a side); longer
/// ones leave more traffic open to whoever takes a node's memory.
struct Options {
    /// From the first byte to `Established`. Shorter gives up on slow networks; longer lets
    /// strangers hold a connection open.
    milliseconds handshake_deadline{10'000};
    /// Age at which the initiator renews the session.
    milliseconds session_age{120'000};
    /// Messages, of both directions, after which the initiator renews the session.
    std::uint64_t session_messages = std::uint64_t{1} << 20;
    /// How long after it fell due a renewal may take, in the queue behind other data. Shorter
    /// breaks links that are slower than their queues; longer lets a peer put renewal off.
    milliseconds renewal_deadline{600'000};
};

/// Who this side is, for all handshakes of a link.
struct Identity {
    WireVersion wire_version;
    PoolId pool;
    std::shared_ptr<const KeyPair> static_key;
};

/// What this side brings to one handshake.
struct Offer {
    Secret ephemeral;                ///< `key_size` random bytes, drawn for this handshake alone
    Secret psk;                      ///< `key_size` bytes
    std::vector<std::byte> payload;  ///< at most max_handshake_payload bytes
};

/// Bytes for the stream, after all earlier ones.
struct Send {
    std::vector<std::byte> bytes;
};
/// A frame that the peer sent, whole.
struct Deliver {
    std::vector<std::byte> frame;
};
/// To the responder: message 1 was read. Answer with `accept`, or with `close` (which tells the
/// peer nothing). The first one can be a replay, by someone who does not hold `static_key`, of
/// what its owner once said: let it change nothing.
struct PeerKnown {
    ChannelKey static_key;
    std::vector<std::byte> payload;
    bool renewal = false;  ///< of an open channel; frames go on meanwhile
};
/// Both sides have proved their keys; from the first one on, `send` may be called.
struct Established {
    std::vector<std::byte> payload;  ///< of message 2; empty at the responder, who wrote it
    Hash handshake_hash;
    bool renewal = false;
};
/// To the initiator: the session is old. Answer with `renew`, or with `close`.
struct RenewalDue {};
/// Call `on_time` at that time. Takes the place of an earlier one.
struct WakeAt {
    Instant at;
};
/// The last action: nothing more will come; close the stream once what was sent is written.
struct Close {
    Error reason;
};
using Action = std::variant<Send, Deliver, PeerKnown, Established, RenewalDue, WakeAt, Close>;

enum class Phase : std::uint8_t {
    expecting_1,  ///< responder: nothing has come yet
    deciding,     ///< responder: PeerKnown is given, `accept` or `close` is due
    expecting_2,  ///< initiator: message 1 is sent
    unconfirmed,  ///< responder: message 2 is sent; the initiator has not yet used the session
    open,         ///< frames go both ways
    closed,
};

/// One side of a link's encrypted channel: Noise_IKpsk2_25519_ChaChaPoly_SHA512 over an ordered
/// byte stream. Owns no socket, clock or randomness: give it events, then drain poll().
///
/// The handshake:
///  1. The initiator, who knows the responder's static key, sends Noise message 1.
///  2. The responder reads it and gives PeerKnown: the initiator's static key and payload.
///  3. Its owner picks the psk by these and calls `accept`, which sends message 2; or it closes.
///  4. The initiator reads message 2 and gives Established: it may send frames.
///  5. The responder gives Established when the initiator's first transport message has come,
///     which proves that message 1 was no replay. Before that it sends no frame.
///
/// A renewal replaces the keys within the stream. Its messages are transport messages themselves,
/// sealed in their place among the frames, so that nobody else can begin, replay or reorder one.
/// Since each direction is ordered, it has one key at any place, and no message is tried with two:
///  1. The initiator finds its session too old, gives RenewalDue, and sends `handshake_1` when
///     `renew` is called. Frames go on both ways under the old keys.
///  2. The responder reads it, requires the static key of the first handshake, and gives PeerKnown.
///     Frames go on.
///  3. On `accept` it sends `handshake_2`, its last message under the old keys, and wipes the key
///     that it sent with. All that it sends afterwards is under the new keys. It goes on reading
///     with the old key what the initiator has under way.
///  4. The initiator reads `handshake_2`. All that it reads afterwards is under the new keys. It
///     sends `switch_keys`, its last message under the old keys, wipes both of these, and gives
///     Established. All that it sends afterwards is under the new keys.
///  5. The responder reads `switch_keys`, wipes the last old key, and gives Established. All that
///     it reads afterwards is under the new keys.
/// A frame may have parts on both sides of a switch. The handshake hash of the old session is part
/// of the new one's prologue.
///
/// Anything unexpected closes the channel: keys are wiped, events change nothing any more, and
/// what was not delivered whole never is. Buffers are bounded: one message and one frame inwards,
/// max_unsent outwards.
class Channel {
  public:
    /// `responder` is the static key that the other side must have.
    /// Errors: errc::too_large (payload), errc::handshake_failed (no key can be agreed with it).
    static Result<Channel> initiate(Identity identity,
                                    const ChannelKey& responder,
                                    const Offer& offer,
                                    const Options& options,
                                    Instant now);
    static Channel respond(Identity identity, const Options& options, Instant now);

    /// Bytes of the stream, cut anywhere. Takes all of them.
    void on_bytes(std::span<const std::byte> bytes, Instant now);
    void on_time(Instant now);

    /// Answers PeerKnown. Errors: errc::too_large (payload), errc::link_closed.
    Result<void> accept(const Offer& offer, Instant now);
    /// Answers RenewalDue. Errors: errc::too_large (payload), errc::link_closed.
    Result<void> renew(const Offer& offer, Instant now);

    /// Seals a frame for the peer; not before the first Established. Errors: errc::too_large
    /// (above max_frame_size), errc::overloaded (max_unsent would be passed: drain poll() first),
    /// errc::link_closed. Nothing of the frame is sent then.
    Result<void> send(std::span<const std::byte> frame, Instant now);
    /// Ends the channel after what is already sealed; the peer is not told why.
    void close(Error reason);

    /// What to do next, in order; empty: waiting for an event.
    std::optional<Action> poll();

    Phase phase() const noexcept { return phase_; }
    /// The peer's static key, once `PeerKnown` (responder) or from the start (initiator).
    const std::optional<ChannelKey>& peer() const noexcept { return peer_; }

    /// Sealed bytes that may wait for poll().
    static constexpr std::size_t max_unsent = std::size_t{32} << 20;

  private:
    enum class Renewal : std::uint8_t { none, due, asked, deciding, switching };

    Channel(Role role, Identity identity, const Options& options, Instant now);
    SizeBounds bounds() const noexcept;
    std::vector<std::byte> prologue() const;
    void begin_handshake();
    Result<void> write_handshake_1(const Offer& offer, std::vector<std::byte>& message);
    void adopt_session(Instant now);
    std::optional<Instant> deadline() const;
    void consider_renewal(Instant now);

    Result<void> on_message(std::span<const std::byte> message, Instant now);
    Result<void> on_first_1(std::span<const std::byte> message);
    Result<void> on_first_2(std::span<const std::byte> message, Instant now);
    Result<void> on_transport(std::span<const std::byte> message, Instant now);
    Result<void> on_part(Kind kind, std::span<const std::byte> contents);
    Result<void> on_renewal_1(std::span<const std::byte> message, Instant now);
    Result<void> on_renewal_2(std::span<const std::byte> message, Instant now);
    Result<void> on_switch(std::span<const std::byte> contents);

    Role role_;
    Identity identity_;
    Options options_;
    Phase phase_;
    Renewal renewal_ = Renewal::none;
    Instant give_up_at_;  // of the handshake, or of the renewal that is under way
    std::optional<ChannelKey> peer_;
    std::optional<HandshakeState> handshake_;
    std::optional<Session> session_;
    std::optional<Session> retiring_;  // responder, between handshake_2 and switch_keys: reads
    Instant session_since_;
    MessageReader reader_;
    FrameAssembler assembler_;
    std::vector<std::byte> unsent_;
    std::deque<Action> actions_;
    std::optional<Instant> announced_;  // the last WakeAt
};

}  // namespace countersign::channel
