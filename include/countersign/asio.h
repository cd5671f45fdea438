#pragma once

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "countersign/environment.h"
#include "countersign/error.h"
#include "countersign/link.h"
#include "countersign/options.h"
#include "countersign/secret.h"
#include "countersign/store.h"

namespace countersign {

/// Where a node listens. `host`: a name or an address; empty: every address of the machine.
/// `port` 0: one that is free.
struct Endpoint {
    std::string host;
    std::uint16_t port = 0;
};

/// What a Node did or met, for logs.
struct NodeEvent {
    enum class Kind : std::uint8_t {
        link,         ///< `link` says what happened
        link_ended,   ///< a link that had been connected is none any more; `reason` says why
        dial_failed,  ///< no link could be made with a contact; `reason` says why
        failed,       ///< this side could not accept, or look at its store; it is tried again
    };
    Kind kind{};
    NodeId node;          ///< the other one; all zero: not known
    std::string address;  ///< of the other one, where it is known; host:port
    std::optional<LinkEvent> link;
    std::optional<Error> reason;
    bool retries = true;  ///< link_ended, dial_failed: false when the other side wants no link
};
/// The stable name of a kind: "link_ended".
const char* name(NodeEvent::Kind kind) noexcept;

/// Every knob of a Node.
struct NodeOptions {
    std::vector<Endpoint> listen;  ///< empty: it only dials
    LinkOptions link;

