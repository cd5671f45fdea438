#pragma once

#include <algorithm>
#include <array>
#include <cassert>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <thread>
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
        /// who were here before, and waits a moment for callers who were just told and may be back
        /// at once. False when there are none; from then on nobody is let in.
        bool grow() {
            for (int yields = 0;; ++yields) {
                {
                    const std::lock_guard guard(queue_.mutex_);
                    const bool may_grow = is_open_ && writes_.size() < growth_limit;
                    if (may_grow && let_in()) return true;
                    if (!may_grow || queue_.returning_ == 0 || yields == patience) {
                        close();
                        return false;
                    }
                }
                std::this_thread::yield();
            }
        }

      private:
        friend CommitQueue;
        explicit Group(CommitQueue& queue) : queue_(queue) {
            const std::lock_guard guard(queue_.mutex_);
            room_ = queue_.room_;
            let_in();
        }
        bool let_in() {
            auto& waiting = queue_.waiting_;
            if (waiting.empty()) return false;
            members_.insert(members_.end(), waiting.begin(), waiting.end());
            for (const auto& waiter : waiting) writes_.push_back(&waiter->write);
            waiting.clear();
            return true;
        }
        /// Those who come from here on wait in the other room, unless some of the next group wait
        /// in this one already.
        void close() {
            if (is_open_ && queue_.waiting_.empty()) queue_.room_ = 1 - queue_.room_;
            is_open_ = false;
        }

        CommitQueue& queue_;
        std::size_t room_;
        bool is_open_ = true;
        std::vector<std::shared_ptr<Waiter>> members_;
        std::vector<Write*> writes_;
    };
    /// A group that has so many lets nobody else in.
    static constexpr std::size_t growth_limit = 64;
    /// How often a leader yields to callers who were just told. They need a processor to come back,
    /// and who misses this group waits for a whole commit more.
    static constexpr int patience = 16;

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
        waiter->run_blocking = std::move(run_blocking);
        enter({waiter});
    }

    /// Commits what waits for a task that has not begun and may never.
    void catch_up() {
        if (take_the_lead()) lead(false);
    }

  private:
    enum class Lead {
        free,
        offered,  ///< a task is on its way that will lead, unless a waiting caller is there first
        passed,   ///< the first waiting caller that is awake leads
        taken,
    };
    /// Without a handler its caller sleeps in a room until it is decided, or leads.
    struct Waiter {
        explicit Waiter(Write moved) : write(std::move(moved)) {}
        Write write;
        std::move_only_function<void(Outcome)> handler;
        RunBlocking run_blocking;
        std::size_t room = 0;
        bool is_decided = false;
    };

    Outcome wait(Waiter& waiter) {
        std::unique_lock lock(mutex_);
        for (;;) {
            rooms_[waiter.room].wait(lock,
                                     [&] { return waiter.is_decided || lead_ == Lead::passed; });
            if (waiter.is_decided) return std::move(waiter.write.outcome);
            lead_ = Lead::taken;  // of a group that has this caller's own write in it
            lock.unlock();
            lead(false);
            lock.lock();
        }
    }

    void enter(const std::vector<std::shared_ptr<Waiter>>& waiters) {
        const bool has_handler = waiters.front()->handler != nullptr;
        bool offers = false;
        std::size_t entered = 0;
        {
            const std::lock_guard guard(mutex_);
            for (; entered < waiters.size() && waiting_.size() < limit_; ++entered) {
                waiters[entered]->room = room_;
                waiting_.push_back(waiters[entered]);
                if (!has_handler && returning_ != 0) --returning_;
            }
            // A caller that waits on its own thread does not wait for a task to begin as well: its
            // thread may be the one that the task is to run on.
            if (entered != 0 && has_handler && lead_ == Lead::free) {
                lead_ = Lead::offered;
                offers = true;
            } else if (entered != 0 && !has_handler &&
                       (lead_ == Lead::free || lead_ == Lead::offered)) {
                lead_ = Lead::passed;
            }
            for (std::size_t i = entered; i < waiters.size(); ++i) {
                waiters[i]->write.outcome = errc::overloaded;
                waiters[i]->is_decided = true;
            }
        }
        if (offers) offer_the_lead(waiters.front()->run_blocking);
        for (std::size_t i = entered; has_handler && i < waiters.size(); ++i) {
            waiters[i]->handler(std::move(waiters[i]->write.outcome));
        }
    }

    void offer_the_lead(const RunBlocking& run_blocking) {
        run_blocking([this] {
            if (take_the_lead()) lead(true);
        });
    }

    /// What a task does that was told to lead, perhaps some time ago.
    bool take_the_lead() {
        const std::lock_guard guard(mutex_);
        if (lead_ != Lead::offered) return false;
        lead_ = Lead::taken;
        return true;
    }

    /// Commits a group and passes the lead on. Callers that wait on their own threads are told
    /// first, all with one call to the system, and have the lead before handlers run. A handler
    /// runs while its leader still leads, so that what it writes joins the queue and not the stack,
    /// even where `run_blocking` runs its task at once.
    void lead(bool on_application_thread) {
        for (;;) {
            Group group(*this);
            commit_(group);

            const bool has_handlers = std::ranges::any_of(
                group.members_,
                [](const auto& waiter) -> bool { return static_cast<bool>(waiter->handler); });
            const auto passed = decide(group, !has_handlers);
            for (const auto& waiter : group.members_) {
                if (waiter->handler) waiter->handler(std::move(waiter->write.outcome));
            }
            if (passed) return;

            std::unique_lock lock(mutex_);
            if (pass_on(true)) return wake_next(lock);
            const auto next = waiting_.front();
            if (!on_application_thread) {
                lead_ = Lead::offered;
                lock.unlock();
                return offer_the_lead(next->run_blocking);
            }
        }
    }

    /// Tells the callers that wait on their own threads, and passes the lead on (pass_on).
    bool decide(Group& group, bool may_end) {
        std::unique_lock lock(mutex_);
        group.close();
        returning_ = 0;
        for (const auto& waiter : group.members_) {
            waiter->is_decided = true;
            if (!waiter->handler) ++returning_;
        }
        const bool passed = pass_on(may_end);
        auto& room = rooms_[group.room_];
        if (!passed) {
            lock.unlock();
        } else {
            wake_next(lock);
        }
        room.notify_all();
        return passed;
    }

    /// The lead goes to a caller that waits on its own thread, if there is one; where nobody waits
    /// it ends, if it may. False: it stays here.
    bool pass_on(bool may_end) {
        if (waiting_.empty()) {
            if (may_end) lead_ = Lead::free;
            return may_end;
        }
        const bool is_caller_waiting = std::ranges::any_of(
            waiting_, [](const auto& waiter) { return waiter->handler == nullptr; });
        if (is_caller_waiting) lead_ = Lead::passed;
        return is_caller_waiting;
    }

    void wake_next(std::unique_lock<std::mutex>& lock) {
        const bool is_awaited = lead_ == Lead::passed;
        auto& room = rooms_[room_];
        lock.unlock();
        if (is_awaited) room.notify_one();
    }

    const CommitGroup commit_;
    const std::size_t limit_;
    std::mutex mutex_;
    std::deque<std::shared_ptr<Waiter>> waiting_;
    /// Where callers sleep: those of one group and those of the next are not woken together.
    std::array<std::condition_variable, 2> rooms_;
    std::size_t room_ = 0;       ///< of all in `waiting_`
    std::size_t returning_ = 0;  ///< callers of the last group who have not come back
    Lead lead_ = Lead::free;
};

}  // namespace countersign::log
