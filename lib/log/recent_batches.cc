#include "log/recent_batches.h"

#include <utility>

#include "sealing/hash.h"

namespace countersign::log {

void RecentBatches::push(SharedBatch batch) {
    if (!kept_.empty() && next(kept_.back()->seq) != batch->seq) clear();
    bytes_ += batch->bytes.size();
    kept_.push_back(std::move(batch));
    while (bytes_ > max_bytes_) {
        bytes_ -= kept_.front()->bytes.size();
        kept_.pop_front();
    }
}

void RecentBatches::clear() noexcept {
    kept_.clear();
    bytes_ = 0;
}

std::optional<std::size_t> RecentBatches::index_of(LogSeq seq) const {
    if (kept_.empty() || seq < kept_.front()->seq || seq > kept_.back()->seq) {
        return std::nullopt;
    }
    return value(seq) - value(kept_.front()->seq);
}

std::optional<std::vector<SharedBatch>> RecentBatches::following(LogSeq after,
                                                                 std::size_t max_bytes,
                                                                 std::size_t max_batches) const {
    const auto first = index_of(next(after));
    if (!first || max_batches == 0) return std::nullopt;
    std::vector<SharedBatch> batches;
    std::size_t bytes = 0;
    for (std::size_t i = *first; i < kept_.size() && batches.size() < max_batches; ++i) {
        bytes += kept_[i]->bytes.size();
        if (!batches.empty() && bytes > max_bytes) break;
        batches.push_back(kept_[i]);
    }
    return batches;
}

std::optional<BatchHash> RecentBatches::hash_of(LogSeq seq) const {
    const auto index = index_of(seq);
    if (!index) return std::nullopt;
    return BatchHash{sealing::hash256(kept_[*index]->bytes).bytes};
}

}  // namespace countersign::log
