#include "cluster/live_site.h"

#include <algorithm>
#include <utility>

namespace countersign::testing {

LiveSite::LiveSite(boost::asio::io_context& context, std::uint64_t seed, const std::string& name)
    : io(context), place(seed) {
    place.options.node_name = name;
    place.options.environment = nullptr;
    node_options.backoff_first = milliseconds{20};
    node_options.backoff_cap = milliseconds{100};
    node_options.linger = milliseconds{500};
    node_options.on_event = [this](const NodeEvent& event) {
        const std::lock_guard guard(mutex_);
        events_.push_back(event);
    };
    join_options.node = node_options;
    join_options.on_progress = [this](const JoinProgress& each) { progress.push_back(each); };
}

void LiveSite::create() {
    store.emplace(place.create());
}

Result<void> LiveSite::begin_join(const Secret& invitation) {
    std::optional<Result<Store>> joined;
    countersign::join(
        io.get_executor(), place.options, invitation, join_options, [&](Result<Store> result) {
            joined.emplace(std::move(result));
        });
    REQUIRE(run_until(io, [&] { return joined.has_value(); }));
    forget();
    if (!*joined) return joined->error();
    store.emplace(std::move(**joined));
    return {};
}

void LiveSite::join(const Secret& invitation) {
    const auto joined = begin_join(invitation);
    if (!joined) FAIL(joined.error().message());
}

void LiveSite::start() {
    node_options.listen = {{"127.0.0.1", port}};
    node.emplace(io.get_executor(), *store, node_options);
    const auto started = node->start();
    if (!started) FAIL(started.error().message());
    port = node->port();
}

void LiveSite::stop() {
    bool stopped = false;
    node->async_stop([&] { stopped = true; });
    REQUIRE(run_until(io, [&] { return stopped; }));
    node.reset();
}

void LiveSite::close() {
    if (node) stop();
    store.reset();
}

Secret LiveSite::invite(const std::string& name, Capability may) {
    auto text = store->nodes().invite(
        {.name = name, .may = may, .addresses = {"127.0.0.1:" + std::to_string(port)}});
    if (!text) FAIL(text.error().message());
    return std::move(*text);
}

bool LiveSite::knows(const std::string& login) {
    return store->users().find(login).has_value();
}

std::size_t LiveSite::count(NodeEvent::Kind kind) {
    const std::lock_guard guard(mutex_);
    return static_cast<std::size_t>(std::ranges::count(events_, kind, &NodeEvent::kind));
}

bool LiveSite::saw(LinkEvent::Kind kind) {
    const std::lock_guard guard(mutex_);
    return std::ranges::any_of(
        events_, [&](const NodeEvent& event) { return event.link && event.link->kind == kind; });
}

void LiveSite::forget() {
    const std::lock_guard guard(mutex_);
    events_.clear();
}

std::optional<Error> LiveSite::last_reason() {
    const std::lock_guard guard(mutex_);
    for (auto event = events_.rbegin(); event != events_.rend(); ++event) {
        if (event->reason) return event->reason;
    }
    return std::nullopt;
}

}  // namespace countersign::testing
