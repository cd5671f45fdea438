#pragma once

#include <cassert>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <semaphore>
#include <span>
#include <utility>
#include <vector>

#include "countersign/error.h"

namespace countersign::log {

/// The queue in which callers wait for the commit that they share: those who come while one is
/// under way share the next. It has no thread: the first who waits leads, and commits for all.
/// Thread-safe. `Write` is one caller's part; the commit sets its `outcome`, a Result.
template <class Write>
class CommitQueue {
  public:
    using Outcome = decltype(Write::outcome);
    /// Commits a group, in the order of arrival, and sets every outcome.
    using CommitGroup = std::function<void(std::span<Write* const>)>;
    /// Runs a task that may block, now or later, on a thread of the application's.
    using RunBlocking = std::function<void(std::function<void()>)>;

    /// `limit` bounds how many wait.
    CommitQueue(CommitGroup commit, std::size_t limit)
        : commit_(std::move(commit)), limit_(limit) {}

    /// Returns when the write is decided, leading the commit on this thread if it must.
    /// Errors besides the commit's own: errc::overloaded.
    Outcome commit(Write write) {
        const auto waiter = std::make_shared<Waiter>(std::move(write));
        prepare_to_wait(*waiter);
        enter({waiter});
        return wait(*waiter);
    }

    /// As many writes of one caller: they wait, and share commits, as if each came alone. Outcomes
    /// are in the order of `writes`.
    std::vector<Outcome> commit_all(std::vector<Write> writes) {
        std::vector<Outcome> outcomes;
        if (writes.empty()) return outcomes;
        std::vector<std::shared_ptr<Waiter>> waiters;
        for (auto& write : writes) {
            waiters.push_back(std::make_shared<Waiter>(std::move(write)));
            prepare_to_wait(*waiters.back());
        }
        enter(waiters);
        for (const auto& waiter : waiters) outcomes.push_back(wait(*waiter));
        return outcomes;
    }

    /// Returns at once; `done` is called once, on the thread that led the commit, or on this one
    /// with errc::overloaded; it must not call `commit`, which would wait for its own thread. To
    /// lead is a task for `run_blocking`, and goes on while asynchronous callers wait; until it
    /// begins, a caller of `commit` leads instead.
    void commit_async(Write write,
                      RunBlocking run_blocking,
                      std::move_only_function<void(Outcome)> done) {
        assert(done);
        const auto waiter = std::make_shared<Waiter>(std::move(write));
        waiter->handler = std::move(done);
        waiter->told_to_lead = [this, run_blocking = std::move(run_blocking)] {
            run_blocking([this] {
                if (take_the_lead()) lead(true);
            });
        };
        waiter->decided = [raw = waiter.get()] { raw->handler(std::move(raw->write.outcome)); };
        enter({waiter});
    }

    /// Commits what waits for a task that has not begun and may never.
    void catch_up() {
        if (take_the_lead()) lead(false);
    }

  private:
    enum class Lead {
        free,
        offered,  ///< a task is on its way that will lead, unless another caller is there first
        taken,
    };
    struct Waiter {
        explicit Waiter(Write moved) : write(std::move(moved)) {}
        Write write;
        std::function<void()> told_to_lead;
        std::function<void()> decided;
        std::binary_semaphore woken{0};  // of a caller that waits on its own thread
        bool leads = false;
        std::move_only_function<void(Outcome)> handler;
    };

    static void prepare_to_wait(Waiter& waiter) {
        waiter.told_to_lead = [&waiter] {
            waiter.leads = true;
            waiter.woken.release();
        };
        waiter.decided = [&waiter] { waiter.woken.release(); };
    }

    Outcome wait(Waiter& waiter) {
        waiter.woken.acquire();
        if (std::exchange(waiter.leads, false)) {
            lead(false);
            waiter.woken.acquire();  // the leader's own write is the first of its group
        }
        return std::move(waiter.write.outcome);
    }

    void enter(const std::vector<std::shared_ptr<Waiter>>& waiters) {
        std::shared_ptr<Waiter> leader;
        std::size_t entered = 0;
        {
            const std::lock_guard guard(mutex_);
            for (; entered < waiters.size() && waiting_.size() < limit_; ++entered) {
                waiting_.push_back(waiters[entered]);
            }
            // A caller that waits on its own thread does not wait for a task to begin as well: its
            // thread may be the one that the task is to run on.
            const bool is_own_thread = !waiters.front()->handler;
            if (entered != 0 &&
                (lead_ == Lead::free || (lead_ == Lead::offered && is_own_thread))) {
                leader = waiters.front();
                lead_ = is_own_thread ? Lead::taken : Lead::offered;
            }
        }
        if (leader) leader->told_to_lead();
        for (std::size_t i = entered; i < waiters.size(); ++i) {
            waiters[i]->write.outcome = errc::overloaded;
            waiters[i]->decided();
        }
    }

    std::vector<std::shared_ptr<Waiter>> take_group() {
        const std::lock_guard guard(mutex_);
        std::vector<std::shared_ptr<Waiter>> group(waiting_.begin(), waiting_.end());
        waiting_.clear();
        return group;
    }

    /// Who waits longest; without anyone the lead ends, if `ends`.
    std::shared_ptr<Waiter> successor(bool ends) {
        const std::lock_guard guard(mutex_);
        if (!waiting_.empty()) return waiting_.front();
        if (ends) lead_ = Lead::free;
        return nullptr;
    }

    /// What a task does that was told to lead, perhaps some time ago.
    bool take_the_lead() {
        const std::lock_guard guard(mutex_);
        if (lead_ != Lead::offered) return false;
        lead_ = Lead::taken;
        return true;
    }

    void offer_the_lead(Waiter& next) {
        {
            const std::lock_guard guard(mutex_);
            lead_ = Lead::offered;
        }
        next.told_to_lead();
    }

    static void tell_outcomes(const std::vector<std::shared_ptr<Waiter>>& group) {
        for (const bool asynchronous : {false, true}) {
            for (const auto& waiter : group) {
                if (static_cast<bool>(waiter->handler) == asynchronous) waiter->decided();
            }
        }
    }

    /// Commits a group and passes the lead on. A caller that waits on its own thread has it before
    /// the outcomes are told. A handler runs while its leader still leads, so that what it writes
    /// joins the queue and not the stack, even where `run_blocking` runs its task at once.
    void lead(bool on_application_thread) {
        for (;;) {
            const auto group = take_group();
            std::vector<Write*> writes;
            for (const auto& waiter : group) writes.push_back(&waiter->write);
            commit_(writes);

            auto next = successor(false);
            if (next && !next->handler) {
                next->told_to_lead();
                return tell_outcomes(group);
            }
            tell_outcomes(group);
            next = successor(true);
            if (!next) return;
            if (!next->handler) return next->told_to_lead();
            if (!on_application_thread) return offer_the_lead(*next);
        }
    }

    const CommitGroup commit_;
    const std::size_t limit_;
    std::mutex mutex_;
    std::deque<std::shared_ptr<Waiter>> waiting_;
    Lead lead_ = Lead::free;
};

}  // namespace countersign::log
