#pragma once

#include "countersign/store.h"

#include "asio/supply.h"

namespace countersign::node {

/// The store of an application. It must outlive this.
class StoreSupply final : public Supply {
  public:
    explicit StoreSupply(Store& store) : store_(store), links_(store.links()) {}

    Result<std::unique_ptr<FileLock>> serve() override { return links_.serve(); }
    std::shared_ptr<LinkStore> store() override { return links_.store(); }
    std::optional<Link::Invited> invitation() override { return links_.invitation(); }
    std::vector<Contact> contacts() override { return links_.contacts(); }
    void on_change(std::function<void()> handler) override { links_.on_change(std::move(handler)); }
    Result<void> look() override { return links_.look(); }
    void show(std::span<const LinkStatus> links) override { links_.show(links); }
    Stage stage() override { return store_.stage(); }
    Instant run_due() override { return store_.run_due(); }

  private:
    Store& store_;
    Links links_;
};

}  // namespace countersign::node
