#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <utility>

#include "countersign/error.h"
#include "countersign/ids.h"
#include "countersign/rows.h"
#include "countersign/time.h"

#include "attempts/tables.h"

namespace countersign::attempts {

/// How many rows of one node are kept: what it can honestly have seen, so that a member gone bad
/// cannot fill the disks of all. Its rows are counted when it is first heard of, and again when
/// they seem to be too many. Not thread-safe: used under the directory's write lock.
class RowBounds {
  public:
    static constexpr std::uint64_t rows_of_unknown = 65'536;
    static constexpr std::uint64_t tallies_per_user = 2;
    /// A spent code is kept for about a day: at one node somebody signs in every three quarters of
    /// an hour, if everybody does.
    static constexpr std::uint64_t spent_per_user = 32;
    static constexpr std::chrono::hours told_again{1};
    static constexpr std::chrono::seconds counted_again{10};

    using CountUsers = std::function<Result<std::uint64_t>()>;

    /// Whether one more row of the node fits; if so it is counted.
    /// Errors: those of Tables and of `users`.
    Result<bool> admit(
        const NodeId& node, RowKind kind, const CountUsers& users, Tables& tables, Instant now);
    /// True once an hour for each node whose rows do not fit: then to be told by an event.
    bool is_news(const NodeId& node, Instant now);

  private:
    struct Load {
        std::uint64_t rows = 0;
        std::uint64_t bound = rows_of_unknown;
        std::optional<Instant> counted;
    };

    std::map<std::pair<NodeId, RowKind>, Load> loads_;  // of members, and of those that were
    std::map<NodeId, Instant> told_;
};

}  // namespace countersign::attempts
