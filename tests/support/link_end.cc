#include "support/link_end.h"

#include <algorithm>
#include <utility>

namespace countersign::testing {

void LinkEnd::drain() {
    while (auto action = link->poll()) {
        if (auto* send = std::get_if<SendBytes>(&*action)) {
            outgoing.insert(outgoing.end(), send->bytes.begin(), send->bytes.end());
        } else if (auto* run = std::get_if<RunStore>(&*action)) {
            tasks.push_back(std::move(*run));
        } else if (auto* event = std::get_if<LinkEvent>(&*action)) {
            events.push_back(*event);
        } else if (auto* at = std::get_if<WakeLink>(&*action)) {
            wake = at->at;
        } else {
            closed = std::get<CloseLink>(std::move(*action));
        }
    }
}

bool LinkEnd::saw(LinkEvent::Kind kind) const {
    return std::ranges::any_of(events, [&](const auto& event) { return event.kind == kind; });
}

std::optional<errc> LinkEnd::reason() const {
    return closed ? std::optional(closed->reason.code()) : std::nullopt;
}

}  // namespace countersign::testing
