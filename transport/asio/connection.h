#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "countersign/error.h"
#include "countersign/link.h"

#include "asio/loop.h"

namespace countersign::node {

using asio::ip::tcp;

/// One Link over one socket: what the link wants is done, what happens it is told. All calls, and
/// all calls of the owner, on the strand.
class Connection final : public std::enable_shared_from_this<Connection> {
  public:
    class Owner {
      public:
        virtual void on_link_event(Connection& connection, const LinkEvent& event) = 0;
        /// The link has ended. What it said last may still be on its way.
        virtual void on_link_end(Connection& connection, const CloseLink& close) = 0;
        /// The stream is closed. The last call.
        virtual void on_stream_end(Connection& connection) = 0;

      protected:
        ~Owner() = default;
    };

    /// `linger`: how long the peer has to take what was said last.
    Connection(std::shared_ptr<Loop> loop,
               Owner& owner,
               tcp::socket socket,
               Link link,
               milliseconds linger);

    void start();
    void on_commit();
    /// Says goodbye and ends.
    void close(Error reason);
    /// Ends at once, without a word to peer or owner; lets go of the link and so of the store.
    void drop();

    LinkTable::LinkId id() const noexcept { return id_; }
    /// No value once the link has ended.
    std::optional<LinkStatus> status() const;

  private:
    void drain();
    void take(SendBytes&& send);
    void take(RunStore&& run);
    void take(LinkEvent&& event);
    void take(WakeLink&& wake);
    void take(CloseLink&& close);

    void wait_readable();
    void on_readable(boost::system::error_code error);
    void on_stream_lost(boost::system::error_code error);
    void write();
    void on_written(boost::system::error_code error, std::size_t size);
    void sleep();
    void on_wake();
    void finish_sending();
    void close_stream();

    const std::shared_ptr<Loop> loop_;
    Owner* const owner_;
    tcp::socket socket_;
    std::optional<Link> link_;
    const LinkTable::LinkId id_;
    const milliseconds linger_;
    asio::steady_timer timer_;  // the link's; then the linger's
    std::optional<Instant> wake_at_;
    std::deque<Bytes> outgoing_;
    std::size_t first_written_ = 0;  // bytes of the first that have gone
    bool said_anything_ = false;
    bool writing_ = false;
    bool draining_ = false;
    bool lost_ = false;  // nothing can be sent or read any more
};

}  // namespace countersign::node
