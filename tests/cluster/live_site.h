#pragma once

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "countersign/asio.h"
#include "countersign/store.h"

#include "support/store_fixture.h"

namespace countersign::testing {

/// A machine with a store and a Node, on real sockets, clocks and threads.
struct LiveSite {
    LiveSite(boost::asio::io_context& context, std::uint64_t seed, const std::string& name);

    void create();
    /// Lets this machine in, and waits for it.
    void join(const Secret& invitation);
    Result<void> begin_join(const Secret& invitation);
    /// A Node that listens on 127.0.0.1, where it did before.
    void start();
    void stop();  ///< with goodbyes
    void close();
    void reopen() { store.emplace(place.open()); }

    Secret invite(const std::string& name, Capability may = Capability::propose);
    bool knows(const std::string& login);
    LogSeq seq() { return store->status()->seq; }
    std::size_t count(NodeEvent::Kind kind);
    bool saw(LinkEvent::Kind kind);
    std::optional<Error> last_reason();
    void forget();  ///< of the events until now; `join` does too

    boost::asio::io_context& io;
    StorePlace place;
    NodeOptions node_options;
    JoinOptions join_options;
    std::optional<Store> store;
    std::optional<Node> node;
    std::uint16_t port = 0;
    std::vector<JoinProgress> progress;

  private:
    std::mutex mutex_;
    std::vector<NodeEvent> events_;
};

/// Runs the context until `condition`, at most half a minute.
bool run_until(boost::asio::io_context& io, const std::function<bool()>& condition);

}  // namespace countersign::testing
