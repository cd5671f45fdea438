#include <algorithm>
#include <utility>

#include "hall.h"
#include "hall_replication.h"
#include "log/copy_page.h"

namespace countersign {
namespace {

constexpr milliseconds hold_life{std::chrono::hours{1}};

}  // namespace

// Feeding one.

Result<CopyPage> Hall::Replication::read_page(const std::optional<RecordKey>& after,
                                              std::size_t max_bytes) {
    if (auto sound = hall_.require_sound(); !sound) return sound.error();
    auto readers = hall_.reader();
    if (!readers) return readers.error();
    const auto snapshot = sqlite::ReadTransaction::begin(readers->database());
    if (!snapshot) return snapshot.error();
    return log::read_page((*readers)->records, (*readers)->head, after, max_bytes);
}

void Hall::Replication::hold_batches(const NodeId& peer, LogSeq from) {
    const Instant until = hall_.now().monotonic + hold_life;
    const std::lock_guard guard(mutex_);
    holds_[peer] = {.from = from, .until = until};
}

void Hall::Replication::release_batches(const NodeId& peer) {
    const std::lock_guard guard(mutex_);
    holds_.erase(peer);
}

std::optional<LogSeq> Hall::Replication::held_from(Instant now) {
    const std::lock_guard guard(mutex_);
    std::erase_if(holds_, [&](const auto& hold) { return hold.second.until <= now; });
    std::optional<LogSeq> from;
    for (const auto& [peer, hold] : holds_) from = std::min(from.value_or(hold.from), hold.from);
    return from;
}

// Receiving one.

Result<void> Hall::enter_if_copied(std::shared_ptr<const PoolView> pool) {
    if (gate_) return {};  // it has, and waits for rows
    if (!pool) {
        const auto head = writing_->ledger.head.read();
        if (!head) return head.error();
        if (head->place.seq == LogSeq{0}) return {};
        auto own = read_own_view();
        if (!own) return own.error();
        pool = std::move(*own);
    }
    return stage_of(*pool) == Stage::copying ? Result<void>() : enter_pool(std::move(pool));
}

Result<void> Hall::enter_late() {
    auto lock = directory_.write_lock(options_.lock_patience);
    if (!lock) return lock.error();
    if (auto ready = recover_if_suspect(); !ready) return ready;
    return stage_ == Stage::copying ? enter_if_copied(nullptr) : Result<void>();
}

Result<CopyState> Hall::Replication::copy_state() {
    auto writing = begin_writing();
    if (!writing) return writing.error();
    return hall_.writing_->staging.state();
}

Result<CopyState> Hall::Replication::begin_copy() {
    auto writing = begin_writing();
    if (!writing) return writing.error();
    auto state = hall_.writing_->staging.begin(hall_.writing_->database);
    if (!state) return state;
    if (auto done = writing->transaction.commit(); !done) return done.error();
    hall_.has_replaced_ = true;
    keep_house();
    return state;
}

Result<CopyState> Hall::Replication::stage(const CopyPage& page) {
    auto writing = begin_writing();
    if (!writing) return writing.error();
    auto state = hall_.writing_->staging.stage(page);
    if (!state) return state;
    if (auto done = writing->transaction.commit(); !done) return done.error();
    keep_house();
    return state;
}

Result<CopyState> Hall::Replication::replay(std::span<const SharedBatch> batches) {
    const auto run = to_signed_batches(batches);
    auto writing = begin_writing();
    if (!writing) return writing.error();
    const auto held = hall_.writing_->ledger.head.read();
    if (!held) return held.error();
    // Of the same records as those held, a copy is of use where these are damaged.
    const LogSeq useful_from = hall_.damaged_ ? held->place.seq : next(held->place.seq);
    const auto replayed =
        hall_.writing_->staging.replay(hall_.writing_->database, run, useful_from);
    if (!replayed) return replayed.error();
    std::shared_ptr<const PoolView> fresh;
    if (replayed->head) {
        for (const RecordKey& each : replayed->left_out) {
            if (each.kind != static_cast<std::uint16_t>(records::RecordKind::user)) continue;
            auto erased = hall_.writing_->attempts.erase(UserId{each.id.bytes});
            if (!erased) return erased.error();
        }
        auto pool = look_at_pool(true);
        if (!pool) return pool.error();
        fresh = std::move(*pool);
        if (auto proved = hall_.writing_->damage.erase(); !proved) return proved.error();
    }
    if (auto done = writing->transaction.commit(); !done) return done.error();
    if (replayed->state.stage == CopyState::Stage::none) hall_.has_replaced_ = true;
    if (replayed->failure) {
        hall_.tell(Event::Kind::copy_refused, replayed->failure->message());
        return *replayed->failure;
    }
    if (replayed->head) {
        {
            const std::lock_guard guard(mutex_);
            head_ = to_link_head(*replayed->head);
            recent_.clear();
        }
        hall_.damaged_ = false;
        moved_on(std::move(fresh));
    } else {
        keep_house();
    }
    return replayed->state;
}

}  // namespace countersign
