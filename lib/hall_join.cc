#include <algorithm>
#include <string>
#include <utility>

#include "countersign/mutants.h"

#include "hall.h"
#include "hall_replication.h"
#include "log/author.h"
#include "new_identity.h"
#include "random.h"
#include "records/codec.h"
#include "schema.h"

namespace countersign {
namespace {

bool erases_member(const log::Batch& batch, const NodeId& node) {
    const records::RecordName name{records::RecordKind::membership,
                                   membership::membership_id(node)};
    return std::ranges::any_of(batch.changes, [&](const records::Change& change) {
        return change.name == name && !change.put;
    });
}

}  // namespace

Result<std::unique_ptr<Hall>> Hall::join(Options options, const Secret& invitation_text) {
    if (auto valid = check(options); !valid) return valid.error();
    if (!membership::are_addresses(options.addresses)) {
        return Error(errc::invalid_argument, "addresses: at most 16 of the form host:port");
    }
    const auto invitation = membership::parse_invitation(invitation_text.text());
    if (!invitation) return invitation.error();
    if (!options.environment) options.environment = system_environment();
    auto directory = sqlite::Directory::create(options.directory, *options.environment);
    if (!directory && directory.error() == errc::store_exists) {
        directory = sqlite::Directory::open(options.directory, *options.environment);
    }
    if (!directory) return directory.error();
    options.directory = directory->path();
    std::unique_ptr<Hall> hall(new Hall(std::move(options), std::move(*directory)));
    const auto lock = hall->directory_.write_lock(hall->options_.lock_patience);
    if (!lock) return lock.error();
    if (auto cleared = hall->clear_unfinished(); !cleared) return cleared.error();
    auto begun = hall->directory_.holds_store() ? hall->resume_joining(*invitation)
                                                : hall->make_joiner(*invitation);
    if (!begun) return begun.error();
    hall->seed_ = invitation->seed.clone();
    return hall;
}

Result<void> Hall::make_joiner(const membership::InvitationText& invitation) {
    Environment& environment = *environment_;
    // The pool's keys come with the admission; until then random ones keep their places.
    const auto nothing = new_keyring(environment);
    const auto identity = new_identity(invitation.pool,
                                       invitation.root_key,
                                       new_node_secrets(environment),
                                       nothing,
                                       *options_.key_provider,
                                       environment);
    if (!identity) return identity.error();

    const auto write = [&]() -> Result<void> {
        auto options = file_options();
        options.create = true;
        auto database = sqlite::Database::open(directory_.database_path(), options);
        if (!database) return database.error();
        if (auto migrated = sqlite::migrate(*database, schema()); !migrated) return migrated;
        const Incarnation incarnation = random_incarnation(environment);
        // Before the rows: else those that were made as the power went would pass for a copy.
        sqlite::MarkerFile marker(directory_);
        if (auto done = marker.write({.incarnation = incarnation}, true, now().monotonic); !done) {
            return done;
        }
        auto transaction = sqlite::Transaction::begin(*database);
        if (!transaction) return transaction.error();
        if (auto done = membership::write_identity(*database, *identity); !done) return done;
        if (auto done = membership::write_sponsor(*database,
                                                  {.channel_key = invitation.channel_key,
                                                   .addresses = invitation.addresses,
                                                   .has_admitted = false});
            !done) {
            return done;
        }
        auto tables = attempts::Tables::prepare(*database);
        if (!tables) return tables.error();
        const UnixTime time = now().wall;
        if (auto done = tables->put_author(
                {.incarnation = incarnation, .started = time, .has_rows = false, .time = time});
            !done) {
            return done;
        }
        if (auto done = transaction->commit(); !done) return done;
        // So that the file is a store even without its write-ahead log.
        const auto moved = database->checkpoint(sqlite::CheckpointMode::truncate);
        return moved ? Result<void>() : moved.error();
    };
    auto made = write();
    if (made) made = start();
    if (!made) remove_files();
    return made;
}

Result<void> Hall::resume_joining(const membership::InvitationText& invitation) {
    if (auto started = start(); !started) return started;
    if (stage_ != Stage::joining && stage_ != Stage::copying) {
        return Error(errc::store_exists, options_.directory + " holds a store of a pool already");
    }
    const bool is_same_pool = identity_->pool == invitation.pool &&
                              identity_->root_key == invitation.root_key &&
                              sponsor_->channel_key == invitation.channel_key;
    if (!is_same_pool) {
        return Error(errc::store_exists,
                     options_.directory + " was made to join by another node's invitation");
    }
    return {};
}

std::optional<Link::Invited> Hall::Replication::invitation() const {
    const std::lock_guard guard(mutex_);
    if (hall_.stage_ != Stage::joining || !hall_.seed_) return std::nullopt;
    const auto keys = membership::derive_keys(*hall_.seed_);
    const auto admission = membership::sign(
        records::AdmissionStatement{
            .pool = hall_.identity_->pool,
            .node = hall_.identity_->node,
            .channel_key = hall_.keys_->channel_key.public_key(),
            .token_key = sealing::SigningKey(hall_.keys_->secrets.token_seed.view()).public_key()},
        keys.admission_key);
    return Link::Invited{.request = {.invitation = InvitationId{keys.id.bytes},
                                     .admission = to_signed_bytes(admission),
                                     .addresses = hall_.options_.addresses},
                         .psk = Secret(keys.psk.view())};
}

std::vector<Contact> Hall::Replication::contacts() const {
    const auto pool = hall_.view();
    const auto sponsor = [&] {
        const std::lock_guard guard(mutex_);
        return hall_.sponsor_;
    }();
    std::vector<Contact> contacts;
    if (!pool) {
        if (sponsor) {
            contacts.push_back({.channel_key = ChannelPublicKey{sponsor->channel_key},
                                .addresses = sponsor->addresses});
        }
        return contacts;
    }
    const bool writes = pool->is_primary(hall_.identity_->node);
    const bool asks = writes && hall_.asks_;
    if (hall_.stage_ == Stage::removed || (writes && !asks)) return contacts;
    for (const auto& member : pool->members) {
        if (member.id == hall_.identity_->node) continue;
        const bool is_primary = pool->is_primary(member.id);
        if (!asks && !is_primary && !includes(member.capabilities, Capability::serve)) continue;
        Contact contact{.channel_key = ChannelPublicKey{member.channel_key},
                        .node = member.id,
                        .name = member.name,
                        .addresses = member.addresses,
                        .is_primary = is_primary,
                        .is_asked = asks};
        if (sponsor && sponsor->channel_key == member.channel_key) {
            for (const auto& address : sponsor->addresses) {
                if (std::ranges::find(contact.addresses, address) == contact.addresses.end()) {
                    contact.addresses.push_back(address);
                }
            }
        }
        contacts.push_back(std::move(contact));
    }
    std::ranges::sort(contacts, [](const Contact& left, const Contact& right) {
        return std::pair(!left.is_primary, left.node) < std::pair(!right.is_primary, right.node);
    });
    return contacts;
}

Result<Admission> Hall::Replication::admit(const JoinRequest& request,
                                           const ChannelPublicKey& key) {
    const auto admission = to_statement(request.admission);
    const auto statement = records::decode_admission_statement(admission.bytes);
    if (!statement) return statement.error();
    if (statement->pool != hall_.identity_->pool) {
        return Error(errc::wrong_pool, "an admission to another pool");
    }
    if (statement->channel_key != key.bytes) {
        return Error(errc::bad_signature, "the joiner speaks with another key than it names");
    }
    if (!membership::are_addresses(request.addresses)) {
        return Error(errc::malformed, "the joiner's addresses");
    }
    if (auto done =
            hall_.admit_node(RecordId{request.invitation.bytes}, admission, request.addresses);
        !done) {
        return done.error();
    }
    const auto& keyring = *hall_.keys_->keyring;
    return Admission{.psk = Secret(keyring.channel_psk()), .secret = Secret(keyring.pool_secret())};
}

Result<void> Hall::Replication::admitted(const Admission& admission) {
    if (hall_.stage_ != Stage::joining) return {};
    if (admission.psk.size() != sealing::key_size || admission.secret.size() != sealing::key_size) {
        return Error(errc::malformed, "keys of another size");
    }
    sealing::Keyring keyring(sealing::Key(admission.psk.clone()),
                             sealing::Key(admission.secret.clone()));
    auto identity = *hall_.identity_;
    identity.sealed_secrets = sealing::seal_secrets(hall_.keys_->secrets,
                                                    keyring,
                                                    {.pool = identity.pool, .node = identity.node},
                                                    hall_.keys_->master_key,
                                                    random_id<sealing::Nonce>(*hall_.environment_));
    auto sponsor = *hall_.sponsor_;
    sponsor.has_admitted = true;
    auto writing = begin_writing();
    if (!writing) return writing.error();
    auto& database = hall_.writing_->database;
    if (auto done = membership::write_identity(database, identity); !done) return done;
    if (auto done = membership::write_sponsor(database, sponsor); !done) return done;
    // What can fail is done before the commit: after it this node is admitted.
    auto fresh = WritingHandle::open(
        hall_.directory_.database_path(), hall_.file_options(), identity.pool, keyring);
    if (!fresh) return fresh.error();
    if (auto done = writing->transaction.commit(); !done) return done;
    {
        const std::lock_guard guard(mutex_);
        hall_.sponsor_ = std::move(sponsor);
        hall_.seed_.reset();
    }
    hall_.identity_->sealed_secrets = std::move(identity.sealed_secrets);
    hall_.keys_->keyring = std::make_shared<const sealing::Keyring>(std::move(keyring));
    hall_.index_.emplace(hall_.keys_->keyring->index_key());
    hall_.hash_row_.emplace(hall_.keys_->keyring->digest_key());
    hall_.writing_.emplace(std::move(*fresh));
    hall_.stage_ = Stage::copying;
    return {};
}

Result<SharedBatch> Hall::Replication::removal_of(const NodeId& node) {
    auto readers = hall_.reader();
    if (!readers) return readers.error();
    const auto pool = hall_.view();
    for (const auto& former : pool->former_members) {
        if (former.id != node) continue;
        auto batch = (*readers)->batches.get(former.removed_at);
        if (!batch) return batch.error();
        if (*batch) return to_envelope(std::move(**batch));
    }
    return SharedBatch();
}

Result<void> Hall::Replication::removed_by(const SharedBatch& batch) {
    if (!batch) {
        hall_.tell(Event::Kind::node_removed, "this node, says another without proof");
        return {};
    }
    const auto proof = to_signed_batch(*batch);
    auto writing = begin_writing();
    if (!writing) return writing.error();
    if (auto authored = log::check_author(hall_.writing_->ledger.designations, proof); !authored) {
        return authored;
    }
    const auto content = log::decode(proof);
    if (!content) return content.error();
    if (content->pool != hall_.identity_->pool || !erases_member(*content, hall_.identity_->node)) {
        return Error(errc::malformed, "a batch that does not remove this node");
    }
    membership::Member self;
    self.id = hall_.identity_->node;
    self.channel_key = hall_.keys_->channel_key.public_key();
    if (auto noted = hall_.writing_->former_members.note({self}, {}, batch->seq); !noted) {
        return noted.error();
    }
    if (auto done = writing->transaction.commit(); !done) return done;
    if (is_planted(Mutant::keep_removed)) return {};
    if (hall_.stage_.exchange(Stage::removed) != Stage::removed) {
        hall_.tell(Event::Kind::node_removed, "this node");
    }
    notify();
    return {};
}

}  // namespace countersign
