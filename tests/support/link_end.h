#pragma once

#include <deque>
#include <optional>
#include <vector>

#include "countersign/link.h"

namespace countersign::testing {

/// One end of a stream in memory: a link, and what it wants done.
struct LinkEnd {
    std::optional<Link> link;
    Bytes outgoing;  ///< sent, and not arrived at the other end
    std::deque<RunStore> tasks;
    std::vector<LinkEvent> events;
    std::optional<CloseLink> closed;
    std::optional<Instant> wake;

    /// Takes from the link what it wants done by now.
    void drain();
    bool saw(LinkEvent::Kind kind) const;
    std::optional<errc> reason() const;  ///< why it closed; none: it lives
};

}  // namespace countersign::testing
