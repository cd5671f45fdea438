#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "countersign/error.h"
#include "countersign/time.h"

#include "asio/address.h"
#include "asio/loop.h"

namespace countersign::node {

using asio::ip::tcp;

/// Connects to one of a contact's addresses after the other, and to each one that a name has. All
/// calls on the strand.
class Dial final : public std::enable_shared_from_this<Dial> {
  public:
    /// With the address that was reached; or, after the last, with why none could be: an error of
    /// the last one, errc::invalid_argument, errc::name_not_resolved, errc::unreachable or
    /// errc::timed_out.
    using Handler = std::function<void(Result<tcp::socket> reached, const std::string& address)>;

    /// `patience`: for a name, and for each of its addresses.
    Dial(std::shared_ptr<Loop> loop,
         std::vector<std::string> addresses,
         milliseconds patience,
         Handler handler);

    /// Goes on: the handler is called once. `failed`: why what was reached last did not do.
    void next(std::optional<Error> failed = std::nullopt);
    /// The handler is not called any more.
    void cancel();

  private:
    void resolve(const std::string& text);
    void connect(const tcp::endpoint& to);
    void wait();
    void give_up(Error why);

    const std::shared_ptr<Loop> loop_;
    const milliseconds patience_;
    Handler handler_;
    std::deque<std::string> addresses_;
    std::deque<tcp::endpoint> endpoints_;  // of the address that is being tried
    std::string address_;                  // that one, as it was written
    Error last_;
    tcp::resolver resolver_;
    tcp::socket socket_;
    asio::steady_timer timer_;
    std::uint64_t step_ = 0;  // answers to an earlier one come too late
};

}  // namespace countersign::node
