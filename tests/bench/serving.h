#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "countersign/asio.h"

#include "bench/bench.h"

namespace countersign::bench {

/// An event loop on a thread of its own.
class EventLoop {
  public:
    EventLoop() : busy_(context_.get_executor()), thread_([this] { context_.run(); }) {}
    ~EventLoop() {
        busy_.reset();
        context_.stop();
    }
    auto executor() { return context_.get_executor(); }

  private:
    boost::asio::io_context context_;
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> busy_;
    std::jthread thread_;
};

/// A store whose links are kept, listening on loopback.
class Serving {
  public:
    Serving(EventLoop& loop, Store& store, NodeOptions options = {})
        : node_(loop.executor(), store, with_address(std::move(options))) {
        require(node_.start());
    }
    Serving(const Serving&) = delete;
    Serving& operator=(const Serving&) = delete;
    ~Serving() { node_.async_stop(boost::asio::use_future).get(); }
    std::string address() const { return "127.0.0.1:" + std::to_string(node_.port()); }

  private:
    static NodeOptions with_address(NodeOptions options) {
        options.listen = {{"127.0.0.1", 0}};
        options.linger = milliseconds{500};
        return options;
    }
    Node node_;
};

/// Makes this machine a node of the pool that has invited it.
inline Store join_pool(EventLoop& loop, const Directory& directory, const Secret& invitation) {
    const auto environment = system_environment();
    require(make_key_file(directory.in("key"), *environment));
    auto options = store_options(directory);
    return require(
        join(loop.executor(), std::move(options), invitation, boost::asio::use_future).get());
}

}  // namespace countersign::bench
