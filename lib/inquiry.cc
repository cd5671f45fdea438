#include "inquiry.h"

#include <algorithm>

namespace countersign {

Inquiry::Inquiry(const std::vector<NodeId>& members, Instant until) : until_(until) {
    for (const auto& member : members) heard_.emplace(member, std::nullopt);
}

void Inquiry::heard(const NodeId& member, LogSeq head) {
    const auto known = heard_.find(member);
    if (known != heard_.end()) known->second = std::max(known->second.value_or(head), head);
}

Inquiry::Finding Inquiry::find(LogSeq own, Instant now) const {
    const auto holds_more = [&](const auto& each) { return each.second > own; };
    if (std::ranges::any_of(heard_, holds_more)) return Finding::behind;
    if (unheard() == 0) return Finding::answered;
    return now < until_ ? Finding::open : Finding::over;
}

std::size_t Inquiry::unheard() const {
    return static_cast<std::size_t>(
        std::ranges::count_if(heard_, [](const auto& each) { return !each.second; }));
}

}  // namespace countersign
