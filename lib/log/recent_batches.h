#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <vector>

#include "countersign/link.h"

namespace countersign::log {

/// The newest batches, kept in memory for those who follow closely: a push then costs no read.
/// Not thread-safe.
class RecentBatches {
  public:
    explicit RecentBatches(std::size_t max_bytes) : max_bytes_(max_bytes) {}

    /// The next batch of the log; after a gap those before it are forgotten.
    void push(SharedBatch batch);
    void clear() noexcept;

    /// What follows `after`: at least one, up to `max_bytes` together and `max_batches`. None: the
    /// one that follows is not kept.
    std::optional<std::vector<SharedBatch>> following(LogSeq after,
                                                      std::size_t max_bytes,
                                                      std::size_t max_batches) const;
    /// None: that batch is not kept.
    std::optional<BatchHash> hash_of(LogSeq seq) const;

  private:
    std::optional<std::size_t> index_of(LogSeq seq) const;

    std::size_t max_bytes_;
    std::size_t bytes_ = 0;
    std::deque<SharedBatch> kept_;  // consecutive
};

}  // namespace countersign::log
