#include "asio/service.h"

#include <string>
#include <utility>

namespace countersign::node {
namespace {

using boost::system::error_code;

Error wrong(const std::string& option) {
    return Error(errc::invalid_argument, "NodeOptions: " + option);
}

}  // namespace

Service::Service(std::shared_ptr<Loop> loop,
                 std::shared_ptr<Supply> supply,
                 NodeOptions options,
                 std::function<void()> on_tick)
    : loop_(std::move(loop)),
      supply_(std::move(supply)),
      options_(std::move(options)),
      on_tick_(std::move(on_tick)),
      station_(std::make_unique<Station>(
          loop_,
          supply_,
          options_,
          [this](const NodeEvent& event) {
              if (options_.on_event) options_.on_event(event);
          },
          [this] { finish_if_idle(); })),
      listener_(std::make_unique<Listener>(
          loop_,
          [this](tcp::socket socket) { station_->accept(std::move(socket)); },
          [this](Error why) { fail(std::move(why)); })),
      timer_(loop_->strand()) {}

Service::~Service() {
    const auto lock = loop_->lock();
    if (phase_ != Phase::stopped) finish();
}

Result<void> Service::check_options() const {
    constexpr milliseconds none{0};
    if (options_.backoff_first <= none || options_.backoff_cap < options_.backoff_first) {
        return wrong("backoff_first must be above 0 and at most backoff_cap");
    }
    if (options_.look_interval <= none || options_.look_interval > milliseconds{50}) {
        return wrong("look_interval must be above 0 and at most 50 ms");
    }
    if (!options_.run_blocking && options_.blocking_threads == 0) {
        return wrong("blocking_threads must be at least 1");
    }
    if (options_.connect_timeout <= none || options_.linger < none ||
        options_.refused_pause < none || options_.show_interval <= none) {
        return wrong("connect_timeout and show_interval must be above 0, pauses not below");
    }
    if (options_.link.ping_interval <= none ||
        options_.link.silence_limit < 2 * options_.link.ping_interval) {
        return wrong("link.ping_interval must be above 0, link.silence_limit at least twice that");
    }
    if (options_.link.handshake_deadline <= none || options_.link.greeting_deadline <= none ||
        options_.link.admission_deadline <= none) {
        return wrong("the deadlines in link must be above 0");
    }
    if (options_.connections == 0 || options_.handshakes == 0 ||
        options_.handshakes_per_source == 0 || options_.failed_handshakes_per_minute == 0) {
        return wrong("limits on connections and handshakes must be at least 1");
    }
    return {};
}

Result<void> Service::start() {
    const auto lock = loop_->lock();
    return start_locked();
}

Result<void> Service::start_locked() {
    if (phase_ == Phase::running) {
        return Error(errc::already_served, "this Node has been started");
    }
    if (phase_ != Phase::fresh) {
        return Error(errc::cancelled, "this Node was stopped; make a new one");
    }
    if (const auto sound = check_options(); !sound) return sound;
    auto served = supply_->serve();
    if (!served) return served.error();
    if (const auto opened = listener_->open(options_.listen); !opened) return opened;
    served_ = std::move(*served);
    port_ = listener_->port();
    phase_ = Phase::running;
    supply_->on_change([loop = loop_, posted = change_posted_, this] {
        if (!posted->exchange(true)) loop->post([this] { on_change(); });
    });
    loop_->post([this] { begin(); });
    return {};
}

void Service::begin() {
    if (phase_ != Phase::running) return;
    listener_->start();
    tick();
}

void Service::on_change() {
    change_posted_->store(false);
    station_->on_change();
}

void Service::fail(Error why) {
    if (!options_.on_event) return;
    options_.on_event({.kind = NodeEvent::Kind::failed,
                       .node = {},
                       .address = {},
                       .link = std::nullopt,
                       .reason = std::move(why)});
}

// Now and then.

void Service::tick() {
    if (phase_ != Phase::running) return;
    look();
    station_->act();
    do_what_is_due();
    show();
    if (on_tick_) on_tick_();
    timer_.expires_after(options_.look_interval);
    timer_.async_wait(loop_->guarded([this](error_code error) {
        if (!error) tick();
    }));
}

void Service::look() {
    const auto looked = supply_->look();
    const auto failure = looked ? std::nullopt : std::optional(looked.error().code());
    if (failure && failure != last_failure_) fail(looked.error());
    last_failure_ = failure;
}

void Service::do_what_is_due() {
    if (doing_due_ || (due_at_ && loop_->now().monotonic < *due_at_)) return;
    doing_due_ = true;
    auto next = std::make_shared<Instant>();
    loop_->jobs().run([next, supply = supply_] { *next = supply->run_due(); },
                      [this, next] {
                          doing_due_ = false;
                          due_at_ = *next;
                      });
}

void Service::show() {
    const Instant now = loop_->now().monotonic;
    if (showing_ || (show_at_ && now < *show_at_)) return;
    showing_ = true;
    show_at_ = now + options_.show_interval;
    loop_->jobs().run([supply = supply_, links = station_->statuses()] { supply->show(links); },
                      [this] { showing_ = false; });
}

// The end.

void Service::stop(std::move_only_function<void()> done) {
    const std::lock_guard lock(stop_mutex_);
    if (stopped_) return done();
    when_stopped_.push_back(std::move(done));
    if (when_stopped_.size() == 1) loop_->post([this] { begin_to_stop(); });
}

void Service::begin_to_stop() {
    phase_ = Phase::stopping;
    timer_.cancel();
    listener_->close();
    port_ = 0;
    if (served_) supply_->on_change({});
    station_->say_goodbye(Error(errc::link_closed, "this node is stopping"));
    finish_if_idle();
}

void Service::finish_if_idle() {
    if (phase_ != Phase::stopping || !station_->empty()) return;
    loop_->jobs().when_quiet([this] {
        if (phase_ == Phase::stopping) finish();
    });
}

/// Whatever could reach the store lets go of it before the loop is shut, and the store's lock is
/// given back last.
void Service::finish() {
    phase_ = Phase::stopped;
    timer_.cancel();
    listener_->close();
    if (served_) supply_->on_change({});
    station_->drop();
    supply_.reset();
    loop_->shut();
    served_.reset();
    const std::lock_guard lock(stop_mutex_);
    stopped_ = true;
    for (auto& each : std::exchange(when_stopped_, {})) each();
}

}  // namespace countersign::node
