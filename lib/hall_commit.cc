#include <algorithm>
#include <utility>

#include "attempts/members_word.h"
#include "hall.h"
#include "records/codec.h"

namespace countersign {
namespace {

constexpr std::size_t seed_size = sealing::Entropy::seed_size;

/// Whether a batch's changes touch what a PoolView shows.
bool concerns_view(std::span<const records::Change> changes) {
    return std::ranges::any_of(changes, [](const records::Change& change) {
        return change.name.kind != records::RecordKind::user;
    });
}

}  // namespace

std::string PoolView::primary_name() const {
    if (!designation) return "not designated yet";
    const auto* member = membership::find(members, designation->node);
    return member ? member->name : to_string(designation->node);
}

Result<Readers> Readers::prepare(sqlite::Database& database) {
    auto records = records::Reader::prepare(database);
    if (!records) return records.error();
    auto head = log::HeadRow::prepare(database);
    if (!head) return head.error();
    auto designations = membership::Designations::prepare(database);
    if (!designations) return designations.error();
    auto attempts = attempts::Tables::prepare(database);
    if (!attempts) return attempts.error();
    return Readers{std::move(*records), std::move(*head), std::move(*designations),
                   std::move(*attempts)};
}

Result<WritingHandle> WritingHandle::open(const std::string& path,
                                          const sqlite::OpenOptions& options,
                                          const PoolId& pool,
                                          const sealing::Keyring& keyring) {
    auto database = sqlite::Database::open(path, options);
    if (!database) return database.error();
    auto ledger = log::Ledger::prepare(*database, pool, keyring.digest_key());
    if (!ledger) return ledger.error();
    auto attempts = attempts::Tables::prepare(*database);
    if (!attempts) return attempts.error();
    return WritingHandle{std::move(*database), std::move(*ledger), std::move(*attempts)};
}

sealing::Entropy Hall::entropy() const {
    auto seed = Secret::of_size(seed_size);
    environment_->random(seed.writable());
    return sealing::Entropy(seed.bytes().first<seed_size>());
}

std::shared_ptr<const PoolView> Hall::view() const {
    const std::lock_guard guard(view_mutex_);
    return view_;
}

void Hall::set_view(std::shared_ptr<const PoolView> view) {
    const std::lock_guard guard(view_mutex_);
    if (!view_ || view_->seq <= view->seq) view_ = std::move(view);
}

Result<std::shared_ptr<const PoolView>> Hall::read_view(
    records::Reader& reader,
    log::HeadRow& head_row,
    membership::Designations& designations) const {
    const auto head = head_row.read();
    if (!head) return head.error();
    auto designation = designations.current();
    if (!designation) return designation.error();
    records::Sealer sealer(identity_->pool, keys_->keyring);
    auto members =
        membership::read_members(reader, sealer, identity_->pool, identity_->root_key);
    if (!members) return members.error();
    auto settings = read_settings(reader, sealer);
    if (!settings) return settings.error();
    return std::make_shared<const PoolView>(PoolView{.seq = head->place.seq,
                                                     .settings = std::move(*settings),
                                                     .members = std::move(*members),
                                                     .designation = std::move(*designation),
                                                     .sealer = std::move(sealer)});
}

Result<std::shared_ptr<const PoolView>> Hall::current_view(Readers& readers) {
    auto known = view();
    const auto newest = readers.records.newest_of_pool();
    if (!newest) return newest.error();
    if (*newest <= known->seq) return known;
    auto fresh = read_view(readers.records, readers.head, readers.designations);
    if (fresh) set_view(*fresh);
    return fresh;
}

Result<std::shared_ptr<const PoolView>> Hall::writable() {
    auto known = view();
    if (!known->is_primary(identity_->node)) {
        return Error(errc::not_primary, "write at " + known->primary_name());
    }
    return known;
}

log::Appender::Execute Hall::executing(commands::Command command) const {
    auto seed = std::make_shared<Secret>(Secret::of_size(seed_size));
    environment_->random(seed->writable());
    return [this, seed, time = now().wall, command = std::make_shared<commands::Command>(
                                               std::move(command))](records::Reader& reader,
                                                                    LogSeq) {
        const auto pool = view();
        sealing::Entropy entropy(seed->bytes().first<seed_size>());
        return commands::execute(*command, reader,
                                 {.sealer = pool->sealer,
                                  .index = *index_,
                                  .settings = pool->settings,
                                  .now = time,
                                  .entropy = entropy});
    };
}

Result<LogSeq> Hall::write(commands::Command command) {
    if (const auto pool = writable(); !pool) return pool.error();
    return queue_.commit({.rows = {}, .execute = executing(std::move(command))});
}

void Hall::commit_group(std::span<Write* const> group) {
    while (!group.empty()) {
        const auto committed = commit_some(group);
        if (!committed) {
            for (Write* write : group) write->outcome = committed.error();
            return;
        }
        group = group.subspan(*committed);
    }
}

Result<void> Hall::notice_others(const log::Head& head) {
    if (head.place.seq == last_written_) return {};
    auto fresh =
        read_view(writing_->ledger.reader, writing_->ledger.head, writing_->ledger.designations);
    if (!fresh) return fresh.error();
    set_view(std::move(*fresh));
    return {};
}

Result<std::size_t> Hall::commit_some(std::span<Write* const> group) {
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
    const attempts::MembersWord word(pool->members, [&](const UserId& user) {
        return realm_of(ledger.reader, user);
    });
    auto journal = attempts::Journal::begin(writing_->attempts, identity_->node, head->place.seq,
                                            keys_->signing_key, word, word);
    if (!journal) return journal.error();
    auto appender = log::Appender::begin(ledger, keys_->signing_key);

    std::size_t taken = 0;
    for (; taken < group.size(); ++taken) {
        Write& write = *group[taken];
        std::optional<Error> failure;
        if (write.rows) {
            if (auto done = write.rows(*journal); !done) failure = done.error();
        }
        if (write.execute && !failure) {
            if (!appender) {
                failure = appender.error();
            } else {
                const auto added = appender->add(write.execute, failure);
                if (!added) return added.error();
                if (*added == log::Appender::Added::next_group) break;
            }
        }
        if (failure) {
            write.outcome = *failure;
        } else {
            write.outcome = write.execute ? appender->seq() : head->place.seq;
        }
    }

    const UnixTime wall = now().wall;
    std::optional<log::SignedBatch> batch;
    if (appender) {
        auto closed = appender->close(wall);
        if (!closed) return closed.error();
        batch = std::move(*closed);
    }
    if (auto flushed = journal->flush(wall); !flushed) return flushed.error();
    if (auto committed = transaction->commit(); !committed) return committed.error();

    if (batch) {
        last_written_ = batch->place.seq;
        if (appender->concerns_pool()) {
            auto fresh = read_view(ledger.reader, ledger.head, ledger.designations);
            if (fresh) set_view(std::move(*fresh));
        }
    }
    after_commit(*lock);
    return taken;
}

}  // namespace countersign
