#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <random>
#include <vector>

#include "countersign/link.h"

#include "support/fake_link_store.h"
#include "support/link_end.h"

namespace countersign::testing {

struct End : LinkEnd {
    std::shared_ptr<FakeLinkStore> store;
    std::shared_ptr<LinkTable> table = std::make_shared<LinkTable>();
};

/// Two links back to back, with the order of things drawn from a seed: chunks of any size, tasks
/// that take their time. Time stands still unless it is advanced.
class TwoLinks {
  public:
    explicit TwoLinks(std::uint64_t seed = 1);

    /// `hq` founds a pool, `branch` becomes a member and, unless told otherwise, holds its first
    /// batches.
    void found(bool branch_has_log = true);
    /// `branch` dials `hq`.
    void dial();
    void join(Link::Invited invited);
    void on_commit();
    void on_commit_at_branch();

    /// Runs until nothing is left to be done at this time, or `budget` steps were made.
    void run(std::size_t budget = std::numeric_limits<std::size_t>::max());
    /// Lets time pass, waking the links where they asked for it.
    void advance(milliseconds time);
    /// Both ends lose the stream, and what is on its way.
    void cut();
    /// `cut` happens when so many bytes more have arrived, both ways together.
    void cut_after(std::size_t bytes) { cut_at_ = arrived_ + bytes; }
    std::size_t arrived() const { return arrived_; }

    bool in_step() const;        ///< both stores hold the same records
    bool same_attempts() const;  ///< and have seen the same attempts

    End hq;
    End branch;
    LinkOptions options;
    Now now;
    std::mt19937_64 random;
    std::size_t max_chunk = std::numeric_limits<std::size_t>::max();
    bool hq_is_deaf = false;  ///< bytes to it stay where they are
    bool branch_is_deaf = false;
    bool tasks_wait = false;  ///< tasks are collected, not run
    /// Called with every chunk before it arrives; may change it.
    std::function<void(Bytes&, bool to_hq)> tap;
    /// Called after every step.
    std::function<void()> watch;

  private:
    void start(Link dialled);
    void arrive(End& from, End& to);
    void run_task(End& end);
    bool step();

    std::size_t arrived_ = 0;
    std::optional<std::size_t> cut_at_;
};

}  // namespace countersign::testing
