#pragma once

#include <cassert>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

#include "countersign/error.h"

namespace countersign::log {

/// The queue in which callers wait for the commit that they share: those who come while one is
/// under way share the next, or this one while it still lets them in. It has no thread: the first
/// who waits leads, and commits for all. Thread-safe. `Write` is one caller's part; the commit sets
/// its `outcome`, a Result.
template <class Write>
class CommitQueue {
    struct Waiter;

  public:
    using Outcome = decltype(Write::outcome);

    /// Who shares one commit.
    class Group {
      public:
        /// In the order of arrival; good until the group grows.
        std::span<Write* const> writes() const noexcept { return writes_; }
        /// Lets in those who have come since, while that is worth more to them than it costs those
        /// who were here before. False when there are none.
        bool grow() { return writes_.size() < growth_limit && let_in(); }

      private:
        friend CommitQueue;
        explicit Group(CommitQueue& queue) : queue_(queue) { let_in(); }
        bool let_in() {
            const std::lock_guard guard(queue_.mutex_);
            auto& waiting = queue_.waiting_;
            if (waiting.empty()) return false;
            members_.insert(members_.end(), waiting.begin(), waiting.end());
            for (const auto& waiter : waiting) writes_.push_back(&waiter->write);
            waiting.clear();
            return true;
        }

        CommitQueue& queue_;
        std::vector<std::shared_ptr<Waiter>> members_;
        std::vector<Write*> writes_;
    };
    /// A group that has so many lets nobody else in.
    static constexpr std::size_t growth_limit = 64;

    /// Commits a group, in its order, and sets every outcome.
    using CommitGroup = std::function<void(Group&)>;
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
    /// Wakes one thread once per call. It sleeps at once, where a semaphore of the standard library
    /// yields first: a commit takes longer than that, and yields take time from who leads it.
    class Wakener {
      public:
        void wake() {
            {
                const std::lock_guard guard(mutex_);
                is_awake_ = true;
            }
            changed_.notify_one();
        }
        void wait() {
            std::unique_lock lock(mutex_);
            changed_.wait(lock, [&] { return is_awake_; });
            is_awake_ = false;
        }

      private:
        std::mutex mutex_;
        std::condition_variable changed_;
        bool is_awake_ = false;
    };
    struct Waiter {
        explicit Waiter(Write moved) : write(std::move(moved)) {}
        Write write;
        std::function<void()> told_to_lead;
        std::function<void()> decided;
        Wakener wakener;  // of a caller that waits on its own thread
        bool leads = false;
        std::move_only_function<void(Outcome)> handler;
    };

    static void prepare_to_wait(Waiter& waiter) {
        waiter.told_to_lead = [&waiter] {
            waiter.leads = true;
            waiter.wakener.wake();
        };
        waiter.decided = [&waiter] { waiter.wakener.wake(); };
    }

    Outcome wait(Waiter& waiter) {
        waiter.wakener.wait();
        if (std::exchange(waiter.leads, false)) {
            lead(false);
            waiter.wakener.wait();  // the leader's own write is the first of its group
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

    enum class Caller { waits, has_handler };

    static void tell_outcomes(const Group& group, Caller to) {
        for (const auto& waiter : group.members_) {
            const bool has_handler = static_cast<bool>(waiter->handler);
            if (has_handler == (to == Caller::has_handler)) waiter->decided();
        }
    }

    /// Commits a group and passes the lead on. Callers that wait on their own threads are told
    /// first: who comes back for more then shares the next commit with all the others, where else
    /// the next leader would commit alone. They have the lead before handlers run. A handler runs
    /// while its leader still leads, so that what it writes joins the queue and not the stack, even
    /// where `run_blocking` runs its task at once.
    void lead(bool on_application_thread) {
        for (;;) {
            Group group(*this);
            commit_(group);

            tell_outcomes(group, Caller::waits);
            auto next = successor(false);
            if (next && !next->handler) {
                next->told_to_lead();
                return tell_outcomes(group, Caller::has_handler);
            }
            tell_outcomes(group, Caller::has_handler);
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
