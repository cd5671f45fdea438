#include "transport/asio/fake_node.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <chrono>
#include <utility>

namespace countersign::testing {
namespace {

/// Holds `served` of its supply.
class Lock final : public FileLock {
  public:
    explicit Lock(bool& held) : held_(held) { held_ = true; }
    ~Lock() override { held_ = false; }
    Result<void> lock(milliseconds) override { return {}; }
    void unlock() noexcept override {}

  private:
    bool& held_;
};

}  // namespace

Result<std::unique_ptr<FileLock>> FakeSupply::serve() {
    if (served) return Error(errc::already_served, "another process keeps these links");
    return std::make_unique<Lock>(served);
}

std::optional<Link::Invited> FakeSupply::invitation() {
    if (!invited || stage() != Stage::joining) return std::nullopt;
    return Link::Invited{invited->request, invited->psk.clone()};
}

std::vector<Contact> FakeSupply::contacts() {
    return fake->primary() == fake->node ? std::vector<Contact>{} : whom;
}

Result<void> FakeSupply::look() {
    if (look_fails) return *look_fails;
    if (std::exchange(changed_elsewhere, false)) change();
    return {};
}

Stage FakeSupply::stage() {
    if (fake->removed) return Stage::removed;
    if (!fake->member_psk()) return Stage::joining;
    return fake->head().seq == LogSeq{} ? Stage::copying : Stage::ready;
}

Instant FakeSupply::run_due() {
    ++due_runs;
    return system_environment()->now().monotonic + due_every;
}

NodeOptions hasty(boost::asio::io_context& io) {
    NodeOptions options;
    options.backoff_first = milliseconds{20};
    options.backoff_cap = milliseconds{50};
    options.connect_timeout = milliseconds{1'000};
    options.linger = milliseconds{200};
    options.look_interval = milliseconds{5};
    options.show_interval = milliseconds{10};
    options.link.handshake_deadline = milliseconds{2'000};
    options.run_blocking = [&io](std::function<void()> task) {
        boost::asio::post(io, std::move(task));
    };
    return options;
}

FakeNode::FakeNode(boost::asio::io_context& context, std::uint64_t seed, std::string name)
    : io(context),
      store(std::make_shared<FakeLinkStore>(seed, std::move(name))),
      supply(std::make_shared<FakeSupply>(store)),
      options(hasty(context)) {
    options.on_event = [this](const NodeEvent& event) { events.push_back(event); };
}

Result<void> FakeNode::start(bool listen) {
    if (listen) options.listen = {{"127.0.0.1", port}};
    service.reset();
    service = std::make_unique<node::Service>(
        std::make_shared<node::Loop>(io.get_executor(), nullptr, options.run_blocking, 1),
        supply,
        options);
    const auto started = service->start();
    if (started && listen) port = service->port();
    return started;
}

void FakeNode::stop() {
    bool stopped = false;
    service->stop([&] { stopped = true; });
    run_until(io, [&] { return stopped; });
    service.reset();
}

Contact FakeNode::contact(bool is_primary) const {
    return {.channel_key = store->channel_key(),
            .node = store->node,
            .name = store->name,
            .addresses = {"127.0.0.1:" + std::to_string(port)},
            .is_primary = is_primary};
}

bool FakeNode::saw(LinkEvent::Kind kind) const {
    return std::ranges::any_of(
        events, [&](const NodeEvent& event) { return event.link && event.link->kind == kind; });
}

std::size_t FakeNode::count(NodeEvent::Kind kind) const {
    return static_cast<std::size_t>(
        std::ranges::count(events, kind, [](const NodeEvent& event) { return event.kind; }));
}

std::optional<errc> FakeNode::reason() const {
    for (auto event = events.rbegin(); event != events.rend(); ++event) {
        if (event->reason) return event->reason->code();
    }
    return std::nullopt;
}

bool FakeNode::linked_with(const FakeNode& other) const {
    return std::ranges::any_of(
        links(), [&](const LinkStatus& status) { return status.peer == other.store->node; });
}

bool run_until(boost::asio::io_context& io, const std::function<bool()>& condition) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds{30};
    while (!condition() && std::chrono::steady_clock::now() < end) {
        io.restart();
        io.run_one_for(milliseconds{20});
    }
    return condition();
}

void run_for(boost::asio::io_context& io, milliseconds time) {
    io.restart();
    io.run_for(time);
}

}  // namespace countersign::testing
