#pragma once

#include <functional>
#include <optional>
#include <span>

#include "countersign/error.h"

#include "attempts/merge.h"
#include "attempts/spent.h"
#include "membership/members.h"

namespace countersign::attempts {

/// Whose rows count, by the memberships: those of nodes that hold the user's realm; clears also of
/// nodes with `administer`. Rows of a removed node stay as they were when it was removed: later
/// ones never reach the tables. A row about an unknown name counts from every member.
class MembersWord final : public WhoseWord, public WhoseSpent {
  public:
    /// No value for a user that is not known.
    using RealmOf = std::function<std::optional<RealmId>(const UserId&)>;

    /// `members` outlive this.
    MembersWord(std::span<const membership::Member> members, RealmOf realm_of)
        : members_(members), realm_of_(std::move(realm_of)) {}

    bool failures_count(const TallyRow& row) const override;
    bool clears_count(const TallyRow& row) const override;
    bool counts(const SpentRow& row) const override;

  private:
    bool holds(const NodeId& node, const UserId& user, Capability instead) const;

    std::span<const membership::Member> members_;
    RealmOf realm_of_;
};

}  // namespace countersign::attempts
