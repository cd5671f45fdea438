#include "log/accept.h"

#include <string>
#include <utility>
#include <vector>

#include "log/author.h"

namespace countersign::log {
namespace {

/// How many of `batches` this store holds already, byte for byte.
Result<std::size_t> held(Ledger& ledger, std::span<const SignedBatch> batches, LogSeq head) {
    Successors successors(ledger.designations);
    std::size_t count = 0;
    for (; count < batches.size() && batches[count].place.seq <= head; ++count) {
        const auto& batch = batches[count];
        const auto mine = ledger.batches.get(batch.place.seq);
        if (!mine) return mine.error();
        if (!*mine || (*mine)->bytes == batch.bytes) continue;
        // Only what its author has signed, and may have signed, contradicts anything.
        if (auto authored = check_author(ledger.designations, batch); !authored) {
            return authored.error();
        }
        if (auto within = successors.check(batch.place, batch.hash()); !within) {
            return within.error();
        }
        return Error(errc::fork, "two batches claim the place of " + described(batch.place.seq));
    }
    return count;
}

Result<void> check_sequence(std::span<const SignedBatch> run, LogSeq head) {
    for (std::uint64_t due = value(head) + 1; const auto& batch : run) {
        if (value(batch.place.seq) != due) {
            return Error(errc::chain_gap,
                         described(batch.place.seq) + " came where batch " + std::to_string(due) +
                             " was due");
        }
        ++due;
    }
    return {};
}

struct Proved {
    Batch batch;
    sealing::Hash256 hash;
};

/// Decodes a run from its last batch to its first: each is proved, by signature or by the chain of
/// the one behind it, before a byte of it is decoded.
Result<std::vector<Proved>> prove(Ledger& ledger, std::span<const SignedBatch> run) {
    std::vector<Proved> proved(run.size());
    for (std::size_t i = run.size(); i-- > 0;) {
        const bool last = i + 1 == run.size();
        if (last || !same_designation(run[i].place, run[i + 1].place)) {
            auto authored = check_author(ledger.designations, run[i]);
            if (!authored) return authored.error();
        }
        const auto hash = run[i].hash();
        if (!last && proved[i + 1].batch.previous != hash) {
            return Error(errc::chain_gap,
                         described(run[i + 1].place.seq) + " follows another batch");
        }
        auto batch = decode(run[i]);
        if (!batch) return batch.error();
        if (batch->pool != ledger.pool) return Error(errc::wrong_pool, described(run[i].place.seq));
        proved[i] = {std::move(*batch), hash};
    }
    return proved;
}

Result<void> check_follows(Ledger& ledger,
                           const Head& head,
                           const Proved& next,
                           Successors& successors) {
    const Batch& batch = next.batch;
    auto placed = check_succession(ledger.designations, head, batch.place);
    if (!placed) return placed;
    auto within = successors.check(batch.place, next.hash);
    if (!within) return within;
    if (batch.previous != head.hash) {
        return Error(errc::fork, described(batch.place.seq) + " continues another branch");
    }
    if (batch.time < head.time) {
        return Error(errc::malformed, described(batch.place.seq) + " is older than the one before");
    }
    return {};
}

}  // namespace

Result<Head> accept(Ledger& ledger, std::span<const SignedBatch> batches) {
    auto head = ledger.head.read();
    if (!head) return head.error();
    const auto skip = held(ledger, batches, head->place.seq);
    if (!skip) return skip.error();
    const auto run = batches.subspan(*skip);
    if (run.empty()) return head;
    if (auto due = check_sequence(run, head->place.seq); !due) return due.error();
    const auto proved = prove(ledger, run);
    if (!proved) return proved.error();

    Successors successors(ledger.designations);
    for (std::size_t i = 0; i < run.size(); ++i) {
        const Batch& batch = (*proved)[i].batch;
        auto follows = check_follows(ledger, *head, (*proved)[i], successors);
        if (!follows) return follows.error();
        for (const auto& change : batch.changes) {
            auto applied = ledger.apply(change, batch.place.seq, head->digest);
            if (!applied) return applied.error();
        }
        if (head->digest.digest() != batch.digest) {
            return Error(errc::digest_mismatch, "after " + described(batch.place.seq));
        }
        if (auto stored = ledger.batches.put(run[i], batch.time); !stored) return stored.error();
        head->place = batch.place;
        head->hash = (*proved)[i].hash;
        head->time = batch.time;
    }
    if (auto moved = ledger.head.write(*head); !moved) return moved.error();
    return head;
}

}  // namespace countersign::log
