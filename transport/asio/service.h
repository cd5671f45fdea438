#pragma once

#include <atomic>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "countersign/asio.h"
#include "countersign/environment.h"
#include "countersign/error.h"

#include "asio/listener.h"
#include "asio/loop.h"
#include "asio/station.h"
#include "asio/supply.h"

namespace countersign::node {

/// A Node, for whatever supplies its store: the station with its doors, and what is done now and
/// then. Shuts its loop when it ends.
class Service {
  public:
    /// `on_tick` is called on the strand at every look at the store.
    Service(std::shared_ptr<Loop> loop,
            std::shared_ptr<Supply> supply,
            NodeOptions options,
            std::function<void()> on_tick = {});
    Service(const Service&) = delete;
    /// From any thread but the loop's strand and its pool's.
    ~Service();

    /// From any thread but the strand.
    Result<void> start();
    /// The same on the strand, in a guarded handler.
    Result<void> start_locked();
    std::uint16_t port() const noexcept { return port_; }
    /// From any thread. `done` is called once nothing is held any more, if need be by the
    /// destructor; it may not call back.
    void stop(std::move_only_function<void()> done);
    /// On the strand.
    std::vector<LinkStatus> statuses() const { return station_->statuses(); }

  private:
    enum class Phase : std::uint8_t { fresh, running, stopping, stopped };
    Result<void> check_options() const;
    void begin();
    void tick();
    void look();
    void do_what_is_due();
    void show();
    void on_change();
    void fail(Error why);
    void begin_to_stop();
    void finish_if_idle();
    void finish();
    void release();

    const std::shared_ptr<Loop> loop_;
    std::shared_ptr<Supply> supply_;
    const NodeOptions options_;
    const std::function<void()> on_tick_;
    std::unique_ptr<Station> station_;
    std::unique_ptr<Listener> listener_;
    std::unique_ptr<FileLock> served_;
    asio::steady_timer timer_;
    std::atomic<std::uint16_t> port_ = 0;
    std::shared_ptr<std::atomic<bool>> change_posted_ = std::make_shared<std::atomic<bool>>(false);
    Phase phase_ = Phase::fresh;
    bool doing_due_ = false;
    bool showing_ = false;
    std::optional<Instant> due_at_;
    std::optional<Instant> show_at_;
    std::optional<errc> last_failure_;  // of looking

    std::mutex stop_mutex_;
    bool stopped_ = false;
    std::vector<std::move_only_function<void()>> when_stopped_;
};

}  // namespace countersign::node
