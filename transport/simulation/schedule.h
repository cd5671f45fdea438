#pragma once

#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "countersign/time.h"

namespace countersign::simulation {

/// Virtual time, and what is to be done when: one thing after another, on one thread. What is due
/// at one moment is done in the order in which it was asked for.
class Schedule {
  public:
    using Task = std::move_only_function<void()>;

    Instant now() const noexcept { return now_; }
    /// Not before now.
    void at(Instant time, Task task);
    void after(Instant::duration time, Task task) { at(now_ + time, std::move(task)); }
    /// Does what comes next, if that is due by `until`; else lets time pass until then. False:
    /// there was nothing more to do by then.
    bool step(Instant until);

  private:
    struct Entry {
        Instant time;
        std::uint64_t number;
        Task task;
    };
    struct Later {
        bool operator()(const Entry& left, const Entry& right) const noexcept {
            return std::pair(left.time, left.number) > std::pair(right.time, right.number);
        }
    };
    Instant now_{};
    std::uint64_t asked_ = 0;
    std::vector<Entry> entries_;  // a heap by Later
};

}  // namespace countersign::simulation
