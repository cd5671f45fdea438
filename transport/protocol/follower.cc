#include "protocol/follower.h"

#include <utility>

#include "countersign/mutants.h"

namespace countersign::protocol {

Follower::Follower(std::shared_ptr<LinkStore> store,
                   Agenda& agenda,
                   std::size_t window,
                   std::function<void()> stored)
    : store_(store),
      agenda_(agenda),
      intake_(window),
      copy_(std::move(store), agenda, intake_, window, [this] { on_copied(); }),
      stored_(std::move(stored)) {}

void Follower::hold(std::optional<LogSeq> seq) {
    held_at_ = seq;
    accept_next();
}

void Follower::start(const NodeId& peer) {
    peer_ = peer;
    phase_ = Phase::deciding;
    agenda_.run<CopyState>([store = store_] { return store->copy_state(); },
                           [this](CopyState state) { decide(state); });
}

void Follower::decide(const CopyState& state) {
    if (state.stage != CopyState::Stage::none) {
        phase_ = Phase::copying;
        return copy_.resume(state);
    }
    const LogSeq head = store_->head().seq;
    if (head == LogSeq{}) return begin_copy();
    phase_ = Phase::following;
    intake_.restart(head);
    agenda_.send(wire::Follow{.after = head});
    tell(LinkEvent::Kind::following);
    on_peer_head(peer_head_);
}

void Follower::begin_copy() {
    phase_ = Phase::copying;
    tell(LinkEvent::Kind::copy_started);
    copy_.begin();
}

Result<void> Follower::on_batches(std::vector<SharedBatch> batches) {
    if (phase_ == Phase::copying) return copy_.on_batches(std::move(batches));
    if (phase_ != Phase::following) {
        return Error(errc::malformed, "batches came that were not asked for");
    }
    const auto added = intake_.add(std::move(batches));
    if (added) accept_next();
    return added;
}

void Follower::accept_next() {
    if (busy_ || phase_ != Phase::following) return;
    auto batches = held_at_ ? intake_.take(*held_at_) : intake_.take();
    if (batches.empty()) return;
    busy_ = true;
    if (is_planted(Mutant::ack_before_durable)) {
        agenda_.send(wire::Ack{.seq = batches.back()->seq});
    }
    agenda_.run<LogHead>(
        [store = store_, batches = std::move(batches)] { return store->accept(batches); },
        [this](LogHead head) { on_stored(head); });
}

void Follower::on_stored(const LogHead& head) {
    busy_ = false;
    intake_.drop_to(head.seq);
    agenda_.send(wire::Ack{.seq = head.seq});
    on_peer_head(peer_head_);
    stored_();
    accept_next();
}

void Follower::on_copied() {
    phase_ = Phase::following;
    tell(LinkEvent::Kind::copy_finished);
    on_stored(store_->head());
}

Result<void> Follower::on_gone() {
    if (phase_ == Phase::copying) return copy_.on_gone();
    if (phase_ != Phase::following) {
        return Error(errc::malformed, "nothing of what the peer calls gone was asked for");
    }
    begin_copy();
    return {};
}

Result<void> Follower::on_page(CopyPage page) {
    if (phase_ != Phase::copying) {
        return Error(errc::malformed, "a page came that was not asked for");
    }
    return copy_.on_page(std::move(page));
}

void Follower::on_peer_head(LogSeq seq) {
    peer_head_ = seq;
    if (phase_ == Phase::copying) copy_.on_feeder_head(seq);
    if (caught_up_ || phase_ != Phase::following || store_->head().seq < seq) return;
    caught_up_ = true;
    tell(LinkEvent::Kind::caught_up);
}

void Follower::tell(LinkEvent::Kind kind) {
    agenda_.tell({.kind = kind, .peer = peer_, .seq = store_->head().seq});
}

}  // namespace countersign::protocol
