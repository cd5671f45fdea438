#include "simulation/schedule.h"

#include <algorithm>

namespace countersign::simulation {

void Schedule::at(Instant time, Task task) {
    entries_.push_back({std::max(time, now_), asked_++, std::move(task)});
    std::ranges::push_heap(entries_, Later{});
}

bool Schedule::step(Instant until) {
    if (entries_.empty() || entries_.front().time > until) {
        now_ = std::max(now_, until);
        return false;
    }
    std::ranges::pop_heap(entries_, Later{});
    Entry next = std::move(entries_.back());
    entries_.pop_back();
    now_ = next.time;
    next.task();
    return true;
}

}  // namespace countersign::simulation
