#include "log/append.h"

#include <algorithm>
#include <cassert>
#include <functional>
#include <utility>

#include "countersign/mutants.h"

#include "log/author.h"

namespace countersign::log {
namespace {

constexpr std::size_t batch_overhead = 512;

Result<std::size_t> checked_size(const std::vector<records::Change>& changes) {
    if (changes.size() > batch_changes_limit) {
        return Error(errc::too_large, "one write changes more than 10,000 records");
    }
    std::size_t bytes = 0;
    for (const auto& change : changes) {
        if (change.put && (change.put->sealed.size() > sealed_limit ||
                           change.put->handles.size() > handles_limit)) {
            return Error(errc::too_large, "a record above its limit");
        }
        bytes += encoded_size(change);
    }
    if (bytes + batch_overhead > batch_bytes_limit) {
        return Error(errc::too_large, "one write of more than 8 MiB");
    }
    return bytes;
}

bool ascends(const std::vector<records::Handle>& handles) {
    return std::ranges::adjacent_find(handles, std::greater_equal{}) == handles.end();
}

}  // namespace

Appender::Appender(Ledger& ledger, const sealing::SigningKey& key, Head head, Place place)
    : ledger_(&ledger), key_(&key), head_(std::move(head)), seq_(place.seq), place_(place) {}

Result<Appender> Appender::begin(Ledger& ledger, const sealing::SigningKey& key, Head head) {
    const auto current = ledger.designations.current();
    if (!current) return current.error();
    const NodeId self{key.public_key()};
    if (!*current) return Error(errc::not_primary, "no primary is designated yet");
    if ((*current)->node != self) {
        return Error(errc::not_primary, "the primary is node " + to_string((*current)->node));
    }
    if (head.place.seq < (*current)->base_seq) {
        return Error(errc::chain_gap, "this store lacks batches that its designation is based on");
    }
    const Place place{.root_term = (*current)->root_term,
                      .epoch = (*current)->epoch,
                      .node = self,
                      .seq = next(head.place.seq)};
    auto follows = check_succession(ledger.designations, head, place);
    if (!follows) {
        if (follows.error() != errc::wrong_epoch) return follows.error();
        return Error(errc::wrong_epoch,
                     "this store holds batches that its designation leaves out; rewind it first");
    }
    return Appender(ledger, key, std::move(head), place);
}

Result<Appender::Added> Appender::add(const Execute& execute,
                                      std::optional<Error>& failure,
                                      const std::function<Result<void>()>& consent) {
    auto changes = execute(ledger_->reader, seq_);
    if (!changes) {
        failure = changes.error();
        return Added::in_group;
    }
    const auto bytes = checked_size(*changes);
    if (!bytes) {
        failure = bytes.error();
        return Added::in_group;
    }
    if (changes_.size() + changes->size() > batch_changes_limit ||
        batch_overhead + bytes_ + *bytes > batch_bytes_limit) {
        return Added::next_group;
    }
    if (auto agreed = consent ? consent() : Result<void>(); !agreed) {
        failure = agreed.error();
        return Added::in_group;
    }
    for (auto& change : *changes) {
        concerns_pool_ = concerns_pool_ || change.name.kind != records::RecordKind::user;
        assert(!change.put || ascends(change.put->handles));  // or no replica would take it
        if (auto applied = ledger_->apply(change, seq_, head_.digest); !applied) {
            return applied.error();
        }
        change.before.reset();
        if (is_planted(Mutant::first_change_stays) && changes_.contains(change.name)) continue;
        changes_.insert_or_assign(change.name, std::move(change));
    }
    bytes_ += *bytes;
    return Added::in_group;
}

Result<std::optional<SignedBatch>> Appender::close(UnixTime now) {
    if (changes_.empty()) return std::nullopt;
    Batch batch;
    batch.pool = ledger_->pool;
    batch.place = place_;
    batch.previous = head_.hash;
    batch.time = std::max(now, head_.time);
    batch.digest = head_.digest.digest();
    for (auto& [name, change] : changes_) batch.changes.push_back(std::move(change));

    SignedBatch signed_batch;
    signed_batch.place = place_;
    signed_batch.bytes = encode(batch);
    signed_batch.signature =
        sealing::sign(sealing::SignatureKind::batch, signed_batch.bytes, *key_);

    head_.place = place_;
    head_.hash = signed_batch.hash();
    head_.time = batch.time;
    if (auto stored = ledger_->batches.put(signed_batch, batch.time); !stored)
        return stored.error();
    if (auto moved = ledger_->head.write(head_); !moved) return moved.error();
    return std::optional(std::move(signed_batch));
}

}  // namespace countersign::log
