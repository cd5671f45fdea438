#pragma once

#include <deque>
#include <limits>
#include <vector>

#include "countersign/error.h"
#include "countersign/ids.h"
#include "countersign/link.h"

namespace countersign::protocol {

/// Batches that have come and are not on disk yet: in order, without a gap, within the window that
/// the peer was told.
class Intake {
  public:
    explicit Intake(std::size_t window);

    /// Forgets all; the next batch must be the one after `after`.
    void restart(LogSeq after);
    /// Errors: errc::chain_gap, errc::too_large (more than the window allows).
    Result<void> add(std::vector<SharedBatch> batches);
    /// What is there up to `last`, to be stored; it counts until `drop_to` has passed it.
    std::vector<SharedBatch> take(LogSeq last = LogSeq{std::numeric_limits<std::uint64_t>::max()});
    /// All up to `seq` are on disk, wherever they came from.
    void drop_to(LogSeq seq);

  private:
    struct Counted {
        LogSeq seq;
        std::size_t size;
        SharedBatch batch;  // null: taken
    };
    std::size_t window_;
    LogSeq expected_{};
    std::deque<Counted> queue_;
    std::size_t bytes_ = 0;
};

}  // namespace countersign::protocol
