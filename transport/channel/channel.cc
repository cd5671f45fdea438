#include "channel/channel.h"

#include <cassert>
#include <utility>

namespace countersign::channel {
namespace {

constexpr SizeBounds message_1_bounds = {ikpsk2_overhead_1,
                                         ikpsk2_overhead_1 + max_handshake_payload};
constexpr SizeBounds message_2_bounds = {ikpsk2_overhead_2,
                                         ikpsk2_overhead_2 + max_handshake_payload};
constexpr SizeBounds transport_bounds = {tag_size + sizeof(Kind), max_message_size};

Error out_of_place(const char* what) {
    return Error(errc::malformed, what);
}

bool within(std::span<const std::byte> message, SizeBounds bounds) {
    return message.size() >= bounds.least && message.size() <= bounds.most;
}

Error payload_too_large() {
    return Error(errc::too_large, "a handshake message carries at most 1,024 bytes");
}

}  // namespace

Channel::Channel(Role role, Identity identity, const Options& options, Instant now)
    : role_(role),
      identity_(std::move(identity)),
      options_(options),
      phase_(role == Role::initiator ? Phase::expecting_2 : Phase::expecting_1),
      give_up_at_(now + options.handshake_deadline),
      session_since_(now) {
    assert(identity_.static_key);
}

Result<Channel> Channel::initiate(Identity identity,
                                  const ChannelKey& responder,
                                  const Offer& offer,
                                  const Options& options,
                                  Instant now) {
    Channel channel(Role::initiator, std::move(identity), options, now);
    channel.peer_ = responder;
    std::vector<std::byte> message;
    const auto written = channel.write_handshake_1(offer, message);
    if (!written) return written.error();
    append_message(channel.unsent_, message);
    return channel;
}

Channel Channel::respond(Identity identity, const Options& options, Instant now) {
    Channel channel(Role::responder, std::move(identity), options, now);
    channel.begin_handshake();
    return channel;
}

SizeBounds Channel::bounds() const noexcept {
    if (phase_ == Phase::expecting_1) return message_1_bounds;
    if (phase_ == Phase::expecting_2) return message_2_bounds;
    return transport_bounds;
}

/// Wire version, most significant byte first; pool id; of a renewal, the hash of the session that
/// it replaces.
std::vector<std::byte> Channel::prologue() const {
    const auto version = value(identity_.wire_version);
    std::vector<std::byte> bytes = {static_cast<std::byte>(version >> 8),
                                    static_cast<std::byte>(version)};
    bytes.insert(bytes.end(), identity_.pool.bytes.begin(), identity_.pool.bytes.end());
    if (session_) {
        const Hash& hash = session_->handshake_hash();
        bytes.insert(bytes.end(), hash.begin(), hash.end());
    }
    return bytes;
}

void Channel::begin_handshake() {
    const auto known = role_ == Role::initiator ? peer_ : std::nullopt;
    handshake_.emplace(ikpsk2, role_, prologue(), identity_.static_key, known);
}

Result<void> Channel::write_handshake_1(const Offer& offer, std::vector<std::byte>& message) {
    if (offer.payload.size() > max_handshake_payload) return payload_too_large();
    begin_handshake();
    handshake_->set_ephemeral(offer.ephemeral);
    handshake_->set_psk(offer.psk);
    auto written = handshake_->write_message(offer.payload);
    if (!written) return written.error();
    message = std::move(*written);
    return {};
}

/// Assigning wipes the keys of the session before.
void Channel::adopt_session(Instant now) {
    session_ = std::move(*handshake_).split();
    handshake_.reset();
    session_since_ = now;
}

std::optional<Instant> Channel::deadline() const {
    if (phase_ == Phase::closed) return std::nullopt;
    if (phase_ != Phase::open || renewal_ != Renewal::none) return give_up_at_;
    const Instant due = session_since_ + options_.session_age;
    return role_ == Role::initiator ? due : due + options_.renewal_deadline;
}

void Channel::consider_renewal(Instant now) {
    if (role_ != Role::initiator || phase_ != Phase::open || renewal_ != Renewal::none) return;
    const bool old = now >= session_since_ + options_.session_age;
    const bool used_up = session_->messages() >= options_.session_messages;
    if (!old && !used_up) return;
    renewal_ = Renewal::due;
    give_up_at_ = now + options_.renewal_deadline;
    actions_.emplace_back(RenewalDue{});
}

void Channel::on_time(Instant now) {
    consider_renewal(now);
    const auto at = deadline();
    if (!at || now < *at) return;
    close(phase_ == Phase::open
              ? Error(errc::timed_out, "the channel's keys were not renewed in time; connect again")
              : Error(errc::timed_out, "the channel's handshake took too long; connect again"));
}

void Channel::on_bytes(std::span<const std::byte> bytes, Instant now) {
    on_time(now);
    while (phase_ != Phase::closed && !bytes.empty()) {
        if (phase_ == Phase::deciding) {
            return close(out_of_place("the initiator went on before it had an answer"));
        }
        const auto message = reader_.feed(bytes, bounds());
        if (!message) return close(message.error());
        if (!*message) return;
        const auto done = on_message(**message, now);
        if (!done) return close(done.error());
    }
}

Result<void> Channel::on_message(std::span<const std::byte> message, Instant now) {
    if (phase_ == Phase::expecting_1) return on_first_1(message);
    if (phase_ == Phase::expecting_2) return on_first_2(message, now);
    return on_transport(message, now);
}

Result<void> Channel::on_first_1(std::span<const std::byte> message) {
    auto payload = handshake_->read_message(message);
    if (!payload) return payload.error();
    peer_ = handshake_->remote_static();
    phase_ = Phase::deciding;
    actions_.emplace_back(PeerKnown{.static_key = *peer_, .payload = std::move(*payload)});
    return {};
}

Result<void> Channel::on_first_2(std::span<const std::byte> message, Instant now) {
    auto payload = handshake_->read_message(message);
    if (!payload) return payload.error();
    adopt_session(now);
    phase_ = Phase::open;
    actions_.emplace_back(
        Established{.payload = std::move(*payload), .handshake_hash = session_->handshake_hash()});
    return {};
}

Result<void> Channel::on_transport(std::span<const std::byte> message, Instant now) {
    std::vector<std::byte> plaintext(message.size() - tag_size);
    Session& session = retiring_ ? *retiring_ : *session_;
    auto read = session.read_message(message, plaintext);
    if (!read) return read;
    if (phase_ == Phase::unconfirmed) {
        phase_ = Phase::open;
        actions_.emplace_back(
            Established{.payload = {}, .handshake_hash = session_->handshake_hash()});
    }
    const auto contents = std::span<const std::byte>(plaintext).subspan(sizeof(Kind));
    Result<void> done = out_of_place("a message of the channel is of a kind that does not exist");
    switch (const auto kind = static_cast<Kind>(plaintext.front())) {
        case Kind::frame:
        case Kind::more:
            done = on_part(kind, contents);
            break;
        case Kind::handshake_1:
            done = on_renewal_1(contents, now);
            break;
        case Kind::handshake_2:
            done = on_renewal_2(contents, now);
            break;
        case Kind::switch_keys:
            done = on_switch(contents);
            break;
    }
    if (done) consider_renewal(now);
    return done;
}

Result<void> Channel::on_part(Kind kind, std::span<const std::byte> contents) {
    auto frame = assembler_.add(kind, contents);
    if (!frame) return frame.error();
    if (*frame) actions_.emplace_back(Deliver{std::move(**frame)});
    return {};
}

Result<void> Channel::on_renewal_1(std::span<const std::byte> message, Instant now) {
    if (role_ != Role::responder || renewal_ != Renewal::none ||
        !within(message, message_1_bounds)) {
        return out_of_place("a renewal of the channel began where it may not");
    }
    begin_handshake();
    auto payload = handshake_->read_message(message);
    if (!payload) return payload.error();
    if (handshake_->remote_static() != peer_) {
        return Error(errc::handshake_failed, "the channel was renewed with another static key");
    }
    renewal_ = Renewal::deciding;
    give_up_at_ = now + options_.renewal_deadline;
    actions_.emplace_back(
        PeerKnown{.static_key = *peer_, .payload = std::move(*payload), .renewal = true});
    return {};
}

Result<void> Channel::on_renewal_2(std::span<const std::byte> message, Instant now) {
    if (renewal_ != Renewal::asked || !within(message, message_2_bounds)) {
        return out_of_place("a renewal of the channel was answered that was not asked for");
    }
    auto payload = handshake_->read_message(message);
    if (!payload) return payload.error();
    auto sent = append_transport(unsent_, *session_, Kind::switch_keys, {}, {});
    if (!sent) return sent;
    adopt_session(now);
    renewal_ = Renewal::none;
    actions_.emplace_back(Established{.payload = std::move(*payload),
                                      .handshake_hash = session_->handshake_hash(),
                                      .renewal = true});
    return {};
}

Result<void> Channel::on_switch(std::span<const std::byte> contents) {
    if (renewal_ != Renewal::switching || !contents.empty()) {
        return out_of_place("the channel's keys were switched where they may not");
    }
    retiring_.reset();
    renewal_ = Renewal::none;
    actions_.emplace_back(
        Established{.payload = {}, .handshake_hash = session_->handshake_hash(), .renewal = true});
    return {};
}

Result<void> Channel::accept(const Offer& offer, Instant now) {
    on_time(now);
    if (phase_ == Phase::closed) return errc::link_closed;
    const bool first = phase_ == Phase::deciding;
    assert(first || renewal_ == Renewal::deciding);
    if (offer.payload.size() > max_handshake_payload) return payload_too_large();
    handshake_->set_ephemeral(offer.ephemeral);
    handshake_->set_psk(offer.psk);
    const auto message = handshake_->write_message(offer.payload);
    Result<void> done;
    if (!message) {
        done = message.error();
    } else if (first) {
        append_message(unsent_, *message);
        phase_ = Phase::unconfirmed;
    } else {
        done = append_transport(unsent_, *session_, Kind::handshake_2, {}, *message);
        session_->end_sending();
        retiring_ = std::move(session_);
        renewal_ = Renewal::switching;
        give_up_at_ = now + options_.renewal_deadline;
    }
    if (!done) {
        close(done.error());
        return done;
    }
    adopt_session(now);
    return done;
}

Result<void> Channel::renew(const Offer& offer, Instant now) {
    on_time(now);
    if (phase_ == Phase::closed) return errc::link_closed;
    assert(renewal_ == Renewal::due);
    if (offer.payload.size() > max_handshake_payload) return payload_too_large();
    std::vector<std::byte> message;
    auto done = write_handshake_1(offer, message);
    if (done) done = append_transport(unsent_, *session_, Kind::handshake_1, {}, message);
    if (!done) {
        close(done.error());
        return done;
    }
    renewal_ = Renewal::asked;
    return done;
}

Result<void> Channel::send(std::span<const std::byte> frame, Instant now) {
    on_time(now);
    if (phase_ == Phase::closed) return errc::link_closed;
    assert(phase_ == Phase::open && "no frame before Established");
    if (frame.size() > max_frame_size) {
        return Error(errc::too_large, "a frame of the channel holds at most 9 MiB");
    }
    const std::size_t size = stream_size(frame.size());
    if (size > max_unsent - unsent_.size()) {
        return Error(errc::overloaded, "too many bytes of this link wait to be sent");
    }
    unsent_.reserve(unsent_.size() + size);
    auto done = append_frame(unsent_, *session_, frame);
    if (!done) {
        close(done.error());
        return done;
    }
    consider_renewal(now);
    return done;
}

void Channel::close(Error reason) {
    if (phase_ == Phase::closed) return;
    phase_ = Phase::closed;
    handshake_.reset();
    session_.reset();
    retiring_.reset();
    reader_ = {};
    assembler_ = {};
    actions_.emplace_back(Close{std::move(reason)});
}

std::optional<Action> Channel::poll() {
    if (!unsent_.empty()) return Send{std::exchange(unsent_, {})};
    if (!actions_.empty()) {
        Action action = std::move(actions_.front());
        actions_.pop_front();
        return action;
    }
    const auto at = deadline();
    if (!at || at == announced_) return std::nullopt;
    announced_ = at;
    return WakeAt{*at};
}

}  // namespace countersign::channel
