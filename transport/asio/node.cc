#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <memory>
#include <optional>
#include <utility>

#include "countersign/asio.h"

#include "asio/joining.h"
#include "asio/loop.h"
#include "asio/service.h"
#include "asio/store_supply.h"

namespace countersign {
namespace node {
namespace {

/// Something to call once, from any thread and under any lock: the handler, later, on its own
/// executor, which has work until then.
template <class... Values>
auto completion(asio::any_io_executor fallback,
                asio::any_completion_handler<void(Values...)> handler) {
    auto work = asio::make_work_guard(asio::get_associated_executor(handler, fallback));
    return [fallback = std::move(fallback), work = std::move(work), handler = std::move(handler)](
               Values... values) mutable {
        asio::post(fallback,
                   [work = std::move(work),
                    handler = std::move(handler),
                    ... values = std::move(values)]() mutable {
                       asio::dispatch(work.get_executor(),
                                      [handler = std::move(handler),
                                       ... values = std::move(values)]() mutable {
                                          std::move(handler)(std::move(values)...);
                                      });
                   });
    };
}

}  // namespace

void start_join(asio::any_io_executor executor,
                Options options,
                Secret invitation,
                JoinOptions how,
                asio::any_completion_handler<void(Result<Store>)> handler) {
    if (!how.node.environment) how.node.environment = options.environment;
    auto slot = asio::get_associated_cancellation_slot(handler);
    const auto store = std::make_shared<std::optional<Store>>();
    const auto joining = std::make_shared<Joining>(
        executor,
        std::move(how),
        [store,
         options = std::move(options),
         invitation = std::move(invitation)]() mutable -> Result<std::shared_ptr<Supply>> {
            auto joined = Store::join(std::move(options), invitation);
            if (!joined) return joined.error();
            store->emplace(std::move(*joined));
            return std::make_shared<StoreSupply>(**store);
        },
        [store, complete = completion<Result<Store>>(executor, std::move(handler))](
            Result<void> outcome) mutable {
            if (outcome) return complete(std::move(**store));
            store->reset();
            complete(std::move(outcome.error()));
        });
    if (slot.is_connected()) {
        slot.assign([weak = std::weak_ptr(joining)](asio::cancellation_type) {
            if (const auto held = weak.lock()) held->cancel();
        });
    }
    joining->start();
}

}  // namespace node

namespace {

std::unique_ptr<node::Service> make_service(const boost::asio::any_io_executor& executor,
                                            Store& store,
                                            NodeOptions options) {
    auto loop = std::make_shared<node::Loop>(
        executor, options.environment, options.run_blocking, options.blocking_threads);
    return std::make_unique<node::Service>(
        std::move(loop), std::make_shared<node::StoreSupply>(store), std::move(options));
}

}  // namespace

Node::Node(boost::asio::any_io_executor executor, Store& store, NodeOptions options)
    : executor_(std::move(executor)),
      service_(make_service(executor_, store, std::move(options))) {}
Node::Node(Node&&) noexcept = default;
Node::~Node() = default;

Result<void> Node::start() {
    return service_->start();
}

std::uint16_t Node::port() const noexcept {
    return service_->port();
}

void Node::stop(boost::asio::any_completion_handler<void()> handler) {
    service_->stop(node::completion<>(executor_, std::move(handler)));
}

}  // namespace countersign
