#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "asio/service.h"
#include "asio/supply.h"
#include "support/fake_link_store.h"

namespace countersign::testing {

/// What a Store gives to whatever keeps its links, around a fake one. What takes long is done on
/// the thread of the one io_context.
class FakeSupply final : public node::Supply {
  public:
    explicit FakeSupply(std::shared_ptr<FakeLinkStore> store) : fake(std::move(store)) {}

    Result<std::unique_ptr<FileLock>> serve() override;
    std::shared_ptr<LinkStore> store() override { return fake; }
    std::optional<Link::Invited> invitation() override;
    std::vector<Contact> contacts() override;
    void on_change(std::function<void()> handler) override { changed_ = std::move(handler); }
    Result<void> look() override;
    void show(std::span<const LinkStatus> links) override {
        shown.assign(links.begin(), links.end());
    }
    Stage stage() override;
    Instant run_due() override;

    /// The store's own process has changed it.
    void change() {
        if (changed_) changed_();
    }

    std::shared_ptr<FakeLinkStore> fake;
    std::vector<Contact> whom;
    std::optional<Link::Invited> invited;
    std::vector<LinkStatus> shown;
    bool served = false;
    bool changed_elsewhere = false;  ///< by another process: found by `look` alone
    std::optional<errc> look_fails;
    int due_runs = 0;
    milliseconds due_every{20};

  private:
    std::function<void()> changed_;
};

/// Options with which tests need not wait long.
NodeOptions hasty(boost::asio::io_context& io);

/// A node of a pool around a fake store, and its service while it runs.
struct FakeNode {
    explicit FakeNode(boost::asio::io_context& context, std::uint64_t seed, std::string name);

    /// `listen`: on a free port of 127.0.0.1, or the one that it had before.
    Result<void> start(bool listen = true);
    void stop();  ///< gracefully, and waits for it
    /// Listens where it is already; for contacts of others.
    Contact contact(bool is_primary) const;
    bool saw(LinkEvent::Kind kind) const;
    std::size_t count(NodeEvent::Kind kind) const;
    /// Of the last event that has one.
    std::optional<errc> reason() const;
    std::vector<LinkStatus> links() const { return service->statuses(); }
    bool linked_with(const FakeNode& other) const;

    boost::asio::io_context& io;
    std::shared_ptr<FakeLinkStore> store;
    std::shared_ptr<FakeSupply> supply;
    NodeOptions options;
    std::unique_ptr<node::Service> service;
    std::vector<NodeEvent> events;
    std::uint16_t port = 0;
};

/// Runs the io_context until `condition`, at most half a minute.
bool run_until(boost::asio::io_context& io, const std::function<bool()>& condition);
void run_for(boost::asio::io_context& io, milliseconds time);

}  // namespace countersign::testing
