#include "countersign/link.h"

#include <algorithm>
#include <deque>
#include <utility>

#include "channel/channel.h"
#include "protocol/conversation.h"
#include "wire/decode.h"
#include "wire/encode.h"

namespace countersign {
namespace {

constexpr channel::WireVersion wire_version{1};

/// Frames that carry keys are kept no longer than needed.
void wipe(Bytes& bytes) {
    volatile std::byte* first = bytes.data();
    for (std::size_t i = 0; i < bytes.size(); ++i) first[i] = std::byte{};
    bytes.clear();
}

channel::Options channel_options(const LinkOptions& options) {
    return {.handshake_deadline = options.handshake_deadline,
            .session_age = options.session_age,
            .session_messages = options.session_messages,
            .renewal_deadline = options.renewal_deadline};
}

channel::Identity channel_identity(const LinkIdentity& identity) {
    return {.wire_version = wire_version,
            .pool = identity.pool,
            .static_key = std::make_shared<channel::KeyPair>(
                channel::KeyPair{.private_key = identity.channel_private_key->clone(),
                                 .public_key = {identity.channel_key.bytes}})};
}

channel::Offer offer(LinkStore& store, Secret psk, std::optional<InvitationId> invitation) {
    Secret ephemeral = Secret::of_size(channel::key_size);
    store.random(ephemeral.writable());
    return {.ephemeral = std::move(ephemeral),
            .psk = std::move(psk),
            .payload = wire::encode(wire::Opening{value(wire_version), invitation})};
}

}  // namespace

/// Joins the channel and the conversation: frames of the one are frames of the other.
class Link::Impl {
  public:
    Impl(std::shared_ptr<LinkStore> store,
         std::shared_ptr<LinkTable> table,
         const LinkOptions& options,
         protocol::Terms terms,
         channel::Channel channel,
         Now now)
        : store_(std::move(store)),
          table_(std::move(table)),
          options_(options),
          terms_(std::move(terms)),
          link_(terms_.link),
          channel_(std::move(channel)),
          now_(now) {
        pump();
    }
    ~Impl() { table_->leave(link_); }

    void on_bytes(BytesView bytes, Now now) {
        if (!begin(now)) return;
        if (conversation_) conversation_->on_heard(now);
        channel_.on_bytes(bytes, now.monotonic);
        pump();
    }
    void on_sent(std::size_t bytes) { unsent_ -= std::min(bytes, unsent_); }
    void on_time(Now now) {
        if (!begin(now)) return;
        channel_.on_time(now.monotonic);
        if (conversation_) conversation_->on_time(now);
        pump();
    }
    void on_commit(Now now) {
        if (!begin(now) || !conversation_) return;
        conversation_->on_commit(now);
        pump();
    }
    void on_done(std::uint64_t task, Now now) {
        if (!begin(now) || !conversation_) return;
        conversation_->on_done(task, now);
        pump();
    }
    void on_closed(Error reason) {
        if (ended_ || leaving()) return;
        const bool early = !conversation_ && reason == errc::link_closed;
        end(early ? Error(errc::handshake_failed,
                          "the other side hung up: it may not know this node, or its invitation")
                  : std::move(reason),
            true);
    }
    void close(Error reason, Now now) {
        if (!begin(now)) return;
        if (conversation_) {
            conversation_->close(reason);
        } else {
            channel_.close(std::move(reason));
        }
        pump();
    }

    std::optional<LinkAction> poll() {
        if (!actions_.empty()) {
            LinkAction action = std::move(actions_.front());
            actions_.pop_front();
            return action;
        }
        if (ended_) return std::nullopt;
        std::optional<Instant> at = channel_wake_;
        const auto other = conversation_ ? conversation_->deadline() : std::nullopt;
        if (other && (!at || *other < *at)) at = other;
        if (!at || at == announced_) return std::nullopt;
        announced_ = at;
        return WakeLink{*at};
    }

    LinkStatus status() const {
        if (conversation_) return conversation_->status();
        return {.peer = terms_.peer.node, .name = terms_.peer.name};
    }
    LinkTable::LinkId id() const noexcept { return link_; }

  private:
    /// Whether there is still a link to tell. A clock that was set ends it: what both sides have
    /// said about times no longer holds.
    bool begin(Now now) {
        if (ended_) return false;
        const auto wall = now.wall - now_.wall;
        const auto passed =
            std::chrono::duration_cast<milliseconds>(now.monotonic - now_.monotonic);
        now_ = now;
        const auto jump = wall > passed ? wall - passed : passed - wall;
        if (jump <= options_.clock_jump_limit) return true;
        end(Error(errc::link_closed, "the wall clock was set; links are made anew"), true);
        return false;
    }

