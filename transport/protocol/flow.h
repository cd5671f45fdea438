#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>

#include "countersign/link.h"

namespace countersign::protocol {

/// What a batch or page counts for in a window, at both ends: its bytes, and what is kept beside
/// them.
inline constexpr std::size_t flow_overhead = 256;
inline std::size_t flow_size(const BatchEnvelope& batch) {
    return batch.bytes.size() + flow_overhead;
}
inline std::size_t flow_size(const CopyPage& page) {
    std::size_t size = flow_overhead;
    for (const auto& record : page.records) size += record.sealed.size() + record.handles.size();
    return size;
}

/// The same of rows, which are many and small: their signature and place count too.
inline constexpr std::size_t row_overhead = 128;
inline std::size_t flow_size(const RowRun& run) {
    std::size_t size = flow_overhead;
    for (const auto& row : run.rows) size += row.bytes.size() + row_overhead;
    return size;
}
/// Rows that may be under way on one link, each way; part of the protocol, and above the largest
/// message.
inline constexpr std::size_t rows_window = 2u << 20;

/// Windows that a peer may name; what it names is brought into these bounds.
inline constexpr std::size_t least_window = 64u << 10;
inline constexpr std::size_t most_window = 64u << 20;

/// What is sent and not yet known to be on the peer's disk. Holds numbers and sizes only.
class InFlight {
  public:
    void set_window(std::size_t window) { window_ = std::clamp(window, least_window, most_window); }
    /// Whether something of `size` may be sent: within the window, or alone.
    bool has_room(std::size_t size) const noexcept {
        return sent_.empty() || bytes_ + size <= window_;
    }
    std::size_t room() const noexcept { return window_ - std::min(bytes_, window_); }
    /// Whether a frame of about `size` is worth making now: not while acknowledgements trickle in
    /// and each would free room for a sliver.
    bool worth_sending(std::size_t size) const noexcept {
        return sent_.empty() || room() >= std::min(size, window_ / 4);
    }
    void add(std::uint64_t number, std::size_t size) {
        sent_.push_back({number, size});
        bytes_ += size;
    }
    /// All up to `number` are on the peer's disk.
    void remove_to(std::uint64_t number) {
        while (!sent_.empty() && sent_.front().number <= number) {
            bytes_ -= sent_.front().size;
            sent_.pop_front();
        }
    }
    void clear() {
        sent_.clear();
        bytes_ = 0;
    }
    std::size_t bytes() const noexcept { return bytes_; }

  private:
    struct Sent {
        std::uint64_t number;
        std::size_t size;
    };
    std::deque<Sent> sent_;
    std::size_t bytes_ = 0;
    std::size_t window_ = least_window;
};

}  // namespace countersign::protocol
