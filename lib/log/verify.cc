#include "log/verify.h"

#include "log/author.h"
#include "log/scrub.h"

namespace countersign::log {
namespace {

constexpr std::size_t rows_a_slice = 10'000;

/// Walks from the first batch that is held to the head; returns how many there were.
Result<std::uint64_t> walk(Ledger& ledger, const Head& head) {
    const auto first = ledger.batches.first();
    if (!first) return first.error();
    if (head.place.seq == LogSeq{0}) return 0;
    std::optional<sealing::Hash256> before;
    std::uint64_t walked = 0;
    for (LogSeq seq = *first; seq <= head.place.seq; seq = next(seq), ++walked) {
        const auto stored = ledger.batches.get(seq);
        if (!stored) return stored.error();
        if (!*stored) return Error(errc::chain_gap, described(seq) + " is missing");
        if (auto authored = check_author(ledger.designations, **stored); !authored) {
            return authored.error();
        }
        const auto batch = decode(**stored);
        if (!batch) return batch.error();
        if (batch->pool != ledger.pool) return Error(errc::wrong_pool, described(seq));
        if (before && batch->previous != *before) {
            return Error(errc::chain_gap, described(seq) + " does not follow the one before");
        }
        before = (*stored)->hash();
        if (seq == head.place.seq && batch->digest != head.digest.digest()) {
            return Error(errc::digest_mismatch,
                         "the head's digest is not what " + described(seq) + " signs");
        }
    }
    if (!before || *before != head.hash) {
        return Error(errc::chain_gap, "the head is not the last batch that is held");
    }
    return walked;
}

}  // namespace

Result<Verified> verify(sqlite::Database& database, Ledger& ledger) {
    auto scrub = Scrub::begin(database, ledger.hash_row);
    if (!scrub) return scrub.error();
    const auto batches = walk(ledger, scrub->head());
    if (!batches) return batches.error();
    for (;;) {
        const auto done = scrub->step(rows_a_slice);
        if (!done) return done.error();
        if (*done) break;
    }
    if (!scrub->sound()) {
        return Error(
            errc::digest_mismatch,
            "the records are not those that " + described(scrub->head().place.seq) + " signs");
    }
    return Verified{.batches = *batches, .records = scrub->rows_read(), .head = scrub->head()};
}

}  // namespace countersign::log
