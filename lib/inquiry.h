#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <vector>

#include "countersign/ids.h"
#include "countersign/time.h"

namespace countersign {

/// What a primary asks of the other members after an unclean end: whether one of them holds later
/// batches of its own than its disk has kept. Without clock or lock.
class Inquiry {
  public:
    enum class Finding {
        open,      ///< not all have been heard from yet
        behind,    ///< one holds more: that has to come back first, however long it takes
        answered,  ///< all were heard from, and none holds more
        over,      ///< none is known to hold more, and the time for the others has passed
    };

    Inquiry(const std::vector<NodeId>& members, Instant until);

    /// A member's log stands at `head`. What others say is not heard.
    void heard(const NodeId& member, LogSeq head);
    /// `own`: where this node's log stands.
    Finding find(LogSeq own, Instant now) const;
    std::size_t unheard() const;
    std::size_t members() const noexcept { return heard_.size(); }
    Instant until() const noexcept { return until_; }

  private:
    std::map<NodeId, std::optional<LogSeq>> heard_;  ///< the highest that each has said
    Instant until_;
};

}  // namespace countersign
