#include <algorithm>
#include <utility>

#include "countersign/link.h"

namespace countersign {

bool LinkTable::hello(const NodeId& peer, Incarnation incarnation, std::uint64_t counter) {
    Known& known = peers_[peer];
    if (known.incarnation != incarnation) {
        known.incarnation = incarnation;
        known.seen = known.entered = 0;
    }
    if (counter <= known.seen) return false;
    known.seen = counter;
    return true;
}

LinkTable::Entered LinkTable::enter(LinkId link,
                                    const NodeId& peer,
                                    std::uint64_t counter,
                                    Instant now) {
    Known& known = peers_[peer];
    if (counter < known.entered) return {.stale = true};
    known.entered = counter;
    Entered entered;
    entered.replaces = std::exchange(known.link, link);
    if (!entered.replaces) return entered;
    std::erase_if(known.replacements, [&](Instant at) { return at + flapping_window <= now; });
    known.replacements.push_back(now);
    if (known.replacements.size() > replacements_limit) {
        entered.flapping = true;
        known.replacements.clear();
    }
    return entered;
}

void LinkTable::leave(LinkId link) noexcept {
    for (auto& [peer, known] : peers_) {
        if (known.link == link) known.link.reset();
    }
}

}  // namespace countersign
