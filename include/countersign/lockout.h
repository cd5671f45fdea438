#pragma once

#include <optional>
#include <vector>

#include "countersign/error.h"
#include "countersign/ids.h"
#include "countersign/time.h"

namespace countersign {

class Hall;

/// What counts against one user's password or codes, and why.
struct LockoutStatus {
    struct Factor {
        bool locked = false;
        std::uint64_t failures = 0;               ///< effective: the sum over all nodes
        std::optional<milliseconds> retry_after;  ///< none while locked: only an unlock helps
        std::uint32_t share = 0;                  ///< this node's part of the guess budget
        std::uint64_t share_used = 0;             ///< this node's own remaining failures
        struct Node {
            NodeId node;
            std::uint64_t failures = 0;
        };
        std::vector<Node> nodes;  ///< with failures that count, removed ones too
    };
    Factor password;
    Factor codes;
};

/// Failed attempts, as this node knows them. Thread-safe.
class Lockout {
  public:
    /// Errors: errc::not_found, errc::not_held (the user's realm).
    Result<LockoutStatus> show(UserId user);
    /// Unlocks, at any node with `administer`: every failure that this node knows of is void, here
    /// at once and elsewhere as the news arrives, with the primary or without it. What another node
    /// has counted and this one has not heard of stays. Durable on return. Errors: errc::not_found,
    /// errc::not_permitted (needs `administer`).
    Result<void> clear(UserId user);

  private:
    friend class Store;
    explicit Lockout(Hall& hall) : hall_(&hall) {}
    Hall* hall_;
};

}  // namespace countersign
