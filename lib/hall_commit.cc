#include <algorithm>
#include <utility>

#include "countersign/mutants.h"

#include "attempts/members_word.h"
#include "hall.h"
#include "hall_replication.h"

namespace countersign {

sealing::Entropy Hall::entropy() const {
    sealing::Entropy::Seed seed;
    environment_->random(seed);
    return sealing::Entropy(seed);
}

Result<std::shared_ptr<const PoolView>> Hall::writable(bool may_wait) {
    if (auto member = require_member(); !member) return member.error();
    if (damaged_) {  // as far as this process knows; the commit looks into the file
        if (auto sound = require_sound(); !sound) return sound.error();
    }
    if (asks_) {
        if (auto heard = await_members(may_wait); !heard) return heard.error();
    }
    auto known = view();
    if (!known->is_primary(identity_->node)) {
        return Error(errc::not_primary, "write at " + known->primary_name());
    }
    if (known->members.size() > 1 && !is_confirmed() && !is_planted(Mutant::reuse_seq)) {
        return Error(errc::needs_confirmation,
                     "this directory is a copy or came from a backup: make sure that no other node"
                     " holds later batches of its own, then confirm it");
    }
    return known;
}

bool Hall::is_confirmed() {
    if (confirmed_) return true;
    auto readers = reader();
    const auto author = readers ? (*readers)->attempts.author()
                                : Result<std::optional<attempts::AuthorRow>>(readers.error());
    if (author && *author && (*author)->is_confirmed) confirmed_ = true;
    return confirmed_;
}

log::Appender::Execute Hall::executing(commands::Command command) const {
    sealing::Entropy::Seed seed;
    environment_->random(seed);
    return [this,
            seed,
            time = now().wall,
            command = std::make_shared<commands::Command>(std::move(command))](
               records::Reader& reader, LogSeq) {
        const auto pool = view();
        sealing::Entropy entropy(seed);
        return commands::execute(*command,
                                 reader,
                                 {.sealer = pool->sealer,
                                  .index = *index_,
                                  .settings = pool->settings,
                                  .pool = identity_->pool,
                                  .root_key = identity_->root_key,
                                  .now = time,
                                  .entropy = entropy});
    };
}

Result<LogSeq> Hall::write(commands::Command command) {
    if (const auto pool = writable(); !pool) return pool.error();
    return queue_.commit({.rows = {}, .execute = executing(std::move(command))});
}

void Hall::commit_group(Group& group) {
    std::size_t done = 0;
    while (done < group.writes().size()) {
        const auto committed = commit_some(group, done);
        if (!committed) {
            for (Write* write : group.writes().subspan(done)) write->outcome = committed.error();
            return;
        }
        done = *committed;
    }
}

Result<void> Hall::notice_others(const log::Head& head) {
    if (head.place.seq == last_written_) return {};
    auto fresh = read_own_view();
    if (!fresh) return fresh.error();
    const bool is_removed = stage_of(**fresh) == Stage::removed;
    set_view(std::move(*fresh));
    last_written_ = head.place.seq;
    if (is_removed && stage_.exchange(Stage::removed) != Stage::removed) {
        tell(Event::Kind::node_removed, "this node");
    }
    replication_->moved(head);
    return {};
}

Result<std::size_t> Hall::gather(Group& group,
                                 std::size_t done,
                                 Result<log::Appender>& appender,
                                 attempts::Journal& journal,
                                 LogSeq head) {
    for (; done < group.writes().size() || group.grow(); ++done) {
        Write& write = *group.writes()[done];
        std::optional<Error> failure;
        const auto write_rows = [&]() -> Result<void> {
            return write.rows ? write.rows(journal) : Result<void>();
        };
        if (!write.execute) {
            if (auto written = write_rows(); !written) failure = written.error();
        } else if (!appender) {
            failure = appender.error();
        } else {
            const auto added = appender->add(write.execute, failure, write_rows);
            if (!added) return added.error();
            if (*added == log::Appender::Added::next_group) break;
        }
        if (failure && !(is_planted(Mutant::hide_group_failure) && done > 0)) {
            write.outcome = *failure;
        } else {
            write.outcome = write.execute ? appender->seq() : head;
        }
    }
    return done;
}

Result<log::Appender> Hall::begin_batch(log::Head head) {
    const auto sound = judge_damage(read_damage(writing_->damage));
    if (!sound) return sound.error();
    return log::Appender::begin(writing_->ledger, keys_->signing_key, std::move(head));
}

Result<std::size_t> Hall::commit_some(Group& group, std::size_t done) {
    auto lock = directory_.write_lock(options_.lock_patience);
    if (!lock) return lock.error();
    if (auto ready = recover_if_suspect(); !ready) return ready.error();
    auto& ledger = writing_->ledger;
    auto transaction = sqlite::Transaction::begin(writing_->database);
    if (!transaction) return transaction.error();
    const auto head = ledger.head.read();
    if (!head) return head.error();
    if (auto noticed = notice_others(*head); !noticed) return noticed.error();

    const auto pool = view();
    const attempts::MembersWord word(
        pool->members, [&](const UserId& user) { return realm_of(ledger.reader, user); });
    const Now time = now();
    auto journal = attempts::Journal::begin(writing_->attempts,
                                            {.key = keys_->signing_key,
                                             .head = head->place.seq,
                                             .whose_word = word,
                                             .whose_spent = word,
                                             .sightings = *sightings_,
                                             .now = time.monotonic});
    if (!journal) return journal.error();
    if (journal->author().incarnation != incarnation().incarnation) live_as(journal->author());
    const auto known_failures = journal->author().arrival;
    const auto overrun = journal->make_room(*unknown_rows_);
    if (!overrun) return overrun.error();
    if (*overrun) tell(Event::Kind::many_unknown, "unknown names are tried faster than they fit");
    auto appender = begin_batch(*head);

    const auto taken = gather(group, done, appender, *journal, head->place.seq);
    if (!taken) return taken.error();

    std::optional<log::SignedBatch> batch;
    std::shared_ptr<const PoolView> fresh;
    if (appender) {
        auto closed = appender->close(time.wall);
        if (!closed) return closed.error();
        batch = std::move(*closed);
        if (batch && appender->concerns_pool()) {
            auto changed = change_pool(*pool);
            if (!changed) return changed.error();
            fresh = std::move(*changed);
        }
    }
    if (auto flushed = journal->flush(time.wall); !flushed) return flushed.error();
    if (const auto arrival = journal->author().arrival; arrival != known_failures) {
        const attempts::SightingMark mark{.arrival = arrival, .known_by = time.monotonic};
        if (auto put = writing_->sightings.put(mark, boot_id_); !put) return put.error();
    }
    if (auto committed = transaction->commit(); !committed) return committed.error();

    sightings_->note(journal->author().arrival, now().monotonic);
    replication_->rows_moved(*journal, time.monotonic);
    raise_time_floor(std::max(time.wall, head->time));
    if (batch) {
        last_written_ = batch->place.seq;
        if (fresh) set_view(std::move(fresh));
        replication_->wrote(std::move(*batch), appender->head());
    }
    // What was committed is committed: trouble behind it is told, not answered to these callers.
    if (auto kept = after_commit(); !kept) {
        tell(Event::Kind::housekeeping_failed, kept.error().message());
    }
    return *taken;
}

Result<void> Hall::after_commit() {
    if (auto marked = update_marker(); !marked) return marked;
    if (writing_->database.wal_bytes() < options_.checkpoint_bytes) return {};
    const auto moved = writing_->database.checkpoint(sqlite::CheckpointMode::passive);
    return moved ? Result<void>() : moved.error();
}

Result<void> Hall::update_marker() {
    const bool is_first_copy = !marker_;
    if (is_first_copy || !marker_->is_due(now().monotonic)) return {};
    const auto author = writing_->attempts.author();
    if (!author) return author.error();
    return marker_->update({.incarnation = (*author)->incarnation,
                            .head = last_written_,
                            .row_seq = (*author)->row_seq},
                           now().monotonic);
}

void Hall::raise_time_floor(UnixTime time) {
    UnixTime known = time_floor_.load();
    while (known < time && !time_floor_.compare_exchange_weak(known, time)) {
    }
}

Instant Hall::deadline(std::optional<milliseconds> patience) const {
    return now().monotonic + patience.value_or(options_.deadline);
}

void Hall::tell(Event::Kind kind, std::string detail) const {
    const bool is_hidden = kind == Event::Kind::fork && is_planted(Mutant::hide_fork);
    if (options_.on_event && !is_hidden) {
        options_.on_event({.kind = kind, .time = now().wall, .detail = std::move(detail)});
    }
}

void Hall::run_blocking(std::function<void()> task) const {
    if (options_.run_blocking) {
        options_.run_blocking(std::move(task));
    } else {
        task();
    }
}

}  // namespace countersign
