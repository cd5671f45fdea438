#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "countersign/link.h"
#include "countersign/links.h"
#include "countersign/store.h"

namespace countersign::node {

/// What links are kept for: a Store, seen as narrowly as a Station needs it. Each call is that of
/// Links or Store of the same name.
class Supply {
  public:
    virtual ~Supply() = default;
    virtual Result<std::unique_ptr<FileLock>> serve() = 0;
    virtual std::shared_ptr<LinkStore> store() = 0;
    virtual std::optional<Link::Invited> invitation() = 0;
    virtual std::vector<Contact> contacts() = 0;
    virtual void on_change(std::function<void()> handler) = 0;
    virtual Result<void> look() = 0;
    /// May write a file: called where blocking is allowed.
    virtual void show(std::span<const LinkStatus> links) = 0;
    virtual Stage stage() = 0;
    /// Called where blocking is allowed.
    virtual Instant run_due() = 0;
};

}  // namespace countersign::node
