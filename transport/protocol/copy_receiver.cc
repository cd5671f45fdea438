#include "protocol/copy_receiver.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "protocol/flow.h"

namespace countersign::protocol {

CopyReceiver::CopyReceiver(std::shared_ptr<LinkStore> store,
                           Agenda& agenda,
                           Intake& intake,
                           std::size_t window,
                           std::function<void()> finished)
    : store_(std::move(store)),
      agenda_(agenda),
      intake_(intake),
      window_(std::clamp(window, least_window, most_window)),
      finished_(std::move(finished)) {}

void CopyReceiver::begin() {
    phase_ = Phase::beginning;
    beyond_feeder_ = false;
    agenda_.run<CopyState>([store = store_] { return store->begin_copy(); },
                           [this](CopyState state) { resume(state); });
}

void CopyReceiver::resume(const CopyState& state) {
    assert(state.stage != CopyState::Stage::none);
    state_ = state;
    if (state.stage == CopyState::Stage::replaying) return start_replay();
    phase_ = Phase::paging;
    pages_.clear();
    bytes_ = 0;
    cursor_ = state.after;
    received_ = staged_ = 0;
    last_came_ = false;
    agenda_.send(wire::CopyRequest{.after = state.after, .first = state.first});
}

Result<void> CopyReceiver::on_page(CopyPage page) {
    if (phase_ != Phase::paging || last_came_) {
        return Error(errc::malformed, "a page came that was not asked for");
    }
    if (!page.records.empty()) {
        if (cursor_ && page.records.front().key <= *cursor_) {
            return Error(errc::malformed, "a page does not follow the one before");
        }
        cursor_ = page.records.back().key;
    }
    const std::size_t size = flow_size(page);
    if (received_ != staged_ && bytes_ + size > window_) {
        return Error(errc::too_large, "more pages came than were asked for at a time");
    }
    bytes_ += size;
    ++received_;
    last_came_ = page.last;
    pages_.push_back(std::move(page));
    stage_next();
    return {};
}

void CopyReceiver::stage_next() {
    if (busy_ || pages_.empty()) return;
    busy_ = true;
    const std::size_t size = flow_size(pages_.front());
    const std::size_t records = pages_.front().records.size();
    agenda_.run<CopyState>(
        [store = store_, page = std::move(pages_.front())] { return store->stage(page); },
        [this, size, records](CopyState state) { on_staged(state, size, records); });
    pages_.pop_front();
}

void CopyReceiver::on_staged(const CopyState& state, std::size_t size, std::size_t records) {
    busy_ = false;
    records_ += records;
    bytes_ -= size;
    state_ = state;
    agenda_.send(wire::Staged{++staged_});
    if (last_came_ && staged_ == received_) return start_replay();
    stage_next();
}

void CopyReceiver::start_replay() {
    assert(state_.stage == CopyState::Stage::replaying);
    assert(state_.first != LogSeq{} && state_.first <= state_.last);
    phase_ = Phase::replaying;
    const LogSeq after =
        state_.replayed == LogSeq{} ? LogSeq{value(state_.first) - 1} : state_.replayed;
    intake_.restart(after);
    agenda_.send(wire::Follow{.after = after, .in_copy = true});
}

Result<void> CopyReceiver::on_batches(std::vector<SharedBatch> batches) {
    if (phase_ != Phase::replaying) {
        return Error(errc::malformed, "batches came where pages were asked for");
    }
    const auto added = intake_.add(std::move(batches));
    if (added) replay_next();
    return added;
}

void CopyReceiver::replay_next() {
    if (busy_) return;
    auto batches = intake_.take(state_.last);
    if (batches.empty()) return;
    busy_ = true;
    agenda_.run<CopyState>(
        [store = store_, batches = std::move(batches)] { return store->replay(batches); },
        [this](CopyState state) { on_replayed(state); });
}

void CopyReceiver::on_replayed(const CopyState& state) {
    busy_ = false;
    if (state.stage != CopyState::Stage::none) {
        state_ = state;
        intake_.drop_to(state.replayed);
        agenda_.send(wire::Ack{.seq = state.replayed, .in_copy = true});
        return beyond_feeder_ ? begin() : replay_next();
    }
    phase_ = Phase::none;
    finished_();
}

void CopyReceiver::on_feeder_head(LogSeq seq) {
    if (phase_ != Phase::replaying) return;
    beyond_feeder_ = state_.last > seq;
    if (beyond_feeder_ && !busy_) begin();
}

Result<void> CopyReceiver::on_gone() {
    const bool resumed = phase_ == Phase::paging && received_ == 0 && state_.first != LogSeq{};
    if (!resumed && phase_ != Phase::replaying) {
        return Error(errc::malformed, "nothing of what the peer calls gone was asked for");
    }
    begin();
    return {};
}

}  // namespace countersign::protocol
