#include "hall_replication.h"

#include <algorithm>
#include <utility>

#include "countersign/mutants.h"

#include "records/codec.h"

namespace countersign {
namespace {

constexpr std::size_t recent_bytes = std::size_t{8} << 20;
/// Link counters are made durable in blocks: a restart skips what is left of one.
constexpr std::uint64_t link_counter_block = 64;

}  // namespace

LogHead to_link_head(const log::Head& head) {
    return {.root_term = head.place.root_term,
            .epoch = head.place.epoch,
            .node = head.place.node,
            .seq = head.place.seq,
            .hash = BatchHash{head.hash.bytes},
            .time = head.time};
}

SharedBatch to_envelope(log::SignedBatch batch) {
    return std::make_shared<const BatchEnvelope>(
        BatchEnvelope{.root_term = batch.place.root_term,
                      .epoch = batch.place.epoch,
                      .node = batch.place.node,
                      .seq = batch.place.seq,
                      .signature = SignatureBytes{batch.signature.bytes},
                      .bytes = std::move(batch.bytes)});
}

SignedBytes to_signed_bytes(const records::SignedStatement& statement) {
    return {.bytes = statement.bytes, .signature = SignatureBytes{statement.signature.bytes}};
}

records::SignedStatement to_statement(const SignedBytes& statement) {
    return {.bytes = statement.bytes, .signature = sealing::Signature{statement.signature.bytes}};
}

log::SignedBatch to_signed_batch(const BatchEnvelope& envelope) {
    return {.place = {.root_term = envelope.root_term,
                      .epoch = envelope.epoch,
                      .node = envelope.node,
                      .seq = envelope.seq},
            .signature = sealing::Signature{envelope.signature.bytes},
            .bytes = envelope.bytes};
}

std::vector<log::SignedBatch> to_signed_batches(std::span<const SharedBatch> batches) {
    std::vector<log::SignedBatch> run;
    run.reserve(batches.size());
    for (const auto& batch : batches) run.push_back(to_signed_batch(*batch));
    return run;
}

Hall::Replication::Replication(Hall& hall) : hall_(hall), recent_(recent_bytes) {}

Result<void> Hall::Replication::open() {
    const auto head = hall_.writing_->ledger.head.read();
    if (!head) return head.error();
    channel_private_key_ = std::make_shared<const Secret>(hall_.keys_->channel_key.secret());
    const std::lock_guard guard(mutex_);
    head_ = to_link_head(*head);
    newest_signed_ = is_planted(Mutant::age_restarts) ? hall_.now().wall : head_.time;
    auto stored = stored_designations();
    if (!stored) return stored.error();
    designations_ = std::move(*stored);
    return {};
}

Result<std::vector<Designated>> Hall::Replication::stored_designations() {
    const auto statements = hall_.writing_->ledger.designations.all();
    if (!statements) return statements.error();
    std::vector<Designated> found;
    for (const auto& statement : *statements) {
        const auto designation = records::decode_designation(statement.bytes);
        if (!designation) return Error(errc::corrupt, designation.error().detail());
        found.push_back({.key = {.root_term = designation->root_term,
                                 .epoch = designation->epoch,
                                 .node = designation->node},
                         .statement = to_signed_bytes(statement)});
    }
    return found;
}

void Hall::Replication::wrote(log::SignedBatch batch, const log::Head& head) {
    {
        const std::lock_guard guard(mutex_);
        head_ = to_link_head(head);
        newest_signed_ = std::max(newest_signed_, head.time);
        recent_.push(to_envelope(std::move(batch)));
    }
    notify();
}

void Hall::Replication::moved(const log::Head& head) {
    {
        const std::lock_guard guard(mutex_);
        if (head_.seq == head.place.seq) return;
        head_ = to_link_head(head);
        newest_signed_ = std::max(newest_signed_, head.time);
        recent_.clear();
    }
    notify();
}

void Hall::Replication::forget_batches() {
    const std::lock_guard guard(mutex_);
    recent_.clear();
}

void Hall::Replication::on_change(std::function<void()> handler) {
    const std::lock_guard guard(change_mutex_);
    on_change_ = std::move(handler);
}

void Hall::Replication::notify() {
    const std::lock_guard guard(change_mutex_);
    if (on_change_) on_change_();
}

Result<void> Hall::Replication::look() {
    if (hall_.stage_ != Stage::ready) return {};
    {
        const std::lock_guard guard(watch_mutex_);
        if (!watch_) {
            auto opened = hall_.open_reader();
            if (!opened) return opened.error();
            watch_ = std::make_unique<sqlite::Database>(std::move(*opened));
        }
        const auto version = watch_->data_version();
        if (!version) return version.error();
        if (std::exchange(watched_version_, *version) == *version) return {};
    }
    auto readers = hall_.reader();
    if (!readers) return readers.error();
    const auto head = (*readers)->head.read();
    if (!head) return head.error();
    const bool was_damaged = hall_.damaged_;
    if (auto damage = hall_.read_damage((*readers)->damage); !damage) return damage.error();
    if (hall_.damaged_ != was_damaged) notify();
    if (auto pool = hall_.current_view(**readers); !pool) return pool.error();
    const bool is_news = [&] {
        const std::lock_guard guard(mutex_);
        return head_.seq < head->place.seq;
    }();
    if (is_news) moved(*head);
    const auto rows_came = look_at_rows((*readers)->attempts);
    if (!rows_came) return rows_came.error();
    if (*rows_came) notify();
    return {};
}

void Hall::Replication::close_watch() {
    const std::lock_guard guard(watch_mutex_);
    watch_.reset();
}

// Who we are, and who they are.

LinkIdentity Hall::Replication::identity() {
    LinkIdentity identity;
    identity.pool = hall_.identity_->pool;
    identity.node = hall_.identity_->node;
    if (const auto pool = hall_.view()) {
        if (const auto* self = membership::find(pool->members, identity.node)) {
            identity.name = self->name;
        }
    }
    identity.incarnation = hall_.incarnation().incarnation;
    identity.channel_key = ChannelPublicKey{hall_.keys_->channel_key.public_key()};
    identity.channel_private_key = channel_private_key_;
    return identity;
}

Result<std::uint64_t> Hall::Replication::next_link_counter() {
    {
        const std::lock_guard guard(mutex_);
        if (link_counter_ < link_counters_end_) return ++link_counter_;
    }
    auto writing = begin_writing();
    if (!writing) return writing.error();
    const auto last = membership::take_link_counters(hall_.writing_->database, link_counter_block);
    if (!last) return last.error();
    if (auto done = writing->transaction.commit(); !done) return done.error();
    const std::lock_guard guard(mutex_);
    link_counters_end_ = *last;
    link_counter_ = *last - link_counter_block + 1;
    return link_counter_;
}

void Hall::Replication::random(std::span<std::byte> bytes) {
    hall_.environment_->random(bytes);
}

Peer Hall::Replication::find_peer(const ChannelPublicKey& key) {
    const auto pool = hall_.view();
    if (!pool) return {};
    const auto has_key = [&](const auto& node) { return node.channel_key == key.bytes; };
    if (const auto found = std::ranges::find_if(pool->members, has_key);
        found != pool->members.end()) {
        return {.standing = Peer::Standing::member,
                .node = found->id,
                .name = found->name,
                .may = found->capabilities};
    }
    if (const auto found = std::ranges::find_if(pool->former_members, has_key);
        found != pool->former_members.end()) {
        return {.standing = Peer::Standing::removed, .node = found->id, .name = found->name};
    }
    return {};
}

Result<Secret> Hall::Replication::member_psk() {
    if (hall_.stage_ == Stage::joining) {
        return Error(errc::key_unavailable, "nobody has let this node in yet");
    }
    return Secret(hall_.keys_->keyring->channel_psk());
}

Result<Secret> Hall::Replication::invitation_psk(const InvitationId& id,
                                                 const ChannelPublicKey& key) {
    const auto pool = hall_.view();
    const auto time = hall_.judged_time();
    if (pool) {
        for (const auto& invitation : pool->invitations) {
            if (invitation.id.bytes != id.bytes || time >= invitation.expires) continue;
            const auto* holder = invitation.spent_by
                                     ? membership::find(pool->members, *invitation.spent_by)
                                     : nullptr;
            // Of one that is spent only the machine that spent it learns more.
            if (invitation.spent_by && (!holder || holder->channel_key != key.bytes)) break;
            return Secret(invitation.psk.view());
        }
    }
    return errc::not_found;
}

Result<void> Hall::Replication::heard_head(const NodeId& peer, const LogHead& head) {
    const std::lock_guard guard(mutex_);
    const auto mine = head.seq == head_.seq ? std::optional(head_.hash) : recent_.hash_of(head.seq);
    if (mine && *mine != head.hash && head.seq != LogSeq{0}) {
        hall_.tell(Event::Kind::fork,
                   "batch " + std::to_string(value(head.seq)) + " is " + to_hex(mine->bytes) +
                       " here, and " + to_hex(head.hash.bytes) + " at " + to_string(peer));
        return Error(errc::fork,
                     "batch " + std::to_string(value(head.seq)) + " is another one there");
    }
    hall_.heard_of(peer, head.seq);
    if (hall_.confirmed_) return {};
    // A restored primary waits for a member that knew its whole log before they met, and has
    // nothing beyond it now. One that lagged then knows only what it was told since.
    const bool lagged = lagged_.try_emplace(peer, head.seq < head_.seq).first->second;
    if (!lagged && head.seq == head_.seq) hall_.confirmed_ = true;
    return {};
}

void Hall::Replication::suspect_clone(const NodeId& peer) {
    hall_.tell(Event::Kind::clone_suspected, to_string(peer));
}

Result<void> Hall::Replication::told_of_clone() {
    const auto suspected = [&](const char* what) {
        hall_.tell(Event::Kind::clone_suspected,
                   to_string(hall_.identity_->node) + " (this node): " + what);
    };
    if (hall_.stage_ == Stage::joining || hall_.stage_ == Stage::copying) {
        suspected("a new incarnation begins");
        return hall_.leave_unused_incarnation();
    }
    if (hall_.stage_ != Stage::ready) return {};
    const auto left = hall_.leave_incarnation();
    if (!left) {
        suspected("a new incarnation could not begin");
        return left.error();
    }
    suspected(*left ? "a new incarnation begins" : "its incarnation is too new to be left again");
    if (*left) {
        hall_.tell(Event::Kind::new_incarnation,
                   "a member says that two directories speak as this node");
    }
    return {};
}

void Hall::Replication::forget_who_lagged() {
    const std::lock_guard guard(mutex_);
    lagged_.clear();
}

// The log.

LogHead Hall::Replication::head() {
    const std::lock_guard guard(mutex_);
    return head_;
}

std::vector<Designated> Hall::Replication::designations() {
    const std::lock_guard guard(mutex_);
    return designations_;
}

std::optional<NodeId> Hall::Replication::primary() {
    const std::lock_guard guard(mutex_);
    if (designations_.empty()) return std::nullopt;
    return designations_.back().key.node;
}

Result<Hall::Replication::Writing> Hall::Replication::begin_writing() {
    auto lock = hall_.directory_.write_lock(hall_.options_.lock_patience);
    if (!lock) return lock.error();
    if (auto ready = hall_.recover_if_suspect(); !ready) return ready.error();
    auto transaction = sqlite::Transaction::begin(hall_.writing_->database);
    if (!transaction) return transaction.error();
    return Writing{.lock = std::move(*lock), .transaction = std::move(*transaction)};
}

Result<void> Hall::Replication::add_designations(std::span<const SignedBytes> statements) {
    auto writing = begin_writing();
    if (!writing) return writing.error();
    membership::Designations::Signers signers{
        .pool = hall_.identity_->pool, .root_key = hall_.identity_->root_key, .self_signers = {}};
    if (const auto pool = hall_.view()) {
        for (const auto& member : pool->members) {
            if (includes(member.capabilities, Capability::stand)) {
                signers.self_signers.push_back(member.id);
            }
        }
    }
    auto& designations = hall_.writing_->ledger.designations;
    for (const auto& statement : statements) {
        const auto added = designations.add(to_statement(statement), signers);
        if (!added) return added.error();
    }
    // What can fail is done before the commit: after it they hold.
    auto stored = stored_designations();
    if (!stored) return stored.error();
    std::shared_ptr<const PoolView> fresh;
    if (hall_.view()) {
        auto pool = hall_.read_own_view();
        if (!pool) return pool.error();
        fresh = std::move(*pool);
    }
    if (auto done = writing->transaction.commit(); !done) return done;
    {
        const std::lock_guard guard(mutex_);
        designations_ = std::move(*stored);
    }
    if (fresh) hall_.set_view(std::move(fresh));
    notify();
    return {};
}

std::optional<std::vector<SharedBatch>> Hall::Replication::recent_batches(LogSeq after,
                                                                          std::size_t max_bytes,
                                                                          std::size_t max_batches) {
    const std::lock_guard guard(mutex_);
    if (after >= head_.seq) return std::vector<SharedBatch>{};
    return recent_.following(after, max_bytes, max_batches);
}

Result<BatchRun> Hall::Replication::read_batches(LogSeq after,
                                                 std::size_t max_bytes,
                                                 std::size_t max_batches) {
    auto readers = hall_.reader();
    if (!readers) return readers.error();
    const auto snapshot = sqlite::ReadTransaction::begin(readers->database());
    if (!snapshot) return snapshot.error();
    const auto head = (*readers)->head.read();
    if (!head) return head.error();
    BatchRun run;
    std::size_t bytes = 0;
    for (LogSeq seq = next(after); seq <= head->place.seq && run.batches.size() < max_batches;
         seq = next(seq)) {
        auto batch = (*readers)->batches.get(seq);
        if (!batch) return batch.error();
        if (!*batch) {
            run.gone = run.batches.empty();
            break;
        }
        bytes += (*batch)->bytes.size();
        if (!run.batches.empty() && bytes > max_bytes) break;
        run.batches.push_back(to_envelope(std::move(**batch)));
    }
    return run;
}

Result<std::shared_ptr<const PoolView>> Hall::Replication::look_at_pool(bool changed_pool) {
    if (!changed_pool) return std::shared_ptr<const PoolView>();
    const auto known = hall_.view();
    return known ? hall_.change_pool(*known) : hall_.read_own_view();
}

Result<LogHead> Hall::Replication::apply(std::span<const SharedBatch> batches, log::Rows rows) {
    if (hall_.stage_ == Stage::joining) return Error(errc::not_a_member, "nobody let this node in");
    const auto run = to_signed_batches(batches);
    auto writing = begin_writing();
    if (!writing) return writing.error();
    const LogSeq before = head().seq;
    bool concerns_pool = false;
    std::vector<UserId> erased;
    const auto note = [&](const records::Change& change) {
        if (change.name.kind != records::RecordKind::user) {
            concerns_pool = true;
        } else if (!change.put) {
            erased.push_back(UserId{change.name.id.bytes});
        }
    };
    const auto head = log::accept(hall_.writing_->ledger, run, note, rows);
    if (!head) {
        if (head.error() == errc::fork) hall_.tell(Event::Kind::fork, head.error().detail());
        return head.error();
    }
    if (is_planted(Mutant::keep_erased_rows)) erased.clear();
    for (const auto& user : erased) {
        if (auto gone = hall_.writing_->attempts.erase(user); !gone) return gone.error();
    }
    auto fresh = look_at_pool(concerns_pool);
    if (!fresh && rows == log::Rows::damaged) fresh = nullptr;  // read again once repaired
    if (!fresh) return fresh.error();
    if (auto done = writing->transaction.commit(); !done) return done.error();
    {
        const std::lock_guard guard(mutex_);
        head_ = to_link_head(*head);
        for (const auto& batch : batches) {
            if (batch->seq > before) recent_.push(batch);
        }
    }
    moved_on(std::move(*fresh));
    return to_link_head(*head);
}

void Hall::Replication::moved_on(std::shared_ptr<const PoolView> fresh) {
    const LogHead head = this->head();
    hall_.last_written_ = head.seq;
    heard_from_primary(head.time, hall_.now().monotonic);
    const auto stage = fresh ? hall_.stage_of(*fresh) : Stage::copying;
    if (hall_.stage_ == Stage::copying && !hall_.gate_) {
        // What was stored is stored: run_due() tries again.
        if (auto entered = hall_.enter_if_copied(std::move(fresh)); !entered) {
            hall_.tell(Event::Kind::housekeeping_failed, entered.error().message());
        }
    } else if (fresh) {
        hall_.set_view(std::move(fresh));
        if (stage == Stage::removed && hall_.stage_.exchange(stage) != stage) {
            hall_.tell(Event::Kind::node_removed, "this node");
        }
    }
    keep_house();
    notify();
}

void Hall::Replication::keep_house() {
    if (auto done = hall_.after_commit(); !done) {
        hall_.tell(Event::Kind::housekeeping_failed, done.error().message());
    }
}

void Hall::Replication::note_ack(const NodeId& peer, LogSeq seq) {
    const std::lock_guard guard(mutex_);
    acked_[peer] = seq;
}

}  // namespace countersign
