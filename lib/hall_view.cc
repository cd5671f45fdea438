#include <algorithm>
#include <cassert>
#include <map>
#include <utility>

#include "countersign/mutants.h"

#include "hall.h"
#include "records/codec.h"

namespace countersign {
namespace {

Result<records::PoolSettings> read_settings(records::Reader& reader,
                                            const records::Sealer& sealer) {
    Result<records::PoolSettings> settings =
        Error(errc::corrupt, "the pool's settings are missing");
    const auto read =
        reader.each_of(records::RecordKind::pool_settings,
                       [&](const records::RecordName& name, const records::StoredRecord& record) {
                           const auto content = sealer.open(name, record.sealed);
                           settings = content ? records::decode_pool_settings(content->bytes())
                                              : Result<records::PoolSettings>(content.error());
                           return false;
                       });
    if (!read) return read.error();
    return settings;
}

Result<OpenInvitation> open_invitation(const records::Sealer& sealer,
                                       const records::RecordName& name,
                                       const records::StoredRecord& record) {
    const auto content = sealer.open(name, record.sealed);
    if (!content) return content.error();
    const auto invitation = records::decode_invitation(content->bytes());
    if (!invitation) return invitation.error();
    const auto statement = records::decode_invitation_statement(invitation->statement.bytes);
    if (!statement) return statement.error();
    return OpenInvitation{
        .id = name.id,
        .psk = sealing::Key(BytesView(invitation->psk).first<sealing::key_size>()),
        .expires = statement->expires,
        .spent_by = invitation->spent_by};
}

Result<std::vector<OpenInvitation>> read_invitations(records::Reader& reader,
                                                     const records::Sealer& sealer,
                                                     UnixTime now) {
    std::vector<OpenInvitation> invitations;
    std::optional<Error> failure;
    const auto read =
        reader.each_of(records::RecordKind::invitation,
                       [&](const records::RecordName& name, const records::StoredRecord& record) {
                           auto invitation = open_invitation(sealer, name, record);
                           if (!invitation) {
                               failure = invitation.error();
                           } else if (now < invitation->expires) {
                               invitations.push_back(std::move(*invitation));
                           }
                           return !failure;
                       });
    if (!read) return read.error();
    if (failure) return *failure;
    return invitations;
}

}  // namespace

Result<Readers> Readers::prepare(sqlite::Database& database) {
    auto records = records::Reader::prepare(database);
    if (!records) return records.error();
    auto head = log::HeadRow::prepare(database);
    if (!head) return head.error();
    auto batches = log::BatchTable::prepare(database);
    if (!batches) return batches.error();
    auto designations = membership::Designations::prepare(database);
    if (!designations) return designations.error();
    auto former = membership::FormerMembers::prepare(database);
    if (!former) return former.error();
    auto damage = log::DamageRow::prepare(database);
    if (!damage) return damage.error();
    auto attempts = attempts::Tables::prepare(database);
    if (!attempts) return attempts.error();
    return Readers{.records = std::move(*records),
                   .head = std::move(*head),
                   .batches = std::move(*batches),
                   .designations = std::move(*designations),
                   .former_members = std::move(*former),
                   .damage = std::move(*damage),
                   .attempts = std::move(*attempts)};
}

Result<WritingHandle> WritingHandle::open(const std::string& path,
                                          const sqlite::OpenOptions& options,
                                          const PoolId& pool,
                                          const sealing::Keyring& keyring) {
    auto database = sqlite::Database::open(path, options);
    if (!database) return database.error();
    auto ledger = log::Ledger::prepare(*database, pool, keyring.digest_key());
    if (!ledger) return ledger.error();
    auto staging = log::Staging::prepare(*database, pool, keyring.digest_key());
    if (!staging) return staging.error();
    auto repair = log::Repair::prepare(*database);
    if (!repair) return repair.error();
    auto damage = log::DamageRow::prepare(*database);
    if (!damage) return damage.error();
    auto former = membership::FormerMembers::prepare(*database);
    if (!former) return former.error();
    auto attempts = attempts::Tables::prepare(*database);
    if (!attempts) return attempts.error();
    auto sightings = attempts::SightingTable::prepare(*database);
    if (!sightings) return sightings.error();
    return WritingHandle{.database = std::move(*database),
                         .ledger = std::move(*ledger),
                         .staging = std::move(*staging),
                         .repair = std::move(*repair),
                         .damage = std::move(*damage),
                         .former_members = std::move(*former),
                         .attempts = std::move(*attempts),
                         .sightings = std::move(*sightings)};
}

std::shared_ptr<const PoolView> Hall::view() const {
    const std::lock_guard guard(view_mutex_);
    return view_;
}

void Hall::set_view(std::shared_ptr<const PoolView> view) {
    const std::lock_guard guard(view_mutex_);
    if (!view_ || view_->seq <= view->seq) view_ = std::move(view);
}

Result<std::shared_ptr<const sealing::Keyring>> Hall::read_keys(
    records::Reader& reader,
    const records::Sealer& pool,
    std::shared_ptr<const sealing::Keyring> known) const {
    std::map<std::pair<RealmId, KeyVersion>, Bytes> granted;
    std::optional<Error> failure;
    const auto read =
        reader.each_of(records::RecordKind::key_grant,
                       [&](const records::RecordName& name, const records::StoredRecord& record) {
                           const auto content = pool.open(name, record.sealed);
                           const auto grant = content ? records::decode_key_grant(content->bytes())
                                                      : Result<records::KeyGrant>(content.error());
                           if (!grant) {
                               failure = grant.error();
                           } else if (grant->node == identity_->node) {
                               for (const auto& key : grant->keys) {
                                   if (known->find(grant->realm, key.version)) continue;
                                   granted.emplace(std::pair(grant->realm, key.version), key.box);
                               }
                           }
                           return !failure;
                       });
    if (!read) return read.error();
    if (failure) return *failure;
    if (granted.empty()) return known;
    auto keyring = known->clone();
    for (const auto& [place, box] : granted) {
        const auto key = sealing::open_sealed(box, keys_->channel_key);
        const bool taken =
            key && key->bytes().size() == sealing::key_size &&
            keyring.add(
                place.first, place.second, sealing::Key(key->bytes().first<sealing::key_size>()));
        if (!taken) {
            tell(Event::Kind::data_key_missing,
                 "realm " + std::to_string(value(place.first)) + ", version " +
                     std::to_string(value(place.second)));
        }
    }
    return std::make_shared<const sealing::Keyring>(std::move(keyring));
}

Result<std::shared_ptr<const PoolView>> Hall::read_view(records::Reader& reader,
                                                        log::HeadRow& head_row,
                                                        membership::Designations& designations,
                                                        membership::FormerMembers& former) const {
    const auto head = head_row.read();
    if (!head) return head.error();
    auto designation = designations.current();
    if (!designation) return designation.error();
    const auto known = view();
    const records::Sealer pool_sealer(identity_->pool, keys_->keyring);
    auto keyring =
        read_keys(reader, pool_sealer, known ? known->sealer.shared_keyring() : keys_->keyring);
    if (!keyring) return keyring.error();
    records::Sealer sealer(identity_->pool, std::move(*keyring));
    auto members = membership::read_members(reader, sealer, identity_->pool, identity_->root_key);
    if (!members) return members.error();
    auto former_members = former.all();
    if (!former_members) return former_members.error();
    auto departures = membership::read_departures(reader, sealer);
    if (!departures) return departures.error();
    auto invitations = read_invitations(reader, sealer, now().wall);
    if (!invitations) return invitations.error();
    auto settings = read_settings(reader, sealer);
    if (!settings) return settings.error();
    return std::make_shared<const PoolView>(PoolView{.seq = head->place.seq,
                                                     .settings = std::move(*settings),
                                                     .members = std::move(*members),
                                                     .former_members = std::move(*former_members),
                                                     .departures = std::move(*departures),
                                                     .invitations = std::move(*invitations),
                                                     .designation = std::move(*designation),
                                                     .sealer = std::move(sealer)});
}

Result<std::shared_ptr<const PoolView>> Hall::read_own_view() {
    auto& ledger = writing_->ledger;
    return read_view(ledger.reader, ledger.head, ledger.designations, writing_->former_members);
}

Result<std::shared_ptr<const PoolView>> Hall::current_view(Readers& readers) {
    auto known = view();
    assert(known);
    const auto newest = readers.records.newest_of_pool();
    if (!newest) return newest.error();
    const auto removed = readers.former_members.newest();
    if (!removed) return removed.error();
    // A removal leaves no record that would name its batch.
    if (std::max(*newest, *removed) <= known->seq) return known;
    auto fresh =
        read_view(readers.records, readers.head, readers.designations, readers.former_members);
    if (fresh) set_view(*fresh);
    return fresh;
}

Result<std::shared_ptr<const PoolView>> Hall::change_pool(const PoolView& before) {
    auto fresh = read_own_view();
    if (!fresh) return fresh;
    const auto noted =
        writing_->former_members.note(before.members, (*fresh)->members, (*fresh)->seq);
    if (!noted) return noted.error();
    return *noted ? read_own_view() : std::move(fresh);
}

Stage Hall::stage_of(const PoolView& pool) const {
    // The proof of its removal can have come ahead of the log.
    const bool was_member = std::ranges::any_of(
        pool.former_members,
        [&](const membership::FormerMember& former) { return former.id == identity_->node; });
    if (was_member && !is_planted(Mutant::keep_removed)) return Stage::removed;
    return membership::find(pool.members, identity_->node) ? Stage::ready : Stage::copying;
}

}  // namespace countersign
