#pragma once

#include <optional>
#include <vector>

#include "countersign/error.h"

#include "records/seal.h"
#include "records/statements.h"
#include "records/table.h"

namespace countersign::membership {

/// A node of the pool, as its two statements make it one.
struct Member {
    NodeId id;
    sealing::PublicKey channel_key{};
    sealing::PublicKey token_key{};
    std::string name;
    Capability capabilities = Capability::none;
    std::vector<RealmId> realms;
    std::vector<std::string> addresses;
    UnixTime joined{};

    bool holds(RealmId realm) const;
};

/// Name limits of nodes: 1 to 64 letters, digits, `-`, `_` and `.`.
bool is_node_name(std::string_view name) noexcept;

records::SignedStatement sign(const records::InvitationStatement& statement,
                              const sealing::SigningKey& root_key);
records::SignedStatement sign(const records::AdmissionStatement& statement,
                              const sealing::SigningKey& admission_key);

/// What the root key granted, when it did. Errors: errc::malformed, errc::wrong_pool,
/// errc::bad_signature.
Result<records::InvitationStatement> verify_invitation(const records::SignedStatement& statement,
                                                       const PoolId& pool,
                                                       const sealing::PublicKey& root_key);

/// Checks both links: the root key signed the invitation, and its admission key signed the node's
/// keys. Errors: as verify_invitation.
Result<Member> verify(const records::Membership& membership,
                      const PoolId& pool,
                      const sealing::PublicKey& root_key);

/// The id of a node's membership record: one node, one record.
RecordId membership_id(const NodeId& node);

/// All members, by name. The first membership that does not verify, or lies under another node's
/// id, ends the reading. Errors: as verify_invitation and Sealer::open; errc::corrupt.
Result<std::vector<Member>> read_members(records::Reader& reader,
                                         const records::Sealer& sealer,
                                         const PoolId& pool,
                                         const sealing::PublicKey& root_key);

/// Of all nodes that were removed, up to where their rows of attempts count. Errors: errc::corrupt,
/// and those of Sealer::open.
Result<std::vector<records::Departure>> read_departures(records::Reader& reader,
                                                        const records::Sealer& sealer);

const Member* find(const std::vector<Member>& members, const NodeId& id) noexcept;

}  // namespace countersign::membership