    /// Between attempts to dial: full jitter below `backoff_first`, doubling up to `backoff_cap`.
    /// Shorter: links are back sooner; a primary that returns meets more attempts at once.
    milliseconds backoff_first{500};
    milliseconds backoff_cap{30'000};
    /// Before a contact is dialled again that wanted no link, unless memberships change sooner.
    milliseconds refused_pause{300'000};
    /// How long a name server has, and each address to connect to.
    milliseconds connect_timeout{5'000};
    /// How long the other side has to take a goodbye.
    milliseconds linger{2'000};

    /// Connections that others opened, in all. Higher: about 10 KiB each, and two windows once data
    /// flows.
    std::size_t connections = 1024;
    /// Those among them that have proved nothing yet, over all sources and of one source (an IPv4
    /// address, or an IPv6 /64). Beyond: closed at once. Higher: more strangers' Diffie-Hellman is
    /// done at a time; lower: nodes behind one address wait for each other.
    std::size_t handshakes = 128;
    std::size_t handshakes_per_source = 16;
    /// Handshakes of one source within a minute that lead to nothing.
    std::size_t failed_handshakes_per_minute = 60;

    /// How often the store is asked whether another process has committed; at most 50 ms, so that
    /// its batches go out soon. Longer: fewer wake-ups.
    milliseconds look_interval{50};
    /// How often the store is told how the links stand (Links::show writes that for `status`).
    milliseconds show_interval{1'000};

    /// Runs what may wait for the disk; none: a pool of `blocking_threads` threads of its own. It
    /// may not drop a task while the Node lives.
    RunBlocking run_blocking;
    std::size_t blocking_threads = 2;
    /// Clocks; none: the machine's. Give what the store has.
    std::shared_ptr<Environment> environment;
    /// Called on the executor, one at a time. It may call nothing of the Node but `async_stop`, nor
    /// destroy it, and should return soon.
    std::function<void(const NodeEvent&)> on_event;
};

namespace node {
class Service;
}

/// Keeps a store's links: listens, dials whom replication wants dialled, connects anew, and does
/// what falls due. All on one strand of an executor that any number of threads may run. The store
/// must outlive it, and so must the executor's context; it must not be destroyed in a handler that
/// it calls, nor on a thread of `run_blocking`.
class Node {
  public:
    Node(boost::asio::any_io_executor executor, Store& store, NodeOptions options = {});
    Node(Node&&) noexcept;
    Node& operator=(Node&&) = delete;
    /// Ends all links without a goodbye, unless `async_stop` has. Waits for what the store has
    /// begun, not for the executor.
    ~Node();

    /// Takes the directory's links over and listens; a host's name is looked up here, which may
    /// take seconds. On an error nothing is held, and it can be called again.
    /// Errors: errc::already_served, errc::address_in_use, errc::name_not_resolved,
    /// errc::invalid_argument (an option, or an address that is none of this machine's),
    /// errc::cancelled (it was stopped), errc::read_only, errc::io_error.
    Result<void> start();

    /// The port of the first of `listen`; 0: not listening.
    std::uint16_t port() const noexcept;

    /// Says goodbye on all links, waits for what the store has begun, and gives everything back.
    /// Completes with nothing, within `linger` and the longest task. A Node starts only once.
    template <boost::asio::completion_token_for<void()> Token>
    auto async_stop(Token&& token) {
        return boost::asio::async_initiate<Token, void()>(
            [](auto handler, Node* self) { self->stop(std::move(handler)); }, token, this);
    }

  private:
    void stop(boost::asio::any_completion_handler<void()> handler);
    boost::asio::any_io_executor executor_;
    std::unique_ptr<node::Service> service_;
};

/// How far `join` has come.
struct JoinProgress {
    enum class Kind : std::uint8_t {
        connected,  ///< with a node of the pool
        admitted,   ///< this machine is a member
        copying,    ///< `records` have come so far over this link
        proved,     ///< the copy is what the pool's digest signs
    };
    Kind kind{};
    std::uint64_t records = 0;
};
/// The stable name of a kind: "admitted".
const char* name(JoinProgress::Kind kind) noexcept;

struct JoinOptions {
    NodeOptions node;  ///< how it connects; `listen` is not used
    /// How long it tries. A copy that has begun goes on where it was when `join` is called again.
    milliseconds deadline{std::chrono::minutes{30}};
    /// The other side says nothing to an invitation that it does not know or that has expired: so
    /// often it may hang up on every address before it is taken at its word.
    unsigned hang_ups = 3;
    /// Called on the executor; as NodeOptions::on_event.
    std::function<void(const JoinProgress&)> on_progress;
};

namespace node {
void start_join(boost::asio::any_io_executor executor,
                Options options,
                Secret invitation,
                JoinOptions how,
                boost::asio::any_completion_handler<void(Result<Store>)> handler);
}

/// Makes this machine a node of a pool: the directory and its keys, a link to whom the invitation
/// names, admission, copy and proof. Completes with a store that signs people in, ready for a Node
/// of its own. After an error it can be called again with the same invitation, and goes on from
/// where it was. Cancellation (any type) ends it with errc::cancelled. Errors: those of
/// Store::join; errc::already_served; what the other side refuses with (errc::invitation_spent,
/// errc::invitation_expired, errc::not_primary, errc::already_exists, errc::limit_reached,
/// errc::wrong_pool, ...); errc::handshake_failed when it hangs up; past the deadline,
/// errc::timed_out, or why the last attempt failed.
template <boost::asio::completion_token_for<void(Result<Store>)> Token>
auto join(boost::asio::any_io_executor executor,
          Options options,
          const Secret& invitation,
          JoinOptions how,
          Token&& token) {
    return boost::asio::async_initiate<Token, void(Result<Store>)>(
        [](auto handler,
           boost::asio::any_io_executor on,
           Options store_options,
           Secret text,
           JoinOptions join_options) {
            node::start_join(std::move(on),
                             std::move(store_options),
                             std::move(text),
                             std::move(join_options),
                             std::move(handler));
        },
        token,
        std::move(executor),
        std::move(options),
        invitation.clone(),
        std::move(how));
}

template <boost::asio::completion_token_for<void(Result<Store>)> Token>
auto join(boost::asio::any_io_executor executor,
          Options options,
          const Secret& invitation,
          Token&& token) {
    return join(std::move(executor),
                std::move(options),
                invitation,
                JoinOptions{},
                std::forward<Token>(token));
}

}  // namespace countersign
