#include "log/accept.h"

#include <algorithm>
#include <vector>

#include "log/author.h"

namespace countersign::log {
namespace {

/// How many of `batches` this store holds already, byte for byte.
Result<std::size_t> held(Ledger& ledger, std::span<const SignedBatch> batches, LogSeq head) {
    std::size_t count = 0;
    for (; count < batches.size() && batches[count].place.seq <= head; ++count) {
        const auto mine = ledger.batches.get(batches[count].place.seq);
        if (!mine) return mine.error();
        if (*mine && (*mine)->bytes != batches[count].bytes) {
            return Error(errc::fork,
                         "two batches claim the place of " + described(batches[count].place.seq));
        }
    }
    return count;
}

bool same_designation(const Place& left, const Place& right) {
    return left.root_term == right.root_term && left.epoch == right.epoch &&
           left.node == right.node;
}

/// That a batch may follow the head: first in its designation exactly at the base, and never of a
/// lower one than the head's.
Result<void> check_place(Ledger& ledger, const Head& head, const Place& place) {
    if (same_designation(place, head.place)) return {};
    const auto designation = ledger.designations.find(place.root_term, place.epoch, place.node);
    if (!designation) return designation.error();
    const bool rises =
        std::pair(place.root_term, place.epoch) > std::pair(head.place.root_term, head.place.epoch);
    if (!*designation || !rises || (*designation)->base_seq != head.place.seq ||
        (*designation)->base_hash != head.hash) {
        return Error(errc::wrong_epoch,
                     described(place.seq) + " is not where its designation begins");
    }
    return {};
}

/// Decodes a run from its last batch to its first: each is proved, by signature or by the chain of
/// the one behind it, before a byte of it is decoded.
Result<std::vector<Batch>> prove(Ledger& ledger, std::span<const SignedBatch> run) {
    std::vector<Batch> batches(run.size());
    for (std::size_t i = run.size(); i-- > 0;) {
        const bool chained = i + 1 < run.size() && same_designation(run[i].place, run[i + 1].place);
        if (!chained) {
            if (auto signed_ = check_author(ledger.designations, run[i]); !signed_)
                return signed_.error();
        }
        if (i + 1 < run.size() && batches[i + 1].previous != run[i].hash()) {
            return Error(errc::chain_gap,
                         described(run[i + 1].place.seq) + " follows another batch");
        }
        auto batch = decode(run[i]);
        if (!batch) return batch.error();
        if (batch->pool != ledger.pool) return Error(errc::wrong_pool, described(run[i].place.seq));
        batches[i] = std::move(*batch);
    }
    return batches;
}

}  // namespace

Result<Head> accept(Ledger& ledger, std::span<const SignedBatch> batches) {
    auto head = ledger.head.read();
    if (!head) return head.error();
    const auto skip = held(ledger, batches, head->place.seq);
    if (!skip) return skip.error();
    const auto run = batches.subspan(*skip);
    for (std::size_t i = 0; i < run.size(); ++i) {
        if (value(run[i].place.seq) != value(head->place.seq) + 1 + i) {
            return Error(errc::chain_gap,
                         described(run[i].place.seq) + " came where batch " +
                             std::to_string(value(head->place.seq) + 1 + i) + " was due");
        }
    }
    const auto decoded = prove(ledger, run);
    if (!decoded) return decoded.error();

    for (std::size_t i = 0; i < run.size(); ++i) {
        const Batch& batch = (*decoded)[i];
        if (batch.previous != head->hash) {
            return Error(errc::fork, described(batch.place.seq) + " continues another branch");
        }
        if (auto placed = check_place(ledger, *head, batch.place); !placed) return placed.error();
        if (batch.time < head->time) {
            return Error(errc::malformed,
                         described(batch.place.seq) + " is older than the one before");
        }
        for (const auto& change : batch.changes) {
            if (auto done = ledger.apply(change, batch.place.seq, head->digest); !done) {
                return done.error();
            }
        }
        if (head->digest.digest() != batch.digest) {
            return Error(errc::digest_mismatch, "after " + described(batch.place.seq));
        }
        if (auto stored = ledger.batches.put(run[i], batch.time); !stored) return stored.error();
        head->place = batch.place;
        head->hash = run[i].hash();
        head->time = batch.time;
    }
    if (!run.empty()) {
        if (auto moved = ledger.head.write(*head); !moved) return moved.error();
    }
    return head;
}

}  // namespace countersign::log
