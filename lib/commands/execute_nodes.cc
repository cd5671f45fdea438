#include "commands/execute_nodes.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "membership/members.h"
#include "records/codec.h"

namespace countersign::commands {
namespace {

using records::Change;
using records::RecordKind;
using records::RecordName;

using Changes = Result<std::vector<Change>>;

Result<Change> put(const Context& context, const RecordName& name, const Bytes& content) {
    auto sealed = context.sealer.seal(name, RealmId::pool, content, context.entropy.nonce());
    if (!sealed) return sealed.error();
    return Change{.name = name, .put = Change::Put{std::move(*sealed), {}}};
}

/// The content of a record of the pool's own, opened; none when there is no such record.
Result<std::optional<sealing::PlainBytes>> open(records::Reader& reader,
                                                const Context& context,
                                                const RecordName& name) {
    const auto stored = reader.get(name);
    if (!stored) return stored.error();
    if (!*stored) return std::nullopt;
    auto content = context.sealer.open(name, (*stored)->sealed);
    if (!content) return content.error();
    return std::optional(std::move(*content));
}

Result<std::vector<membership::Member>> members(records::Reader& reader, const Context& context) {
    return membership::read_members(reader, context.sealer, context.pool, context.root_key);
}

/// That no member has this name but `self`.
Result<void> require_free_name(records::Reader& reader,
                               const Context& context,
                               const std::string& name,
                               const NodeId& self) {
    const auto all = members(reader, context);
    if (!all) return all.error();
    const bool taken = std::ranges::any_of(*all, [&](const membership::Member& member) {
        return member.name == name && member.id != self;
    });
    if (taken) return Error(errc::already_exists, "a node named " + name);
    return {};
}

/// Whether the node is a member by exactly this admission.
Result<bool> is_member_by(records::Reader& reader,
                          const Context& context,
                          const NodeId& node,
                          const records::SignedStatement& admission) {
    const auto content =
        open(reader, context, {RecordKind::membership, membership::membership_id(node)});
    if (!content) return content.error();
    if (!*content) return false;
    const auto membership = records::decode_membership((*content)->bytes());
    if (!membership) return Error(errc::corrupt, membership.error().detail());
    return membership->admission.bytes == admission.bytes;
}

}  // namespace

Changes execute_node(const Invite& command, records::Reader& reader, const Context& context) {
    const auto statement =
        membership::verify_invitation(command.invitation.statement, context.pool, context.root_key);
    if (!statement) return statement.error();
    if (auto free = require_free_name(reader, context, statement->name, {}); !free) {
        return free.error();
    }
    const RecordName name{RecordKind::invitation, command.id};
    const auto existing = reader.get(name);
    if (!existing) return existing.error();
    if (*existing) return Error(errc::already_exists, "this invitation");
    auto change = put(context, name, records::encode(command.invitation));
    if (!change) return change.error();
    return std::vector<Change>{std::move(*change)};
}

Changes execute_node(const Admit& command, records::Reader& reader, const Context& context) {
    const RecordName name{RecordKind::invitation, command.invitation};
    const auto content = open(reader, context, name);
    if (!content) return content.error();
    if (!*content) return Error(errc::invalid_invitation, "this pool knows no such invitation");
    auto invitation = records::decode_invitation((*content)->bytes());
    if (!invitation) return Error(errc::corrupt, invitation.error().detail());
    const auto statement =
        membership::verify_invitation(invitation->statement, context.pool, context.root_key);
    if (!statement) return statement.error();
    if (context.now >= statement->expires) {
        return Error(errc::invitation_expired, "make a new one with `invite`");
    }
    const records::Membership membership{.invitation = invitation->statement,
                                         .admission = command.admission,
                                         .addresses = command.addresses,
                                         .joined = context.now};
    const auto member = membership::verify(membership, context.pool, context.root_key);
    if (!member) return member.error();
    if (invitation->spent_by) {
        const auto same = is_member_by(reader, context, *invitation->spent_by, command.admission);
        if (!same) return same.error();
        if (*same) return std::vector<Change>{};  // it asks again: its first answer was lost
        return Error(errc::invitation_spent, "make a new one with `invite`");
    }
    const bool for_others = std::ranges::any_of(command.grants, [&](const auto& grant) {
        return grant.second.node != member->id || !member->holds(grant.second.realm);
    });
    if (for_others) return Error(errc::invalid_argument, "a grant beyond what the node may hold");
    if (auto free = require_free_name(reader, context, member->name, member->id); !free) {
        return free.error();
    }

    invitation->spent_by = member->id;
    std::vector<std::pair<RecordName, Bytes>> contents;
    contents.emplace_back(name, records::encode(*invitation, (*content)->bytes()));
    contents.emplace_back(RecordName{RecordKind::membership, membership::membership_id(member->id)},
                          records::encode(membership));
    for (const auto& [id, grant] : command.grants) {
        contents.emplace_back(RecordName{RecordKind::key_grant, id}, records::encode(grant));
    }
    std::vector<Change> changes;
    for (const auto& [record, bytes] : contents) {
        auto change = put(context, record, bytes);
        if (!change) return change.error();
        changes.push_back(std::move(*change));
    }
    return changes;
}

Changes execute_node(const RemoveNode& command, records::Reader& reader, const Context& context) {
    const auto all = members(reader, context);
    if (!all) return all.error();
    const auto* member = membership::find(*all, command.node);
    if (!member) return Error(errc::not_found, "no node " + to_string(command.node));
    std::vector<Change> changes;
    changes.push_back(
        {.name = {RecordKind::membership, membership::membership_id(member->id)}, .put = {}});
    auto departure = put(context,
                         {RecordKind::departure, membership::membership_id(member->id)},
                         records::encode(records::Departure{
                             .node = member->id, .rows = command.rows, .removed = context.now}));
    if (!departure) return departure.error();
    changes.push_back(std::move(*departure));
    std::optional<Error> failure;
    const auto read = reader.each_of(
        RecordKind::key_grant, [&](const RecordName& name, const records::StoredRecord& record) {
            const auto content = context.sealer.open(name, record.sealed);
            const auto grant =
                content ? records::decode_key_grant(content->bytes()) : content.error();
            if (!grant) {
                failure = grant.error();
            } else if (grant->node == command.node) {
                changes.push_back({.name = name, .put = {}});
            }
            return !failure;
        });
    if (!read) return read.error();
    if (failure) return *failure;
    return changes;
}

}  // namespace countersign::commands
