#include "protocol/intake.h"

#include <algorithm>
#include <string>
#include <utility>

#include "protocol/flow.h"

namespace countersign::protocol {

Intake::Intake(std::size_t window) : window_(std::clamp(window, least_window, most_window)) {}

void Intake::restart(LogSeq after) {
    queue_.clear();
    bytes_ = 0;
    expected_ = next(after);
}

Result<void> Intake::add(std::vector<SharedBatch> batches) {
    for (SharedBatch& batch : batches) {
        if (batch->seq != expected_) {
            return Error(errc::chain_gap,
                         "batch " + std::to_string(value(batch->seq)) + " came instead of " +
                             std::to_string(value(expected_)));
        }
        const std::size_t size = flow_size(*batch);
        if (!queue_.empty() && bytes_ + size > window_) {
            return Error(errc::too_large, "more batches came than were asked for at a time");
        }
        bytes_ += size;
        expected_ = next(expected_);
        queue_.push_back({.seq = batch->seq, .size = size, .batch = std::move(batch)});
    }
    return {};
}

std::vector<SharedBatch> Intake::take(LogSeq last) {
    std::vector<SharedBatch> taken;
    for (Counted& counted : queue_) {
        if (counted.seq > last) break;
        if (counted.batch) taken.push_back(std::move(counted.batch));
    }
    return taken;
}

void Intake::drop_to(LogSeq seq) {
    while (!queue_.empty() && queue_.front().seq <= seq) {
        bytes_ -= queue_.front().size;
        queue_.pop_front();
    }
}

}  // namespace countersign::protocol
