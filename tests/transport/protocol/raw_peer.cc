#include "transport/protocol/raw_peer.h"

#include <utility>

#include "wire/decode.h"
#include "wire/encode.h"

namespace countersign::testing {
namespace {

channel::Identity identity_of(FakeLinkStore& store) {
    const auto identity = store.identity();
    return {.wire_version = channel::WireVersion{1},
            .pool = identity.pool,
            .static_key = std::make_shared<channel::KeyPair>(
                channel::KeyPair::from_private(identity.channel_private_key->clone()))};
}

}  // namespace

RawPeer::RawPeer(std::shared_ptr<FakeLinkStore> self,
                 std::shared_ptr<FakeLinkStore> link_store,
                 bool dials,
                 const LinkOptions& options)
    : now{.wall = UnixTime{std::chrono::hours(500'000)},
          .monotonic = Instant(std::chrono::hours(1))},
      self_(std::move(self)) {
    const auto table = std::make_shared<LinkTable>();
    if (dials) {
        link.emplace(Link::answer(link_store, table, options, now));
        channel_.emplace(*channel::Channel::initiate(
            identity_of(*self_), {link_store->channel_key().bytes}, offer(), {}, now.monotonic));
    } else {
        link.emplace(*Link::dial(link_store, table, self_->channel_key(), options, now));
        channel_.emplace(channel::Channel::respond(identity_of(*self_), {}, now.monotonic));
    }
    pump();
}

channel::Offer RawPeer::offer() const {
    Secret ephemeral = Secret::of_size(channel::key_size);
    self_->random(ephemeral.writable());
    return {.ephemeral = std::move(ephemeral),
            .psk = std::move(*self_->member_psk()),
            .payload = wire::encode(wire::Opening{1, std::nullopt})};
}

void RawPeer::drain_link() {
    while (auto action = link->poll()) {
        if (auto* sent = std::get_if<SendBytes>(&*action)) {
            to_raw_.insert(to_raw_.end(), sent->bytes.begin(), sent->bytes.end());
            link->on_sent(sent->bytes.size());
        } else if (auto* run = std::get_if<RunStore>(&*action)) {
            tasks_.push_back(std::move(*run));
        } else if (auto* close = std::get_if<CloseLink>(&*action)) {
            closed = std::move(*close);
        }
    }
}

void RawPeer::pump() {
    for (bool more = true; more;) {
        more = false;
        drain_link();
        while (auto action = channel_->poll()) {
            if (auto* sent = std::get_if<channel::Send>(&*action)) {
                to_link_.insert(to_link_.end(), sent->bytes.begin(), sent->bytes.end());
            } else if (std::holds_alternative<channel::PeerKnown>(*action)) {
                (void)channel_->accept(offer(), now.monotonic);
            } else if (auto* deliver = std::get_if<channel::Deliver>(&*action)) {
                received.push_back(std::move(*wire::decode(deliver->frame)));
            }
        }
        if (!to_link_.empty()) {
            link->on_bytes(std::exchange(to_link_, {}), now);
            more = true;
        } else if (!to_raw_.empty()) {
            channel_->on_bytes(std::exchange(to_raw_, {}), now.monotonic);
            more = true;
        } else if (!tasks_.empty()) {
            RunStore run = std::move(tasks_.front());
            tasks_.pop_front();
            run.task();
            link->on_done(run.id, now);
            more = true;
        }
    }
}

void RawPeer::send(const wire::Message& message) {
    send_frame(wire::encode(message));
}

void RawPeer::send_frame(BytesView frame) {
    (void)channel_->send(frame, now.monotonic);
    pump();
}

void RawPeer::pass(milliseconds time) {
    now.wall += time;
    now.monotonic += time;
    link->on_time(now);
    pump();
}

wire::Hello RawPeer::hello() const {
    wire::Hello hello{.node = self_->node,
                      .name = self_->name,
                      .incarnation = self_->incarnation,
                      .link_counter = ++self_->link_counter,
                      .head = self_->head(),
                      .window = 1u << 20};
    for (const auto& each : self_->designations()) hello.known.push_back(each.key);
    return hello;
}

void RawPeer::greet() {
    send(hello());
    wire::Designations all;
    for (const auto& each : self_->designations()) all.statements.push_back(each.statement);
    send(all);
}

std::optional<errc> RawPeer::goodbye() const {
    const auto* said = heard<wire::Goodbye>();
    return said ? std::optional(said->code) : std::nullopt;
}

RawPool::RawPool() {
    hq->found_pool();
    hq->add_member(*branch, Capability::propose);
    branch->restore_from(*hq);
    for (int i = 0; i < 4; ++i) hq->commit(2, 50);
}

}  // namespace countersign::testing
