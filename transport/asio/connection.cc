#include "asio/connection.h"

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <utility>
#include <variant>
#include <vector>

namespace countersign::node {
namespace {

using boost::system::error_code;

/// Buffers given to one write.
constexpr std::size_t gather = 16;

}  // namespace

Connection::Connection(
    std::shared_ptr<Loop> loop, Owner& owner, tcp::socket socket, Link link, milliseconds linger)
    : loop_(std::move(loop)),
      owner_(&owner),
      socket_(std::move(socket)),
      link_(std::move(link)),
      id_(link_->id()),
      linger_(linger),
      timer_(loop_->strand()) {}

void Connection::start() {
    error_code ignored;
    socket_.set_option(tcp::no_delay(true), ignored);
    socket_.non_blocking(true, ignored);
    wait_readable();
    drain();
}

void Connection::on_commit() {
    if (!link_) return;
    link_->on_commit(loop_->now());
    drain();
}

void Connection::close(Error reason) {
    if (!link_) return;
    link_->close(std::move(reason), loop_->now());
    drain();
}

void Connection::drop() {
    link_.reset();
    lost_ = true;
    outgoing_.clear();
    timer_.cancel();
    error_code ignored;
    socket_.close(ignored);
}

std::optional<LinkStatus> Connection::status() const {
    if (!link_) return std::nullopt;
    return link_->status();
}

/// What the owner does about an action may lead back here; then the loop below goes on with it.
void Connection::drain() {
    if (draining_) return;
    draining_ = true;
    while (link_) {
        auto action = link_->poll();
        if (!action) break;
        std::visit([this](auto&& one) { take(std::move(one)); }, std::move(*action));
    }
    draining_ = false;
    write();
}

void Connection::take(SendBytes&& send) {
    if (!lost_ && !send.bytes.empty()) outgoing_.push_back(std::move(send.bytes));
}

void Connection::take(RunStore&& run) {
    loop_->jobs().run(std::move(run.task), [weak = weak_from_this(), id = run.id] {
        const auto self = weak.lock();
        if (!self || !self->link_) return;
        self->link_->on_done(id, self->loop_->now());
        self->drain();
    });
}

void Connection::take(LinkEvent&& event) {
    owner_->on_link_event(*this, event);
}

void Connection::take(WakeLink&& wake) {
    wake_at_ = wake.at;
    sleep();
}

void Connection::take(CloseLink&& close) {
    link_.reset();
    wake_at_.reset();
    owner_->on_link_end(*this, close);
    if (!socket_.is_open()) return;
    timer_.expires_after(linger_);
    timer_.async_wait(loop_->guarded([self = shared_from_this()](error_code error) {
        if (!error) self->close_stream();
    }));
    if (lost_ || (outgoing_.empty() && !writing_)) finish_sending();
}

// Time.

void Connection::sleep() {
    timer_.expires_after(std::max(*wake_at_ - loop_->now().monotonic, Instant::duration{}));
    timer_.async_wait(loop_->guarded([self = shared_from_this()](error_code error) {
        if (!error && self->link_) self->on_wake();
    }));
}

void Connection::on_wake() {
    const Now now = loop_->now();
    if (!wake_at_) return;
    if (now.monotonic < *wake_at_) return sleep();  // the two clocks count a little differently
    wake_at_.reset();
    link_->on_time(now);
    drain();
}

// The stream.

void Connection::wait_readable() {
    socket_.async_wait(tcp::socket::wait_read,
                       loop_->guarded([self = shared_from_this()](error_code error) {
                           self->on_readable(error);
                       }));
}

void Connection::on_readable(error_code error) {
    if (!socket_.is_open()) return;
    auto& into = loop_->scratch();
    std::size_t size = 0;
    if (!error) size = socket_.read_some(asio::buffer(into), error);
    if (error == asio::error::would_block || error == asio::error::interrupted) {
        return wait_readable();
    }
    if (error) return on_stream_lost(error);
    if (link_) {  // else it only waits for the peer to hang up
        link_->on_bytes(BytesView(into).first(size), loop_->now());
        drain();
    }
    if (socket_.is_open()) wait_readable();
}

void Connection::on_stream_lost(error_code error) {
    if (lost_) return;
    lost_ = true;
    outgoing_.clear();
    if (!link_) return close_stream();
    const bool ended = error == asio::error::eof;
    link_->on_closed(Error(errc::link_closed,
                           ended ? "the other side closed the connection"
                                 : "the connection broke (" + error.message() + ")"));
    drain();  // when the store still takes the peer's last word, the link ends after that
}

void Connection::write() {
    if (writing_ || lost_ || outgoing_.empty()) return;
    writing_ = true;
    said_anything_ = true;
    std::vector<asio::const_buffer> buffers;
    for (const Bytes& each : outgoing_) {
        if (buffers.size() == gather) break;
        buffers.emplace_back(each.data(), each.size());
    }
    buffers.front() += first_written_;
    socket_.async_write_some(
        buffers, loop_->guarded([self = shared_from_this()](error_code error, std::size_t size) {
            self->on_written(error, size);
        }));
}

void Connection::on_written(error_code error, std::size_t size) {
    writing_ = false;
    if (!socket_.is_open()) return;
    if (error) return on_stream_lost(error);
    if (link_) link_->on_sent(size);
    for (first_written_ += size;
         !outgoing_.empty() && first_written_ >= outgoing_.front().size();) {
        first_written_ -= outgoing_.front().size();
        outgoing_.pop_front();
    }
    if (!link_ && outgoing_.empty()) return finish_sending();
    drain();
}

/// Closing a socket that has unread bytes would take back what the peer has not read yet: so the
/// peer hangs up first, if it was told anything, or the linger ends.
void Connection::finish_sending() {
    if (lost_ || !said_anything_) return close_stream();
    error_code error;
    socket_.shutdown(tcp::socket::shutdown_send, error);
    if (error) close_stream();
}

void Connection::close_stream() {
    if (!socket_.is_open()) return;
    drop();
    owner_->on_stream_end(*this);
}

}  // namespace countersign::node