    void end(Error reason, bool reconnect) {
        if (ended_) return;
        ended_ = true;
        table_->leave(link_);
        channel_.close(errc::link_closed);
        actions_.emplace_back(CloseLink{.reason = std::move(reason), .reconnect = reconnect});
    }

    /// One frame of the conversation at a time goes through the channel, which then is emptied.
    void pump() {
        while (!ended_) {
            if (auto action = channel_.poll()) {
                std::visit([this](auto&& one) { take(std::move(one)); }, std::move(*action));
                continue;
            }
            auto action = conversation_ ? conversation_->poll() : std::nullopt;
            if (!action) return;
            std::visit([this](auto&& one) { take(std::move(one)); }, std::move(*action));
        }
    }

    // What the channel wants.

    void take(channel::Send&& send) {
        unsent_ += send.bytes.size();
        actions_.emplace_back(SendBytes{std::move(send.bytes)});
        if (unsent_ > options_.unsent_limit) {
            end(Error(errc::overloaded, "the peer does not read what it asks for"), true);
        }
    }
    void take(channel::Deliver&& deliver) {
        const bool secret = joining();
        conversation_->on_frame(deliver.frame, now_);
        if (secret) wipe(deliver.frame);
    }
    void take(channel::PeerKnown&& peer) {
        auto psk = admit_peer(peer);
        if (!psk) return channel_.close(psk.error());
        const auto accepted =
            channel_.accept(offer(*store_, std::move(*psk), std::nullopt), now_.monotonic);
        if (!accepted) channel_.close(accepted.error());
    }
    void take(channel::Established&& established) {
        if (established.renewal) return;
        conversation_.emplace(store_, table_, options_, terms_, now_);
    }
    void take(channel::RenewalDue&&) {
        renewal_due_ = true;
        renew();
    }
    /// A joiner has no psk for it before it is admitted; then the renewal waits for that.
    void renew() {
        if (!renewal_due_ || joining()) return;
        renewal_due_ = false;
        auto psk = store_->member_psk();
        if (!psk) return channel_.close(psk.error());
        const auto renewed =
            channel_.renew(offer(*store_, std::move(*psk), std::nullopt), now_.monotonic);
        if (!renewed) channel_.close(renewed.error());
    }
    void take(channel::WakeAt&& wake) { channel_wake_ = wake.at; }
    void take(channel::Close&& close) { end(std::move(close.reason), true); }

    /// By which psk the peer may come in, if at all. Its first message may be a replay: nothing is
    /// written here.
    Result<Secret> admit_peer(const channel::PeerKnown& peer) {
        const auto opening = wire::decode_opening(peer.payload);
        if (!opening) return opening.error();
        if (opening->wire_version != value(wire_version)) {
            return Error(errc::unsupported_version, "the peer speaks another wire version");
        }
        const ChannelPublicKey key{peer.static_key.bytes};
        const Peer known = store_->find_peer(key);
        const bool member = known.standing == Peer::Standing::member;
        if (peer.renewal) {
            if (!member) return Error(errc::not_a_member, "the peer is no member any more");
            return store_->member_psk();
        }
        terms_.peer_key = key;
        terms_.peer = known;
        if (opening->invitation) {
            terms_.as = protocol::Terms::As::host;
            return store_->invitation_psk(*opening->invitation, key);
        }
        if (known.standing == Peer::Standing::unknown) {
            return Error(errc::handshake_failed, "no member holds the peer's channel key");
        }
        terms_.as = member ? protocol::Terms::As::member : protocol::Terms::As::usher;
        return store_->member_psk();
    }

    /// The store is being told the peer's last word; the stream is needed no more.
    bool leaving() const {
        return conversation_ && conversation_->phase() == protocol::Conversation::Phase::leaving;
    }
    bool joining() const { return terms_.as == protocol::Terms::As::joiner && !joined_; }

    // What the conversation wants.

    void take(protocol::SendFrame&& send) {
        const auto sent = channel_.send(send.frame, now_.monotonic);
        if (send.secret) wipe(send.frame);
        if (!sent) channel_.close(sent.error());
    }
    void take(RunStore&& run) { actions_.emplace_back(std::move(run)); }
    void take(LinkEvent&& event) {
        if (event.kind == LinkEvent::Kind::joined) {
            joined_ = true;
            renew();
        }
        actions_.emplace_back(event);
    }
    void take(CloseLink&& close) {
        while (auto action = channel_.poll()) {
            if (auto* send = std::get_if<channel::Send>(&*action)) take(std::move(*send));
        }
        end(std::move(close.reason), close.reconnect);
    }

