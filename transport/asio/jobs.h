#pragma once

#include <condition_variable>
#include <functional>
#include <list>
#include <memory>
#include <mutex>

#include "countersign/options.h"

namespace countersign::node {

/// Tasks that may block, run by whoever runs such tasks. Thread-safe.
class Jobs final : public std::enable_shared_from_this<Jobs> {
  public:
    using Work = std::move_only_function<void()>;

    /// `post` brings what follows a task back to the strand; it must only queue it.
    Jobs(RunBlocking run, std::function<void(Work)> post);

    /// `then` is posted when `task` has run. Neither is called when `end` comes first, or when the
    /// task is dropped.
    void run(Work task, Work then);
    /// Posts `then` as soon as no task is under way. Replaces the one before.
    void when_quiet(Work then);
    /// Lets go of all tasks that have not begun, waits for those that have, and posts nothing more.
    void end();

  private:
    struct Job {
        Work task;
        Work then;
        bool begun = false;
    };
    class Ticket;
    using Place = std::list<Job>::iterator;
    bool begin(Place place);
    void finish(Place place, bool ran);

    const RunBlocking run_;
    std::mutex mutex_;                // never held while a task runs
    std::function<void(Work)> post_;  // empty once ended
    std::list<Job> jobs_;
    std::condition_variable finished_;
    Work when_quiet_;
};

}  // namespace countersign::node
