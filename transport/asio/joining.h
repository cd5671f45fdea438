#pragma once

#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <optional>

#include "countersign/asio.h"
#include "countersign/error.h"

#include "asio/loop.h"
#include "asio/service.h"
#include "asio/supply.h"

namespace countersign::node {

/// `join`, for whatever supplies the store: keeps a Service until the store is ready, refused, or
/// time is up.
class Joining final : public std::enable_shared_from_this<Joining> {
  public:
    /// Makes the store and what supplies it; may block.
    using Make = std::move_only_function<Result<std::shared_ptr<Supply>>()>;
    /// Called once, on some thread of the executor, when the store is used no more.
    using Done = std::move_only_function<void(Result<void>)>;

    Joining(asio::any_io_executor executor, JoinOptions options, Make make, Done done);
    ~Joining();

    void start();
    /// From any thread.
    void cancel();

  private:
    void on_made(Result<std::shared_ptr<Supply>> made);
    void on_event(const NodeEvent& event);
    void on_tick();
    void tell(JoinProgress progress);
    void finish(Result<void> outcome);
    void complete();

    const JoinOptions options_;
    const std::shared_ptr<Loop> loop_;
    Make make_;
    Done done_;
    std::shared_ptr<Supply> supply_;
    std::unique_ptr<Service> service_;
    asio::steady_timer deadline_;
    std::optional<Result<void>> outcome_;
    std::optional<Error> last_error_;
    unsigned hang_ups_ = 0;
    std::uint64_t records_ = 0;
};

}  // namespace countersign::node
