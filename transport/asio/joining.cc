#include "asio/joining.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <utility>

namespace countersign::node {

using boost::system::error_code;

Joining::Joining(asio::any_io_executor executor, JoinOptions options, Make make, Done done)
    : options_(std::move(options)),
      loop_(std::make_shared<Loop>(std::move(executor),
                                   options_.node.environment,
                                   options_.node.run_blocking,
                                   options_.node.blocking_threads)),
      make_(std::move(make)),
      done_(std::move(done)),
      deadline_(loop_->strand()) {}

Joining::~Joining() {
    service_.reset();
    const auto lock = loop_->lock();
    loop_->shut();
}

/// The deadline's handler keeps this object; nothing else does for long.
void Joining::start() {
    deadline_.expires_after(options_.deadline);
    deadline_.async_wait(loop_->guarded([self = shared_from_this()](error_code error) {
        if (error) return;
        self->finish(self->last_error_.value_or(
            Error(errc::timed_out, "this machine could not join the pool in time; try again")));
    }));
    auto made = std::make_shared<std::optional<Result<std::shared_ptr<Supply>>>>();
    loop_->jobs().run([made, make = std::move(make_)]() mutable { made->emplace(make()); },
                      [made, weak = weak_from_this()] {
                          if (const auto self = weak.lock()) self->on_made(std::move(**made));
                      });
}

void Joining::cancel() {
    loop_->post([weak = weak_from_this()] {
        const auto self = weak.lock();
        if (self) self->finish(Error(errc::cancelled, "joining was cancelled; it can be resumed"));
    });
}

void Joining::on_made(Result<std::shared_ptr<Supply>> made) {
    if (outcome_) return;
    if (!made) return finish(made.error());
    supply_ = std::move(*made);
    NodeOptions options = options_.node;
    options.listen.clear();
    options.on_event = [this](const NodeEvent& event) { on_event(event); };
    service_ = std::make_unique<Service>(loop_, supply_, std::move(options), [this] { on_tick(); });
    const auto started = service_->start_locked();
    if (!started) finish(started);
}

void Joining::on_event(const NodeEvent& event) {
    if (outcome_) return;
    if (options_.node.on_event) options_.node.on_event(event);
    if (event.link) {
        using Kind = LinkEvent::Kind;
        if (event.link->kind == Kind::joined) tell({JoinProgress::Kind::admitted});
        if (event.link->kind == Kind::connected) tell({JoinProgress::Kind::connected});
        return;
    }
    if (!event.reason) return;
    last_error_ = event.reason;
    const bool hung_up = event.kind == NodeEvent::Kind::dial_failed &&
                         event.reason->code() == errc::handshake_failed;
    if (!event.retries || (hung_up && ++hang_ups_ >= options_.hang_ups)) finish(*event.reason);
}

void Joining::on_tick() {
    if (outcome_) return;
    std::uint64_t records = records_;
    for (const auto& link : service_->statuses()) records = std::max(records, link.copied);
    if (records != std::exchange(records_, records)) {
        tell({JoinProgress::Kind::copying, records});
    }
    if (supply_->stage() != Stage::ready) return;
    tell({JoinProgress::Kind::proved, records});
    finish({});
}

void Joining::tell(JoinProgress progress) {
    if (options_.on_progress) options_.on_progress(progress);
}

/// The store is done with once the service has stopped, or while it is still being made.
void Joining::finish(Result<void> outcome) {
    if (outcome_) return;
    outcome_ = std::move(outcome);
    supply_.reset();
    if (service_) return service_->stop([self = shared_from_this()] { self->complete(); });
    loop_->jobs().when_quiet([self = shared_from_this()] {
        self->loop_->shut();
        self->complete();
    });
}

/// Beyond the loop, which is shut: what follows may destroy all this.
void Joining::complete() {
    deadline_.cancel();
    asio::post(loop_->strand(), [self = shared_from_this()] {
        self->service_.reset();
        auto done = std::move(self->done_);
        done(std::move(*self->outcome_));
    });
}

}  // namespace countersign::node
