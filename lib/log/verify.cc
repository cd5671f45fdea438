#include "log/verify.h"

#include <optional>

#include "log/author.h"
#include "log/scrub.h"

namespace countersign::log {
namespace {

constexpr std::size_t rows_a_slice = 10'000;

/// Follows the batches from the first that is held to the head.
class Walk {
  public:
    Walk(Ledger& ledger, const Head& head) : ledger_(ledger), head_(head) {}

    Result<BatchTable::Size> run() {
        const auto first = ledger_.batches.first();
        if (!first) return first.error();
        const auto last = ledger_.batches.last();
        if (!last) return last.error();
        if (*last != head_.place.seq) {
            return Error(errc::chain_gap,
                         "the head is " + described(head_.place.seq) + ", the last one held " +
                             described(*last));
        }
        for (LogSeq seq = *first; seq != LogSeq{0} && seq <= *last; seq = next(seq)) {
            if (auto right = step(seq); !right) return right.error();
        }
        if (auto right = check_end(); !right) return right.error();
        return walked_;
    }

  private:
    Result<void> step(LogSeq seq) {
        const auto stored = ledger_.batches.get(seq);
        if (!stored) return stored.error();
        if (!*stored) return Error(errc::chain_gap, described(seq) + " is missing");
        if (auto right = check_author(ledger_.designations, **stored); !right) return right;
        const auto batch = decode(**stored);
        if (!batch) return batch.error();
        if (batch->pool != ledger_.pool) return Error(errc::wrong_pool, described(seq));
        const auto hash = (*stored)->hash();
        if (auto right = successors_.check(batch->place, hash); !right) return right;
        if (before_) {
            if (batch->previous != before_->hash || batch->time < before_->time) {
                return Error(errc::chain_gap, described(seq) + " does not follow the one before");
            }
            auto right = check_succession(ledger_.designations, *before_, batch->place);
            if (!right) return right;
        }
        before_ = Head{.place = batch->place, .hash = hash, .time = batch->time, .digest = {}};
        digest_ = batch->digest;
        ++walked_.batches;
        walked_.bytes += (*stored)->bytes.size();
        return {};
    }

    Result<void> check_end() {
        const Head last = before_.value_or(Head{});
        if (last.place != head_.place || last.hash != head_.hash || last.time != head_.time) {
            return Error(errc::chain_gap, "the head is not the last batch that is held");
        }
        if (before_ && digest_ != head_.digest.digest()) {
            return Error(errc::digest_mismatch,
                         "the head's digest is not what " + described(last.place.seq) + " signs");
        }
        const auto size = ledger_.batches.size();
        if (!size) return size.error();
        if (size->bytes != walked_.bytes) {
            return Error(errc::corrupt, "the log's count of its bytes");
        }
        return {};
    }

    Ledger& ledger_;
    const Head& head_;
    Successors successors_{ledger_.designations};
    std::optional<Head> before_;
    sealing::Hash256 digest_;
    BatchTable::Size walked_;
};

}  // namespace

Result<Verified> verify(sqlite::Database& database, Ledger& ledger) {
    auto scrub = Scrub::begin(database, ledger.hash_row);
    if (!scrub) return scrub.error();
    const auto walked = Walk(ledger, scrub->head()).run();
    if (!walked) return walked.error();
    for (;;) {
        const auto done = scrub->step(rows_a_slice);
        if (!done) return done.error();
        if (*done) break;
    }
    if (!scrub->records_sound()) {
        return Error(
            errc::digest_mismatch,
            "the records are not those that " + described(scrub->head().place.seq) + " signs");
    }
    if (!scrub->handles_sound()) {
        return Error(errc::corrupt, "the table of handles is not what the records say");
    }
    return Verified{
        .batches = walked->batches, .records = scrub->rows_read(), .head = scrub->head()};
}

}  // namespace countersign::log
