#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "countersign/asio.h"
#include "countersign/error.h"

#include "asio/loop.h"

namespace countersign::node {

using asio::ip::tcp;

/// The sockets that others connect to.
class Listener {
  public:
    using OnAccepted = std::function<void(tcp::socket)>;
    using OnFailed = std::function<void(Error)>;

    Listener(std::shared_ptr<Loop> loop, OnAccepted on_accepted, OnFailed on_failed);

    /// Binds and listens; all or nothing. Blocks while names are looked up. Errors: those of
    /// Node::start.
    Result<void> open(const std::vector<Endpoint>& endpoints);
    /// Begins to accept.
    void start();
    void close();
    std::uint16_t port() const noexcept { return port_; }

  private:
    struct Door {
        tcp::acceptor acceptor;
        asio::steady_timer pause;
    };
    Result<std::vector<tcp::endpoint>> resolve(const Endpoint& endpoint);
    Result<void> open_one(const tcp::endpoint& at);
    void accept(const std::shared_ptr<Door>& door);

    const std::shared_ptr<Loop> loop_;
    OnAccepted on_accepted_;
    OnFailed on_failed_;
    std::vector<std::shared_ptr<Door>> doors_;
    std::uint16_t port_ = 0;
};

}  // namespace countersign::node
