#include "asio/dial.h"

#include <boost/asio/ip/address.hpp>
#include <utility>

namespace countersign::node {

using boost::system::error_code;

Dial::Dial(std::shared_ptr<Loop> loop,
           std::vector<std::string> addresses,
           milliseconds patience,
           Handler handler)
    : loop_(std::move(loop)),
      patience_(patience),
      handler_(std::move(handler)),
      addresses_(addresses.begin(), addresses.end()),
      last_(errc::unreachable, "no address of this node is known"),
      resolver_(loop_->strand()),
      socket_(loop_->strand()),
      timer_(loop_->strand()) {}

void Dial::next(std::optional<Error> failed) {
    if (failed) last_ = std::move(*failed);
    if (!endpoints_.empty()) {
        const tcp::endpoint to = endpoints_.front();
        endpoints_.pop_front();
        return connect(to);
    }
    if (addresses_.empty()) {
        const Handler handler = std::exchange(handler_, nullptr);
        cancel();
        if (handler) handler(last_, address_);
        return;
    }
    address_ = std::move(addresses_.front());
    addresses_.pop_front();
    resolve(address_);
}

void Dial::cancel() {
    ++step_;
    handler_ = nullptr;
    resolver_.cancel();
    timer_.cancel();
    error_code ignored;
    socket_.close(ignored);
}

void Dial::give_up(Error why) {
    ++step_;
    last_ = std::move(why);
    error_code ignored;
    socket_.close(ignored);
    next();
}

/// Bounds the step that is under way: a name server or a host may say nothing at all.
void Dial::wait() {
    timer_.expires_after(patience_);
    timer_.async_wait(loop_->guarded([self = shared_from_this(), step = step_](error_code error) {
        if (error || step != self->step_) return;
        self->give_up(Error(errc::timed_out, self->address_ + " does not answer"));
    }));
}

void Dial::resolve(const std::string& text) {
    const auto address = parse_address(text);
    if (!address) return give_up(address.error());
    error_code not_numeric;
    const auto numeric = asio::ip::make_address(address->host, not_numeric);
    if (!not_numeric) return connect({numeric, address->port});
    ++step_;
    wait();
    resolver_.async_resolve(
        address->host,
        std::to_string(address->port),
        loop_->guarded([self = shared_from_this(), step = step_, host = address->host](
                           error_code error, const tcp::resolver::results_type& found) {
            if (step != self->step_) return;
            if (error || found.empty()) {
                return self->give_up(Error(
                    errc::name_not_resolved,
                    "the name " + host + " has no address (" + error.message() + "); check it"));
            }
            for (const auto& each : found) self->endpoints_.push_back(each.endpoint());
            self->next();
        }));
}

void Dial::connect(const tcp::endpoint& to) {
    ++step_;
    wait();
    socket_ = tcp::socket(loop_->strand());
    socket_.async_connect(
        to, loop_->guarded([self = shared_from_this(), step = step_](error_code error) {
            if (step != self->step_) return;
            if (error) {
                return self->give_up(
                    Error(errc::unreachable,
                          self->address_ + " cannot be reached (" + error.message() + ")"));
            }
            ++self->step_;
            self->timer_.cancel();
            const Handler handler = self->handler_;
            if (handler) handler(std::move(self->socket_), self->address_);
        }));
}

}  // namespace countersign::node
