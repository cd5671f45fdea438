#include "log/accept.h"

#include "countersign/mutants.h"

#include "log/run.h"

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

}  // namespace

Result<Head> accept(Ledger& ledger,
                    std::span<const SignedBatch> batches,
                    const std::function<void(const records::Change&)>& applied,
                    Rows rows) {
    auto head = ledger.head.read();
    if (!head) return head.error();
    const auto skip = held(ledger, batches, head->place.seq);
    if (!skip) return skip.error();
    const auto run = batches.subspan(*skip);
    if (run.empty()) return head;
    if (auto due = check_sequence(run, next(head->place.seq)); !due) return due.error();
    const auto proved = prove(ledger.designations, ledger.pool, run);
    if (!proved) return proved.error();

    Successors successors(ledger.designations);
    for (std::size_t i = 0; i < run.size(); ++i) {
        const Batch& batch = (*proved)[i].batch;
        auto follows = check_follows(ledger.designations, *head, (*proved)[i], successors);
        if (!follows) return follows.error();
        for (const auto& change : batch.changes) {
            if (is_planted(Mutant::skip_digest) && !change.put) continue;
            auto written = rows == Rows::damaged
                               ? ledger.overwrite(change, batch.place.seq)
                               : ledger.apply(change, batch.place.seq, head->digest);
            if (!written) return written.error();
            if (applied) applied(change);
        }
        const bool is_proved = rows == Rows::sound && !is_planted(Mutant::skip_digest);
        if (is_proved && head->digest.digest() != batch.digest) {
            return Error(errc::digest_mismatch, "after " + described(batch.place.seq));
        }
        const bool is_kept = !is_planted(Mutant::skip_batch_row) || i + 1 == run.size();
        auto stored = is_kept ? ledger.batches.put(run[i], batch.time) : Result<void>();
        if (!stored) return stored.error();
        head->place = batch.place;
        head->hash = (*proved)[i].hash;
        head->time = batch.time;
    }
    if (auto moved = ledger.head.write(*head); !moved) return moved.error();
    return head;
}

}  // namespace countersign::log
