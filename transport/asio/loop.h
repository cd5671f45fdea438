#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "countersign/environment.h"
#include "countersign/options.h"
#include "countersign/time.h"

#include "asio/jobs.h"

namespace countersign::node {

namespace asio = boost::asio;

/// What all I/O of one node shares: a strand on the application's executor, the clock, tasks that
/// may block, and the end of it all. Handlers made by `guarded` run on the strand and under one
/// lock; after `shut` they do nothing, so that their objects may be gone then although the
/// application's executor still holds them.
class Loop : public std::enable_shared_from_this<Loop> {
  public:
    using Strand = asio::strand<asio::any_io_executor>;

    /// `run_blocking` empty: a pool of `threads` threads of its own, which `shut` ends.
    Loop(asio::any_io_executor executor,
         std::shared_ptr<Environment> environment,
         RunBlocking run_blocking,
         std::size_t threads);

    const Strand& strand() const noexcept { return strand_; }
    Now now() { return environment_->now(); }
    /// For the time between two calls of one handler; each read fills it anew.
    std::vector<std::byte>& scratch() noexcept { return scratch_; }

    template <class Handler>
    auto guarded(Handler handler) {
        return asio::bind_executor(
            strand_,
            [self = shared_from_this(),
             handler = std::move(handler)]<class... Arguments>(Arguments&&... arguments) mutable {
                const std::lock_guard lock(self->mutex_);
                if (!self->shut_) handler(std::forward<Arguments>(arguments)...);
            });
    }
    /// Runs it on the strand, not now. From any thread, and without the lock.
    void post(std::move_only_function<void()> work);

    /// Tasks that may block; what follows them is guarded.
    Jobs& jobs() noexcept { return *jobs_; }

    /// Held while a guarded handler runs.
    std::unique_lock<std::mutex> lock() { return std::unique_lock(mutex_); }
    /// Ends it, once; the lock must be held. Waits for tasks that have begun; from then on no task
    /// and no handler runs. Whatever a handler could reach must have let go of the store before.
    /// Not on a thread that runs tasks.
    void shut();

  private:
    const Strand strand_;
    const std::shared_ptr<Environment> environment_;
    std::vector<std::byte> scratch_;
    std::mutex mutex_;
    bool shut_ = false;
    std::optional<asio::thread_pool> pool_;
    std::shared_ptr<Jobs> jobs_;
};

}  // namespace countersign::node
