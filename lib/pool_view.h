#pragma once

#include <optional>
#include <string>
#include <vector>

#include "membership/former_members.h"
#include "membership/members.h"
#include "records/pool_settings.h"
#include "records/seal.h"
#include "records/statements.h"

namespace countersign {

/// An invitation that may still let someone in.
struct OpenInvitation {
    RecordId id;
    sealing::Key psk;
    UnixTime expires{};
    std::optional<NodeId> spent_by;  ///< that node may ask again: its answer can have been lost
};

/// What holds for the pool at one moment: replaced whole when one of the pool's own records
/// changes.
struct PoolView {
    LogSeq seq{};  ///< the head at which it was read
    records::PoolSettings settings;
    std::vector<membership::Member> members;
    std::vector<membership::FormerMember> former_members;
    std::vector<records::Departure> departures;
    std::vector<OpenInvitation> invitations;
    std::optional<records::Designation> designation;
    records::Sealer sealer;

    bool is_primary(const NodeId& node) const { return designation && designation->node == node; }
    /// For errc::not_primary: who writes.
    std::string primary_name() const {
        if (!designation) return "not designated yet";
        const auto* member = membership::find(members, designation->node);
        return member ? member->name : to_string(designation->node);
    }
};

}  // namespace countersign
