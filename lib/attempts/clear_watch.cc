#include "attempts/clear_watch.h"

#include <chrono>

namespace countersign::attempts {
namespace {

constexpr std::chrono::hours day_length{24};

}  // namespace

bool ClearWatch::cleared(const NodeId& node, const UserId& user, Instant now) {
    const Pair pair{node, user};
    auto place = days_.find(pair);
    if (place != days_.end() && now - place->second.since >= day_length) {
        order_.erase({place->second.since, pair});
        days_.erase(place);
        place = days_.end();
    }
    if (place == days_.end()) {
        if (days_.size() >= limit_) {
            days_.erase(order_.begin()->second);
            order_.erase(order_.begin());
        }
        place = days_.emplace(pair, Day{.since = now}).first;
        order_.emplace(now, pair);
    }
    return ++place->second.clears == clears_per_day + 1;
}

}  // namespace countersign::attempts
