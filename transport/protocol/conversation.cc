#include "protocol/conversation.h"

#include <algorithm>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#include "protocol/farewell.h"
#include "protocol/flow.h"
#include "wire/decode.h"

namespace countersign::protocol {
namespace {

/// What a peer may say before this side has stored the designations: what it asks for, and pings.
constexpr std::size_t held_limit = 16;

bool ahead(const LogHead& left, const LogHead& right) {
    return std::tie(left.root_term, left.epoch, left.seq) >
           std::tie(right.root_term, right.epoch, right.seq);
}

std::uint32_t window_of(const LinkOptions& options) {
    return static_cast<std::uint32_t>(
        std::clamp<std::size_t>(options.window, least_window, most_window));
}

}  // namespace

Conversation::Conversation(std::shared_ptr<LinkStore> store,
                           std::shared_ptr<LinkTable> table,
                           const LinkOptions& options,
                           Terms terms,
                           Now now)
    : store_(store),
      table_(std::move(table)),
      options_(options),
      terms_(std::move(terms)),
      now_(now),
      heartbeat_(options.ping_interval, options.silence_limit, now.monotonic),
      feeder_(store, agenda_, options.frame_bytes),
      copy_feeder_(store, agenda_, options.page_bytes),
      repair_feeder_(store, agenda_, options.page_bytes, options.repair_deadline),
      follower_(store, agenda_, window_of(options), [this] { repairer_.on_head(); }),
      repairer_(store,
                agenda_,
                window_of(options),
                [this](std::optional<LogSeq> seq) { follower_.hold(seq); }),
      row_feeder_(store, agenda_),
      row_receiver_(store, agenda_),
      pulse_at_(now.monotonic) {
    switch (terms_.as) {
        case Terms::As::member:
            greet();
            break;
        case Terms::As::joiner:
            phase_ = Phase::joining;
            give_up_at_ = now.monotonic + options.admission_deadline;
            agenda_.send(wire::Join{*terms_.request});
            break;
        case Terms::As::host:
            phase_ = Phase::hosting;
            give_up_at_ = now.monotonic + options.admission_deadline;
            break;
        case Terms::As::usher:
            usher_out();
            break;
    }
}

// Joining.

Result<void> Conversation::on(wire::Join&& join) {
    admitting_ = true;
    agenda_.run<Admission>(
        [store = store_, key = terms_.peer_key, request = std::move(join.request)] {
            return store->admit(request, key);
        },
        [this](Admission admission) {
            agenda_.send(wire::Admit{std::move(admission)});
            greet();
        });
    return {};
}

Result<void> Conversation::on(wire::Admit&& admit) {
    phase_ = Phase::greeting;
    give_up_at_ = now_.monotonic + options_.admission_deadline;
    auto admission = std::make_shared<Admission>(std::move(admit.admission));
    agenda_.run([store = store_, admission] { return store->admitted(*admission); },
                [this] {
                    agenda_.tell({.kind = LinkEvent::Kind::joined, .peer = terms_.peer.node});
                    greet();
                });
    return {};
}

// Greeting.

void Conversation::greet() {
    phase_ = Phase::greeting;
    give_up_at_ = now_.monotonic + options_.greeting_deadline;
    agenda_.run<std::uint64_t>([store = store_] { return store->next_link_counter(); },
                               [this](std::uint64_t counter) {
                                   const LinkIdentity self = store_->identity();
                                   wire::Hello hello{.node = self.node,
                                                     .name = self.name,
                                                     .incarnation = self.incarnation,
                                                     .link_counter = counter,
                                                     .head = store_->head(),
                                                     .window = window_of(options_)};
                                   for (const auto& each : store_->designations())
                                       hello.known.push_back(each.key);
                                   agenda_.send(hello);
                                   said_hello_ = true;
                                   exchange_designations();
                               });
}

Result<void> Conversation::on(wire::Hello&& hello) {
    const Peer known = store_->find_peer(terms_.peer_key);
    if (known.standing != Peer::Standing::unknown) terms_.peer = known;
    if (terms_.peer.standing == Peer::Standing::unknown) {
        if (store_->head().seq != LogSeq{}) {
            return Error(errc::not_a_member, "no member of this pool holds the peer's channel key");
        }
        terms_.peer.node = hello.node;  // a node without a log trusts the key it was told to dial
        terms_.peer.name = hello.name;
    }
    if (terms_.peer.node != hello.node) {
        return Error(errc::handshake_failed, "the peer gave itself another node's id");
    }
    feeder_.set_window(hello.window);
    copy_feeder_.set_window(hello.window);
    copy_feeder_.set_peer(hello.node);
    repair_feeder_.set_window(hello.window);
    repairer_.set_peer(hello.node);
    repeated_ = !table_->hello(hello.node, hello.incarnation, hello.link_counter, now_.monotonic);
    const auto learned = learn_head(hello.head);
    peer_hello_ = std::move(hello);
    if (learned) exchange_designations();
    return learned;
}

void Conversation::exchange_designations() {
    if (!said_hello_ || !peer_hello_) return;
    phase_ = Phase::designating;
    auto& theirs = peer_hello_->known;
    std::ranges::sort(theirs);
    wire::Designations lacking;
    for (auto& each : store_->designations()) {
        if (!std::ranges::binary_search(theirs, each.key)) {
            lacking.statements.push_back(std::move(each.statement));
        }
    }
    agenda_.send(lacking);
}

Result<void> Conversation::on(wire::Designations&& designations) {
    if (designations.statements.empty()) {
        settle();
        return {};
    }
    storing_ = true;
    agenda_.run(
        [store = store_, statements = std::move(designations.statements)] {
            return store->add_designations(statements);
        },
        [this] { settle(); });
    return {};
}

/// The peer has answered our hello, so it is alive and this is no link that it has left: only now
/// does its link counter accuse it, and only now does the link take the place of an older one.
void Conversation::settle() {
    storing_ = false;
    const NodeId& peer = terms_.peer.node;
    LinkEvent connected{
        .kind = LinkEvent::Kind::connected, .peer = peer, .seq = store_->head().seq};
    LinkEvent clone = connected;
    clone.kind = LinkEvent::Kind::clone;
    if (repeated_) {
        store_->suspect_clone(peer);
        agenda_.tell(clone);
        return agenda_.fail(
            Error(errc::clone_suspected, "another directory has used this link counter"));
    }
    const auto entered =
        table_->enter(terms_.link, peer, peer_hello_->link_counter, now_.monotonic);
    if (entered.stale) {
        return agenda_.fail(Error(errc::link_replaced, "a newer link of this node is open"));
    }
    if (entered.flapping) {
        store_->suspect_clone(peer);
        agenda_.tell(clone);
    }
    connected.replaces = entered.replaces;
    agenda_.tell(connected);
    phase_ = Phase::running;
    give_up_at_.reset();
    primary_ = store_->primary();
    heartbeat_ = Heartbeat(options_.ping_interval, options_.silence_limit, now_.monotonic);
    if (usher_out_removed()) return;
    consider_following();
    consider_repair();
    begin_rows();
    for (auto& message : std::exchange(held_, {})) dispatch(std::move(message));
}

// Feeding and following.

/// A node follows the primary always, and any other that may serve once that one is ahead. A
/// primary that others are ahead of takes its own batches back in the same way.
void Conversation::consider_following() {
    if (follower_.started()) return;
    const NodeId self = store_->identity().node;
    const bool from_primary = primary_ == terms_.peer.node;
    const bool may_feed = from_primary || primary_ == self ||
                          terms_.peer.standing == Peer::Standing::unknown ||
                          includes(terms_.peer.may, Capability::serve);
    if (!may_feed || (!from_primary && !ahead(peer_head_, store_->head()))) return;
    follower_.start(terms_.peer.node);
}

Result<void> Conversation::learn_head(const LogHead& head) {
    peer_head_ = head;
    auto heard = store_->heard_head(terms_.peer.node, head);
    if (!heard) return heard;
    follower_.on_peer_head(head.seq);
    if (phase_ == Phase::running) consider_following();
    return heard;
}

Result<void> Conversation::on(wire::Follow&& follow) {
    copy_feeder_.stop();
    feeds_copy_ = follow.in_copy;
    if (follow.in_copy) store_->hold_batches(terms_.peer.node, next(follow.after));
    if (!follow.in_copy) note_ack(follow.after);
    feeder_.on_follow(follow.after);
    send_pulse();
    return {};
}

void Conversation::note_ack(LogSeq seq) {
    acked_ = std::max(acked_, seq);
    store_->note_ack(terms_.peer.node, seq);
}

Result<void> Conversation::on(wire::CopyRequest&& request) {
    feeder_.stop();
    feeds_copy_ = true;
    copy_feeder_.on_request(request);
    return {};
}

Result<void> Conversation::on(wire::Ack&& ack) {
    feeder_.on_ack(ack.seq);
    if (ack.in_copy) {
        store_->hold_batches(terms_.peer.node, next(ack.seq));
        return {};
    }
    note_ack(ack.seq);
    if (feeds_copy_ && feeder_.active()) {
        feeds_copy_ = false;
        store_->release_batches(terms_.peer.node);
    }
    return {};
}

Result<void> Conversation::on(wire::Batches&& batches) {
    return follower_.on_batches(std::move(batches.batches));
}

Result<void> Conversation::on(wire::Gone&&) {
    return follower_.on_gone();
}

// Signs of life.

void Conversation::send_pulse() {
    pulse_at_ = now_.monotonic + options_.pulse_interval;
    if (!feeder_.active()) return;
    auto newest = store_->newest_pulse(now_);
    if (!newest || newest == pulse_) return;
    pulse_ = std::move(newest);
    agenda_.send(wire::Pulse{*pulse_});
}

Result<void> Conversation::on(wire::Pulse&& pulse) {
    return store_->take_pulse(pulse.statement, now_);
}

Result<void> Conversation::on(wire::Ping&& ping) {
    agenda_.send(wire::Pong{.number = ping.number, .head = store_->head()});
    return learn_head(ping.head);
}

Result<void> Conversation::on(wire::Pong&& pong) {
    const auto answered = heartbeat_.on_pong(pong.number, now_.monotonic);
    return answered ? learn_head(pong.head) : answered;
}

Result<void> Conversation::on(wire::Unknown&& unknown) {
    if (peer_hello_ && peer_hello_->level > wire::protocol_level) return {};
    return Error(errc::malformed,
                 "message " + std::to_string(unknown.member) + " does not exist at this level");
}

// Leaving.

/// Whether the peer has been removed, which it is told.
bool Conversation::usher_out_removed() {
    if (store_->find_peer(terms_.peer_key).standing != Peer::Standing::removed) return false;
    feeder_.stop();
    copy_feeder_.stop();
    usher_out();
    return true;
}

void Conversation::usher_out() {
    phase_ = Phase::leaving;
    give_up_at_ = now_.monotonic + options_.greeting_deadline;
    agenda_.run<SharedBatch>(
        [store = store_, node = terms_.peer.node] { return store->removal_of(node); },
        [this](SharedBatch batch) {
            agenda_.tell({.kind = LinkEvent::Kind::peer_removed, .peer = terms_.peer.node});
            agenda_.send(wire::Removed{std::move(batch)});
            agenda_.close(Error(errc::not_a_member, "the peer was removed, and has been told"),
                          false);
        });
}

Result<void> Conversation::on(wire::Removed&& removed) {
    phase_ = Phase::leaving;
    give_up_at_ = now_.monotonic + options_.greeting_deadline;
    const LogSeq seq = removed.batch ? removed.batch->seq : LogSeq{};
    agenda_.run(
        [store = store_, batch = std::move(removed.batch)] { return store->removed_by(batch); },
        [this, seq] {
            agenda_.tell({.kind = LinkEvent::Kind::removed, .peer = terms_.peer.node, .seq = seq});
            agenda_.close(Error(errc::not_a_member, "this node was removed from its pool"), false);
        });
    return {};
}

Result<void> Conversation::on(wire::Goodbye&& goodbye) {
    Error reason = meaning(goodbye);
    const bool reconnect = worth_reconnecting(reason.code());
    if (reason.code() != errc::clone_suspected) {
        agenda_.close(std::move(reason), reconnect);
        return {};
    }
    phase_ = Phase::leaving;
    give_up_at_ = now_.monotonic + options_.greeting_deadline;
    agenda_.run([store = store_] { return store->told_of_clone(); },
                [this, reason] {
                    agenda_.tell({.kind = LinkEvent::Kind::clone,
                                  .peer = store_->identity().node,
                                  .seq = store_->head().seq});
                    agenda_.close(reason, true);
                });
    return {};
}

void Conversation::close(const Error& reason) {
    agenda_.fail(reason);
}

// Events.

bool Conversation::may_come(const wire::Message& message) const {
    const auto is = [&]<class... Kinds>(std::type_identity<Kinds>...) {
        return (std::holds_alternative<Kinds>(message) || ...);
    };
    using std::type_identity;
    if (is(type_identity<wire::Removed>{}, type_identity<wire::Goodbye>{})) return true;
    switch (phase_) {
        case Phase::joining:
            return is(type_identity<wire::Admit>{});
        case Phase::hosting:
            return !admitting_ && is(type_identity<wire::Join>{});
        case Phase::greeting:
            return !peer_hello_ && is(type_identity<wire::Hello>{});
        case Phase::designating:
            return is(type_identity<wire::Designations>{});
        case Phase::running:
            return !is(type_identity<wire::Hello>{},
                       type_identity<wire::Designations>{},
                       type_identity<wire::Join>{},
                       type_identity<wire::Admit>{});
        case Phase::leaving:
            break;
    }
    return false;
}

void Conversation::dispatch(wire::Message&& message) {
    if (agenda_.closed() || phase_ == Phase::leaving) return;
    const bool ends = std::holds_alternative<wire::Goodbye>(message) ||
                      std::holds_alternative<wire::Removed>(message);
    if (storing_ && !ends && held_.size() < held_limit) {
        held_.push_back(std::move(message));
        return;
    }
    if (storing_ && !ends) {
        return agenda_.fail(Error(errc::malformed, "too much came before the link was settled"));
    }
    if (!may_come(message)) {
        return agenda_.fail(Error(errc::malformed, "a message came where it has no place"));
    }
    const auto done =
        std::visit([this](auto&& one) { return on(std::move(one)); }, std::move(message));
    if (!done) agenda_.fail(done.error());
}

void Conversation::on_frame(BytesView frame, Now now) {
    now_ = now;
    auto message = wire::decode(frame);
    if (!message) return agenda_.fail(message.error());
    dispatch(std::move(*message));
}

void Conversation::on_commit(Now now) {
    now_ = now;
    if (phase_ != Phase::running || agenda_.closed() || usher_out_removed()) return;
    if (store_->primary() != primary_) {
        return agenda_.fail(Error(errc::link_closed, "another primary was designated"));
    }
    feeder_.on_commit();
    repairer_.on_head();
    consider_repair();
    pass_rows_on();
}

void Conversation::on_done(std::uint64_t task, Now now) {
    now_ = now;
    agenda_.on_done(task);
}

void Conversation::on_time(Now now) {
    now_ = now;
    if (agenda_.closed()) return;
    if (give_up_at_ && now.monotonic >= *give_up_at_) {
        return agenda_.fail(Error(errc::timed_out, "the peer took too long to say who it is"));
    }
    if (phase_ != Phase::running) return;
    if (heartbeat_.silent(now.monotonic)) {
        return agenda_.fail(Error(errc::timed_out, "nothing has been heard of the peer"));
    }
    if (const auto number = heartbeat_.ping_due(now.monotonic)) {
        agenda_.send(wire::Ping{.number = *number, .head = store_->head()});
    }
    if (now.monotonic >= pulse_at_) send_pulse();
    consider_repair();
    if (auto in_time = repair_feeder_.on_time(now.monotonic); !in_time)
        agenda_.fail(in_time.error());
}

std::optional<Instant> Conversation::deadline() const {
    if (agenda_.closed()) return std::nullopt;
    if (phase_ != Phase::running) return give_up_at_;
    return std::min(heartbeat_.deadline(), pulse_at_);
}

LinkStatus Conversation::status() const {
    using State = LinkStatus::State;
    LinkStatus status{
        .peer = terms_.peer.node,
        .name = terms_.peer.name,
        .acked = acked_,
        .peer_head = peer_head_.seq,
        .bytes_in_flight = feeder_.bytes_in_flight() + copy_feeder_.bytes_in_flight() +
                           repair_feeder_.bytes_in_flight() + row_feeder_.bytes_in_flight(),
        .copied = follower_.copied(),
        .round_trip = heartbeat_.round_trip()};
    if (phase_ == Phase::joining || phase_ == Phase::hosting) {
        status.state = State::joining;
    } else if (phase_ == Phase::running) {
        status.state = follower_.copying() || feeds_copy_ ? State::copying
                       : follower_.started()              ? State::following
                       : feeder_.active()                 ? State::feeding
                                                          : State::idle;
    }
    return status;
}

}  // namespace countersign::protocol
