#include "membership/members.h"

#include <algorithm>
#include <utility>

#include "records/codec.h"

namespace countersign::membership {
namespace {

constexpr std::size_t name_limit = 64;

bool is_name_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
}

}  // namespace

bool Member::holds(RealmId realm) const {
    return std::ranges::find(realms, realm) != realms.end();
}

bool is_node_name(std::string_view name) noexcept {
    return !name.empty() && name.size() <= name_limit &&
           std::ranges::all_of(name, is_name_character);
}

records::SignedStatement sign(const records::InvitationStatement& statement,
                              const sealing::SigningKey& root_key) {
    auto bytes = records::encode(statement);
    const auto signature = sealing::sign(sealing::SignatureKind::invitation, bytes, root_key);
    return {.bytes = std::move(bytes), .signature = signature};
}

records::SignedStatement sign(const records::AdmissionStatement& statement,
                              const sealing::SigningKey& admission_key) {
    auto bytes = records::encode(statement);
    const auto signature = sealing::sign(sealing::SignatureKind::admission, bytes, admission_key);
    return {.bytes = std::move(bytes), .signature = signature};
}

Result<records::InvitationStatement> verify_invitation(const records::SignedStatement& statement,
                                                       const PoolId& pool,
                                                       const sealing::PublicKey& root_key) {
    if (!sealing::verify(
            sealing::SignatureKind::invitation, statement.bytes, statement.signature, root_key)) {
        return Error(errc::bad_signature, "an invitation that the root key did not sign");
    }
    auto invitation = records::decode_invitation_statement(statement.bytes);
    if (!invitation) return invitation.error();
    if (invitation->pool != pool) return Error(errc::wrong_pool, "an invitation to another pool");
    if (!is_node_name(invitation->name)) return Error(errc::malformed, "an invitation's node name");
    return invitation;
}

Result<Member> verify(const records::Membership& membership,
                      const PoolId& pool,
                      const sealing::PublicKey& root_key) {
    auto invitation = verify_invitation(membership.invitation, pool, root_key);
    if (!invitation) return invitation.error();
    if (!sealing::verify(sealing::SignatureKind::admission,
                         membership.admission.bytes,
                         membership.admission.signature,
                         invitation->admission_key)) {
        return Error(errc::bad_signature, "node keys that the admission key did not sign");
    }
    const auto admission = records::decode_admission_statement(membership.admission.bytes);
    if (!admission) return admission.error();
    if (admission->pool != pool) return Error(errc::wrong_pool, "an admission to another pool");
    return Member{.id = admission->node,
                  .channel_key = admission->channel_key,
                  .token_key = admission->token_key,
                  .name = std::move(invitation->name),
                  .capabilities = invitation->capabilities,
                  .realms = std::move(invitation->realms),
                  .addresses = membership.addresses,
                  .joined = membership.joined};
}

RecordId membership_id(const NodeId& node) {
    RecordId id;
    std::ranges::copy_n(
        sealing::hash256(node.bytes).bytes.begin(), RecordId::size, id.bytes.begin());
    return id;
}

Result<std::vector<Member>> read_members(records::Reader& reader,
                                         const records::Sealer& sealer,
                                         const PoolId& pool,
                                         const sealing::PublicKey& root_key) {
    std::vector<Member> members;
    Result<void> outcome;
    const auto read = reader.each_of(
        records::RecordKind::membership,
        [&](const records::RecordName& name, const records::StoredRecord& record) {
            const auto content = sealer.open(name, record.sealed);
            const auto membership =
                content ? records::decode_membership(content->bytes()) : content.error();
            auto member = membership ? verify(*membership, pool, root_key) : membership.error();
            if (member && name.id != membership_id(member->id)) {
                member = Error(errc::corrupt, "a membership under another node's name");
            }
            if (member) {
                members.push_back(std::move(*member));
            } else {
                outcome = member.error();
            }
            return outcome.has_value();
        });
    if (!read) return read.error();
    if (!outcome) return outcome.error();
    std::ranges::sort(members, {}, &Member::name);
    return members;
}

Result<std::vector<records::Departure>> read_departures(records::Reader& reader,
                                                        const records::Sealer& sealer) {
    std::vector<records::Departure> departures;
    std::optional<Error> failure;
    const auto read = reader.each_of(
        records::RecordKind::departure,
        [&](const records::RecordName& name, const records::StoredRecord& record) {
            const auto content = sealer.open(name, record.sealed);
            auto departure =
                content ? records::decode_departure(content->bytes()) : content.error();
            if (departure && name.id != membership_id(departure->node)) {
                departure = Error(errc::corrupt, "a departure under another node's name");
            }
            if (departure) {
                departures.push_back(std::move(*departure));
            } else {
                failure = departure.error();
            }
            return !failure;
        });
    if (!read) return read.error();
    if (failure) return *failure;
    return departures;
}

const Member* find(const std::vector<Member>& members, const NodeId& id) noexcept {
    const auto found = std::ranges::find(members, id, &Member::id);
    return found == members.end() ? nullptr : &*found;
}

}  // namespace countersign::membership