    std::shared_ptr<LinkStore> store_;
    std::shared_ptr<LinkTable> table_;
    LinkOptions options_;
    protocol::Terms terms_;
    LinkTable::LinkId link_;
    channel::Channel channel_;
    std::optional<protocol::Conversation> conversation_;
    Now now_;
    std::deque<LinkAction> actions_;
    std::size_t unsent_ = 0;
    std::optional<Instant> channel_wake_;
    std::optional<Instant> announced_;
    bool renewal_due_ = false;
    bool joined_ = false;
    bool ended_ = false;
};

Result<Link> Link::dial(std::shared_ptr<LinkStore> store,
                        std::shared_ptr<LinkTable> table,
                        const ChannelPublicKey& responder,
                        const LinkOptions& options,
                        Now now) {
    protocol::Terms terms{.peer_key = responder, .peer = store->find_peer(responder)};
    const bool knows_nobody = store->head().seq == LogSeq{};
    if (terms.peer.standing != Peer::Standing::member && !knows_nobody) {
        return Error(errc::not_a_member, "no member of this pool holds that channel key");
    }
    terms.link = table->open();
    auto psk = store->member_psk();
    if (!psk) return psk.error();
    auto channel = channel::Channel::initiate(channel_identity(store->identity()),
                                              {responder.bytes},
                                              offer(*store, std::move(*psk), std::nullopt),
                                              channel_options(options),
                                              now.monotonic);
    if (!channel) return channel.error();
    return Link(std::make_unique<Impl>(
        std::move(store), std::move(table), options, std::move(terms), std::move(*channel), now));
}

Result<Link> Link::join(std::shared_ptr<LinkStore> store,
                        std::shared_ptr<LinkTable> table,
                        const ChannelPublicKey& responder,
                        Invited invited,
                        const LinkOptions& options,
                        Now now) {
    auto channel = channel::Channel::initiate(
        channel_identity(store->identity()),
        {responder.bytes},
        offer(*store, std::move(invited.psk), invited.request.invitation),
        channel_options(options),
        now.monotonic);
    if (!channel) return channel.error();
    protocol::Terms terms{.as = protocol::Terms::As::joiner,
                          .peer_key = responder,
                          .peer = {},
                          .request = std::move(invited.request),
                          .link = table->open()};
    return Link(std::make_unique<Impl>(
        std::move(store), std::move(table), options, std::move(terms), std::move(*channel), now));
}

Link Link::answer(std::shared_ptr<LinkStore> store,
                  std::shared_ptr<LinkTable> table,
                  const LinkOptions& options,
                  Now now) {
    auto channel = channel::Channel::respond(
        channel_identity(store->identity()), channel_options(options), now.monotonic);
    protocol::Terms terms;
    terms.link = table->open();
    return Link(std::make_unique<Impl>(
        std::move(store), std::move(table), options, std::move(terms), std::move(channel), now));
}

Link::Link(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Link::Link(Link&&) noexcept = default;
Link& Link::operator=(Link&&) noexcept = default;
Link::~Link() = default;

void Link::on_bytes(BytesView bytes, Now now) {
    impl_->on_bytes(bytes, now);
}
void Link::on_sent(std::size_t bytes) {
    impl_->on_sent(bytes);
}
void Link::on_time(Now now) {
    impl_->on_time(now);
}
void Link::on_commit(Now now) {
    impl_->on_commit(now);
}
void Link::on_done(std::uint64_t task, Now now) {
    impl_->on_done(task, now);
}
void Link::on_closed(Error reason) {
    impl_->on_closed(std::move(reason));
}
void Link::close(Error reason, Now now) {
    impl_->close(std::move(reason), now);
}
std::optional<LinkAction> Link::poll() {
    return impl_->poll();
}
LinkStatus Link::status() const {
    return impl_->status();
}
LinkTable::LinkId Link::id() const noexcept {
    return impl_->id();
}

const char* name(LinkEvent::Kind kind) noexcept {
    using enum LinkEvent::Kind;
    switch (kind) {
        case connected:
            return "connected";
        case joined:
            return "joined";
        case following:
            return "following";
        case copy_started:
            return "copy_started";
        case copy_finished:
            return "copy_finished";
        case caught_up:
            return "caught_up";
        case repair_started:
            return "repair_started";
        case repaired:
            return "repaired";
        case peer_removed:
            return "peer_removed";
        case removed:
            return "removed";
        case clone:
            return "clone";
    }
    return "unknown";
}

}  // namespace countersign
