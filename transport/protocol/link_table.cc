#include <algorithm>
#include <utility>

#include "countersign/link.h"

namespace countersign {

bool LinkTable::hello(const NodeId& peer,
                      Incarnation incarnation,
                      std::uint64_t counter,
                      Instant now) {
    Known& known = peers_[peer];
    if (known.incarnation != incarnation) {
        known.incarnation = incarnation;
        known.seen = known.entered = known.recent = 0;
    }
    if (counter > known.seen) {
        const std::uint64_t shift = counter - known.seen;
        known.recent = shift < hello_window ? known.recent << shift : 0;
        known.recent |= 1;
        known.seen = counter;
        known.seen_at = now;
        return true;
    }
    const std::uint64_t behind = known.seen - counter;
    if (behind >= hello_window || now > known.seen_at + hello_lateness) return false;
    if ((known.recent >> behind & 1) != 0) return false;
    known.recent |= std::uint64_t{1} << behind;
    return true;
}

LinkTable::Entered LinkTable::enter(LinkId link,
                                    const NodeId& peer,
                                    std::uint64_t counter,
                                    Instant now) {
    Known& known = peers_[peer];
    if (counter < known.entered && known.link) return {.stale = true};
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
