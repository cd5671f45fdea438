#include "attempts/members_word.h"

#include <algorithm>

namespace countersign::attempts {

bool MembersWord::holds(const NodeId& node, const UserId& user, Capability instead) const {
    const auto member = std::ranges::find(members_, node, &membership::Member::id);
    if (member == members_.end()) return true;
    if (instead != Capability::none && includes(member->capabilities, instead)) return true;
    const auto realm = realm_of_(user);
    return !realm || member->holds(*realm);
}

bool MembersWord::failures_count(const TallyRow& row) const {
    return holds(row.node, row.credential.user(), Capability::none);
}

bool MembersWord::clears_count(const TallyRow& row) const {
    return holds(row.node, row.credential.user(), Capability::administer);
}

bool MembersWord::counts(const SpentRow& row) const {
    return holds(row.node, row.credential.user(), Capability::none);
}

}  // namespace countersign::attempts
