#include <algorithm>
#include <limits>
#include <utility>

#include "countersign/mutants.h"

#include "hall.h"
#include "hall_replication.h"
#include "log/retention.h"
#include "log/verify.h"
#include "records/codec.h"

namespace countersign {
namespace {

constexpr std::size_t show_limit = 1000;
constexpr std::uint64_t erase_slice = 1000;

}  // namespace

Result<std::vector<BatchInfo>> Hall::show_log(LogSeq first, std::size_t limit) {
    if (auto there = require_log(); !there) return there.error();
    if (limit < 1 || limit > show_limit) {
        return Error(errc::invalid_argument, "limit: 1 to 1,000 batches");
    }
    auto database = open_reader();
    if (!database) return database.error();
    auto batches = log::BatchTable::prepare(*database);
    if (!batches) return batches.error();
    const auto snapshot = sqlite::ReadTransaction::begin(*database);
    if (!snapshot) return snapshot.error();
    const auto oldest = batches->first();
    if (!oldest) return oldest.error();
    if (first < *oldest) {
        return Error(errc::not_found,
                     "retention has let go of batch " + std::to_string(value(first)) +
                         "; the oldest is " + std::to_string(value(*oldest)));
    }
    std::vector<BatchInfo> infos;
    for (LogSeq seq = first; infos.size() < limit; seq = next(seq)) {
        const auto stored = batches->get(seq);
        if (!stored) return stored.error();
        if (!*stored) break;
        const auto batch = log::decode(**stored);
        if (!batch) return Error(errc::corrupt, batch.error().detail());
        infos.push_back({.seq = seq,
                         .root_term = batch->place.root_term,
                         .epoch = batch->place.epoch,
                         .node = batch->place.node,
                         .time = batch->time,
                         .bytes = (*stored)->bytes.size(),
                         .changes = batch->changes.size(),
                         .hash = to_hex((*stored)->hash().bytes)});
    }
    return infos;
}

Result<Log::Exact> Hall::exact_batch(LogSeq seq) {
    if (auto there = require_log(); !there) return there.error();
    auto database = open_reader();
    if (!database) return database.error();
    auto batches = log::BatchTable::prepare(*database);
    if (!batches) return batches.error();
    auto stored = batches->get(seq);
    if (!stored) return stored.error();
    if (!*stored) return Error(errc::not_found, "batch " + std::to_string(value(seq)));
    const auto& signature = (*stored)->signature.bytes;
    return Log::Exact{.bytes = std::move((*stored)->bytes),
                      .signature = {signature.begin(), signature.end()}};
}

Result<LogVerification> Hall::verify_log() {
    if (auto there = require_log(); !there) return there.error();
    auto database = open_reader();
    if (!database) return database.error();
    auto ledger = log::Ledger::prepare(*database, identity_->pool, keys_->keyring->digest_key());
    if (!ledger) return ledger.error();
    const auto verified = log::verify(*database, *ledger);
    if (!verified) {
        const bool in_rows =
            verified.error() == errc::digest_mismatch || verified.error() == errc::corrupt;
        if (in_rows) {
            note_damage(verified.error().message());
        } else {
            tell(Event::Kind::damage_found, verified.error().message());
            // What the records prove is mended; batches are not.
            if (const auto sums = examine(); !sums) return sums.error();
        }
        return verified.error();
    }
    return LogVerification{.batches = verified->batches,
                           .records = verified->records,
                           .seq = verified->head.place.seq,
                           .digest = to_hex(verified->head.digest.digest().bytes)};
}

Result<std::uint64_t> Hall::erase_batches(bool at_once) {
    std::uint64_t erased = 0;
    for (;;) {
        auto lock = directory_.write_lock(options_.lock_patience);
        if (!lock) return lock.error();
        if (auto ready = recover_if_suspect(); !ready) return ready.error();
        auto transaction = sqlite::Transaction::begin(writing_->database);
        if (!transaction) return transaction.error();
        const auto head = writing_->ledger.head.read();
        if (!head) return head.error();
        // Another process may have let in a member.
        if (auto noticed = notice_others(*head); !noticed) return noticed.error();
        const auto oldest = writing_->ledger.batches.first();
        if (!oldest) return oldest.error();
        auto last = at_once ? log::erasable_at_once(writing_->ledger)
                            : log::erasable(writing_->ledger,
                                            {.acked_age = options_.log_acked_age,
                                             .age = options_.log_age,
                                             .bytes = options_.log_bytes},
                                            needed_by_none(*view(), head->place.seq, *oldest),
                                            now().wall);
        if (!last) return last.error();
        if (const auto held = replication_->held_from(now().monotonic)) {
            *last = std::min(*last, LogSeq{value(*held) - 1});
        }
        const auto gone = writing_->ledger.batches.erase_to(*last, erase_slice);
        if (!gone) return gone.error();
        if (*gone == 0) return erased;
        if (auto committed = transaction->commit(); !committed) return committed.error();
        erased += *gone;
        if (!at_once || *gone < erase_slice) return erased;
    }
}

LogSeq Hall::needed_by_none(const PoolView& pool, LogSeq head, LogSeq oldest) {
    LogSeq last = replication_->everyone_has(pool, head);
    // Whoever was removed is told so with the batch that did it, whenever it comes back.
    for (const auto& former : pool.former_members) {
        if (former.removed_at >= oldest)
            last = std::min(last, LogSeq{value(former.removed_at) - 1});
    }
    return last;
}

Result<void> Hall::drop_copies() {
    auto transaction = sqlite::Transaction::begin(writing_->database);
    if (!transaction) return transaction.error();
    auto& staging = writing_->staging;
    if (auto done = staging.discard(writing_->database); !done) return done;
    const auto dropped = staging.drop_old(std::numeric_limits<std::int64_t>::max());
    if (!dropped) return dropped.error();
    if (auto swept = replication_->sweep_all_rows(); !swept) return swept;
    if (auto done = transaction->commit(); !done) return done;
    has_replaced_ = false;
    return {};
}

Result<Compaction> Hall::compact_log() {
    if (auto there = require_log(); !there) return there.error();
    auto behind = replication_->members_behind(*view(), replication_->head().seq);
    const auto erased = erase_batches(true);
    if (!erased) return erased.error();
    replication_->forget_batches();
    auto lock = directory_.write_lock(options_.lock_patience);
    if (!lock) return lock.error();
    if (auto ready = recover_if_suspect(); !ready) return ready.error();
    if (auto done = drop_copies(); !done) return done.error();
    if (auto done = writing_->database.vacuum(); !done) return done.error();
    const auto checkpoint = writing_->database.checkpoint(is_planted(Mutant::keep_wal)
                                                              ? sqlite::CheckpointMode::passive
                                                              : sqlite::CheckpointMode::truncate);
    if (!checkpoint) return checkpoint.error();
    if (!checkpoint->complete) {
        return Error(
            errc::busy,
            "batches are erased, but a long read keeps their bytes in the write-ahead log; "
            "compact again");
    }
    const auto size = writing_->ledger.batches.size();
    if (!size) return size.error();
    return Compaction{
        .batches_erased = *erased, .batches_kept = size->batches, .must_copy = std::move(behind)};
}

Result<Status> Hall::status() {
    if (!require_log()) return status_of_newcomer();
    auto readers = reader();
    if (!readers) return readers.error();
    const auto snapshot = sqlite::ReadTransaction::begin(readers->database());
    if (!snapshot) return snapshot.error();
    const auto pool = current_view(**readers);
    if (!pool) return pool.error();
    const auto head = (*readers)->head.read();
    if (!head) return head.error();
    const auto users = (*readers)->records.count(records::RecordKind::user);
    if (!users) return users.error();
    Status status;
    status.pool = identity_->pool;
    status.node = identity_->node;
    if (const auto* self = membership::find((*pool)->members, identity_->node)) {
        status.name = self->name;
    }
    if ((*pool)->designation) {
        status.primary = (*pool)->designation->node;
        status.root_term = (*pool)->designation->root_term;
        status.epoch = (*pool)->designation->epoch;
    }
    status.primary_name = (*pool)->primary_name();
    status.is_primary = (*pool)->is_primary(identity_->node);
    status.stage = stage_;
    status.seq = head->place.seq;
    status.digest = to_hex(head->digest.digest().bytes);
    status.users = *users;
    status.data_age = replication_->data_age(now());
    status.served = is_served();
    if (status.served) status.links = replication_->shown(**pool);
    status.rows = replication_->row_counts();
    status.restored = incarnation().is_restored;
    const auto damage = read_damage((*readers)->damage);
    if (!damage) return damage.error();
    if (*damage) status.damage = (*damage)->what;
    status.root_key_here = environment_->identify(root_file()).has_value();
    const std::lock_guard guard(view_mutex_);
    status.key_provider = options_.key_provider->describe();
    return status;
}

Status Hall::status_of_newcomer() {
    Status status;
    status.pool = identity_->pool;
    status.node = identity_->node;
    status.stage = stage_;
    status.seq = replication_->head().seq;
    status.served = is_served();
    const std::lock_guard guard(view_mutex_);
    status.key_provider = options_.key_provider->describe();
    return status;
}

bool Hall::is_served() {
    const auto lock = directory_.serve();
    return !lock && lock.error() == errc::already_served;
}

}  // namespace countersign
