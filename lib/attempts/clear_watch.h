#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <utility>

#include "countersign/ids.h"
#include "countersign/time.h"

namespace countersign::attempts {

/// How often each node has cleared each user's failures within a day: whoever knows a password, or
/// owns a node, can clear a throttle again and again, and an operator should hear of it. In memory
/// only: a day begins with a pair's first clear, and a restart forgets it. Not thread-safe.
class ClearWatch {
  public:
    static constexpr std::uint32_t clears_per_day = 20;

    /// `limit` is at least 1: pairs of node and user, about 200 bytes each. Beyond it the pair
    /// whose day began first makes room.
    explicit ClearWatch(std::size_t limit = 16'384) : limit_(limit) {}

    /// True for the one clear with which the day's are more than `clears_per_day`.
    bool cleared(const NodeId& node, const UserId& user, Instant now);

    std::size_t size() const noexcept { return days_.size(); }

  private:
    using Pair = std::pair<NodeId, UserId>;
    struct Day {
        Instant since{};
        std::uint32_t clears = 0;
    };

    std::size_t limit_;
    std::map<Pair, Day> days_;
    std::set<std::pair<Instant, Pair>> order_;
};

}  // namespace countersign::attempts
