#include <algorithm>
#include <array>
#include <utility>

#include "hall.h"
#include "membership/invitation_text.h"
#include "membership/root_key.h"
#include "records/codec.h"
#include "records/uuid.h"

namespace countersign {
namespace {

constexpr milliseconds longest_invitation{std::chrono::days{30}};

Result<void> check_invite(const Invite& invite) {
    const auto refuse = [](const char* why) { return Error(errc::invalid_argument, why); };
    if (!membership::is_node_name(invite.name)) {
        return refuse("name: 1 to 64 letters, digits, '-', '_' or '.'");
    }
    if (invite.addresses.empty() || !membership::are_addresses(invite.addresses)) {
        return refuse("addresses: 1 to 16 of the form host:port");
    }
    if (invite.expires_in <= milliseconds{0} || invite.expires_in > longest_invitation) {
        return refuse("expires_in: up to 30 days");
    }
    if (!includes(Capability::all, invite.may)) return refuse("may: unknown capabilities");
    if (std::ranges::find(invite.realms, RealmId::pool) != invite.realms.end()) {
        return refuse("realms: the pool's own is every member's");
    }
    return {};
}

}  // namespace

Result<Secret> Hall::invite(Invite invite) {
    const auto pool = writable();
    if (!pool) return pool.error();
    if (auto valid = check_invite(invite); !valid) return valid.error();
    for (const RealmId realm : invite.realms) {
        if (!(*pool)->sealer.keyring().newest(realm)) {
            return Error(errc::not_held, "realm " + std::to_string(value(realm)));
        }
    }
    const auto provider = invite.root_key_provider ? invite.root_key_provider : root_key_provider();
    const auto root_key =
        membership::read_root_key(invite.root_file.empty() ? root_file() : invite.root_file,
                                  identity_->pool,
                                  *provider,
                                  *environment_);
    if (!root_key) return root_key.error();

    membership::InvitationText text;
    text.pool = identity_->pool;
    text.root_key = identity_->root_key;
    text.channel_key = keys_->channel_key.public_key();
    text.addresses = std::move(invite.addresses);
    text.seed = Secret::of_size(sealing::key_size);
    environment_->random(text.seed.writable());
    const auto keys = membership::derive_keys(text.seed);
    const UnixTime time = now().wall;
    commands::Invite command;
    command.id = keys.id;
    command.invitation.statement = membership::sign(
        records::InvitationStatement{.pool = identity_->pool,
                                     .admission_key = keys.admission_key.public_key(),
                                     .name = invite.name,
                                     .capabilities = invite.may,
                                     .realms = std::move(invite.realms),
                                     .created = time,
                                     .expires = time + invite.expires_in},
        *root_key);
    command.invitation.psk = {keys.psk.view().begin(), keys.psk.view().end()};
    if (const auto written = write(std::move(command)); !written) return written.error();
    tell(Event::Kind::invitation_made, "for a node named " + invite.name);
    return membership::print(text);
}

Result<std::vector<NodeInfo>> Hall::list_nodes() {
    auto readers = reader();
    if (!readers) return readers.error();
    const auto snapshot = sqlite::ReadTransaction::begin(readers->database());
    if (!snapshot) return snapshot.error();
    const auto pool = current_view(**readers);
    if (!pool) return pool.error();
    std::vector<NodeInfo> nodes;
    for (const auto& member : (*pool)->members) {
        nodes.push_back({.id = member.id,
                         .name = member.name,
                         .may = member.capabilities,
                         .realms = member.realms,
                         .addresses = member.addresses,
                         .joined = member.joined,
                         .is_primary = (*pool)->is_primary(member.id),
                         .is_self = member.id == identity_->node});
    }
    return nodes;
}

Result<LogSeq> Hall::remove_node(NodeId node) {
    const auto pool = writable();
    if (!pool) return pool.error();
    if ((*pool)->is_primary(node)) {
        return Error(errc::invalid_argument, "the primary cannot be removed while it is primary");
    }
    const auto remove = [this, node](records::Reader& records,
                                     LogSeq seq) -> Result<std::vector<records::Change>> {
        const auto heard = writing_->attempts.heard();
        if (!heard) return heard.error();
        commands::RemoveNode command{.node = node, .rows = {}};
        for (const auto& [author, row_seq] : *heard) {
            if (author.node == node) command.rows.push_back({author.incarnation, row_seq});
        }
        return executing(std::move(command))(records, seq);
    };
    const auto written = queue_.commit({.rows = {}, .execute = remove});
    if (written) tell(Event::Kind::node_removed, to_string(node));
    return written;
}

Result<void> Hall::rewrap_root(const std::string& file, KeyProvider& from, KeyProvider& to) {
    return membership::rewrap_root_key(file, identity_->pool, from, to, *environment_);
}

Result<void> Hall::admit_node(const RecordId& invitation,
                              records::SignedStatement admission,
                              std::vector<std::string> addresses) {
    // A link waits for this: it must not keep from their turn those that bring what was lost.
    const auto pool = writable(false);
    if (!pool) return pool.error();
    const auto statement = records::decode_admission_statement(admission.bytes);
    if (!statement) return statement.error();
    const auto granted = realms_of_invitation(**pool, invitation);
    if (!granted) return granted.error();
    commands::Admit command{.invitation = invitation,
                            .admission = std::move(admission),
                            .addresses = std::move(addresses),
                            .grants = {}};
    const UnixTime time = now().wall;
    for (const RealmId realm : *granted) {
        records::KeyGrant grant{
            .node = statement->node, .realm = realm, .keys = {}, .granted = time};
        for (const auto& [place, key] : (*pool)->sealer.keyring().data_keys()) {
            if (place.first != realm) continue;
            auto seed = Secret::of_size(sealing::key_size);
            environment_->random(seed.writable());
            auto box = sealing::seal_to(
                statement->channel_key, key.view(), seed.bytes().first<sealing::key_size>());
            if (!box) return box.error();
            grant.keys.push_back({place.second, std::move(*box)});
        }
        std::array<std::byte, 10> random;
        environment_->random(random);
        command.grants.emplace_back(records::make_uuid(time, random), std::move(grant));
    }
    const auto written = write(std::move(command));
    if (!written) return written.error();
    tell(Event::Kind::node_joined, to_string(statement->node));
    return {};
}

Result<std::vector<RealmId>> Hall::realms_of_invitation(const PoolView& pool, const RecordId& id) {
    auto readers = reader();
    if (!readers) return readers.error();
    const records::RecordName name{records::RecordKind::invitation, id};
    const auto stored = (*readers)->records.get(name);
    if (!stored) return stored.error();
    if (!*stored) return Error(errc::invalid_invitation, "this pool knows no such invitation");
    const auto content = pool.sealer.open(name, (*stored)->sealed);
    if (!content) return content.error();
    const auto invitation = records::decode_invitation(content->bytes());
    if (!invitation) return Error(errc::corrupt, invitation.error().detail());
    const auto statement =
        membership::verify_invitation(invitation->statement, identity_->pool, identity_->root_key);
    if (!statement) return statement.error();
    return statement->realms;
}

std::string Hall::root_file() const {
    return options_.root_file.empty() ? options_.directory + ".root" : options_.root_file;
}

std::shared_ptr<KeyProvider> Hall::root_key_provider() const {
    const std::lock_guard guard(view_mutex_);  // rewrap puts another provider there
    return options_.root_key_provider ? options_.root_key_provider : options_.key_provider;
}

}  // namespace countersign
