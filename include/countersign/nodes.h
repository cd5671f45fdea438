#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "countersign/error.h"
#include "countersign/ids.h"
#include "countersign/keys.h"
#include "countersign/secret.h"
#include "countersign/time.h"

namespace countersign {

class Hall;

/// What a member may do, as its invitation said; a set, joined with `|`.
enum class Capability : std::uint32_t {
    none = 0,
    serve = 1,       ///< feed other nodes with copies and batches
    stand = 2,       ///< be designated primary; needs every realm; trusted like the primary
    propose = 4,     ///< forward what users change of their own
    administer = 8,  ///< forward any write, and unlock
    tokens = 16,     ///< sign access tokens
    all = 31,
};

constexpr Capability operator|(Capability left, Capability right) noexcept {
    return Capability{static_cast<std::uint32_t>(left) | static_cast<std::uint32_t>(right)};
}

/// Whether `held` has everything that `wanted` names.
constexpr bool includes(Capability held, Capability wanted) noexcept {
    return (static_cast<std::uint32_t>(held) & static_cast<std::uint32_t>(wanted)) ==
           static_cast<std::uint32_t>(wanted);
}

/// Who may join, and how it finds this node.
struct Invite {
    std::string name;  ///< of the new node: 1 to 64 letters, digits, `-`, `_` and `.`
    Capability may = Capability::propose;
    std::vector<RealmId> realms{RealmId::default_users};
    std::vector<std::string> addresses;  ///< host:port of this node, in the order to try; 1 to 16
    milliseconds expires_in{std::chrono::hours{24}};  ///< at most 30 days
    /// The pool's root key; by default where `create` put it, opened by the store's own provider.
    std::string root_file;
    std::shared_ptr<KeyProvider> root_key_provider;
};

struct NodeInfo {
    NodeId id;
    std::string name;
    Capability may = Capability::none;
    std::vector<RealmId> realms;
    std::vector<std::string> addresses;
    UnixTime joined;
    bool is_primary = false;
    bool is_self = false;
};

/// The nodes of the pool. Thread-safe.
class Nodes {
  public:
    /// A text for the new machine's `join`, good once. Opens the root key for as long as that
    /// takes. Errors: errc::not_primary, errc::invalid_argument, errc::already_exists (a node's
    /// name), errc::not_held (a realm), errc::not_found, errc::wrong_pool, errc::wrong_key (the
    /// root key).
    Result<Secret> invite(Invite invite);
    /// By name.
    Result<std::vector<NodeInfo>> list();
    /// Shuts a node out. What it holds it holds: its realms' secrets are known to whoever has it.
    /// Errors: errc::not_primary, errc::not_found, errc::invalid_argument (the primary itself).
    Result<LogSeq> remove(NodeId node);
    /// Wraps the pool's root key anew, in the file where it is: what `from` opens, `to` opens from
    /// then on. Durable on return; on an error the file stays as it was. Errors: errc::not_found,
    /// errc::malformed, errc::wrong_pool, errc::wrong_key, and those of the providers and the disk.
    Result<void> rewrap_root(const std::string& file, KeyProvider& from, KeyProvider& to);

  private:
    friend class Store;
    explicit Nodes(Hall& hall) : hall_(&hall) {}
    Hall* hall_;
};

}  // namespace countersign
