#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <utility>

#include "countersign/options.h"

namespace countersign::testing {

/// Tasks that a store handed to Options::run_blocking: they wait until a test runs them. Calls come
/// from any thread.
class ManualTasks {
  public:
    RunBlocking run_blocking() {
        return [this](std::function<void()> task) {
            const std::lock_guard guard(mutex_);
            if (!is_over_) tasks_.push_back(std::move(task));
        };
    }

    /// Runs the oldest; false when there is none.
    bool run_one() {
        auto task = take(false);
        if (task) task();
        return static_cast<bool>(task);
    }
    /// Runs the newest, before its elders.
    bool run_newest() {
        auto task = take(true);
        if (task) task();
        return static_cast<bool>(task);
    }
    /// Runs all, with those that they bring.
    void run_all() {
        while (run_one()) {
        }
    }
    /// As an application does that ends: these, and all that are still to come.
    void drop_all() {
        std::deque<std::function<void()>> dropped;  // goes once the lock is given back
        {
            const std::lock_guard guard(mutex_);
            is_over_ = true;
            dropped.swap(tasks_);
        }
    }
    std::size_t waiting() const {
        const std::lock_guard guard(mutex_);
        return tasks_.size();
    }

  private:
    std::function<void()> take(bool newest) {
        const std::lock_guard guard(mutex_);
        if (tasks_.empty()) return {};
        auto task = std::move(newest ? tasks_.back() : tasks_.front());
        newest ? tasks_.pop_back() : tasks_.pop_front();
        return task;
    }

    mutable std::mutex mutex_;
    std::deque<std::function<void()>> tasks_;
    bool is_over_ = false;
};

}  // namespace countersign::testing
