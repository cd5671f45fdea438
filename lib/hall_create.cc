#include <array>
#include <utility>

#include "accounts/unicode.h"
#include "hall.h"
#include "membership/root_key.h"
#include "new_identity.h"
#include "pool_settings.h"
#include "random.h"
#include "records/codec.h"
#include "records/uuid.h"
#include "schema.h"

namespace countersign {
namespace {

/// Everything that makes a new pool and its first node, before any of it is written.
struct Genesis {
    membership::Identity identity;
    sealing::SigningKey signing_key;
    sealing::SigningKey root_key;
    Secret root_seed;
    std::shared_ptr<const sealing::Keyring> keyring;
    sealing::BoxPublicKey channel_key;
    sealing::PublicKey token_key;
    Incarnation incarnation;
};

Result<Genesis> make_genesis(const Options& options, Environment& environment) {
    const auto secrets = new_node_secrets(environment);
    auto keyring = new_keyring(environment);
    constexpr KeyVersion first{1};
    if (auto added = keyring.add(RealmId::default_users, first, random_key(environment)); !added) {
        return added.error();
    }
    auto root_seed = Secret::of_size(sealing::key_size);
    environment.random(root_seed.writable());

    sealing::SigningKey signing_key(secrets.signing_seed.view());
    sealing::SigningKey root_key(root_seed.bytes().first<sealing::key_size>());
    auto identity = new_identity(random_id<PoolId>(environment),
                                 root_key.public_key(),
                                 secrets,
                                 keyring,
                                 *options.key_provider,
                                 environment);
    if (!identity) return identity.error();

    return Genesis{.identity = std::move(*identity),
                   .signing_key = std::move(signing_key),
                   .root_key = std::move(root_key),
                   .root_seed = std::move(root_seed),
                   .keyring = std::make_shared<const sealing::Keyring>(std::move(keyring)),
                   .channel_key = sealing::BoxKey(secrets.channel_secret.view()).public_key(),
                   .token_key = sealing::SigningKey(secrets.token_seed.view()).public_key(),
                   .incarnation = random_incarnation(environment)};
}

records::Designation first_designation(const Genesis& genesis, UnixTime now) {
    records::Designation designation;
    designation.pool = genesis.identity.pool;
    designation.root_term = RootTerm{1};
    designation.epoch = Epoch{1};
    designation.node = genesis.identity.node;
    designation.time = now;
    return designation;
}

/// The first node is admitted as every later one is: by an invitation that the root key signed, and
/// keys that the invitation's admission key signed.
records::Membership first_membership(const Genesis& genesis,
                                     const std::string& name,
                                     UnixTime now,
                                     Environment& environment) {
    const sealing::SigningKey admission_key(random_key(environment).view());
    return {.invitation = membership::sign({.pool = genesis.identity.pool,
                                            .admission_key = admission_key.public_key(),
                                            .name = name,
                                            .capabilities = Capability::all,
                                            .realms = {RealmId::default_users},
                                            .created = now,
                                            .expires = now},
                                           genesis.root_key),
            .admission = membership::sign({.pool = genesis.identity.pool,
                                           .node = genesis.identity.node,
                                           .channel_key = genesis.channel_key,
                                           .token_key = genesis.token_key},
                                          admission_key),
            .addresses = {},
            .joined = now};
}

/// The pool's first records: its settings, its first member, and the keys that this one holds.
Result<std::vector<records::Change>> first_records(const Genesis& genesis,
                                                   const Options& options,
                                                   UnixTime now,
                                                   Environment& environment) {
    const records::Sealer sealer(genesis.identity.pool, genesis.keyring);
    const auto user_key = genesis.keyring->newest(RealmId::default_users);
    auto box = sealing::seal_to(genesis.channel_key, user_key->key, random_key(environment));
    if (!box) return box.error();
    const records::KeyGrant grant{.node = genesis.identity.node,
                                  .realm = RealmId::default_users,
                                  .keys = {{user_key->version, std::move(*box)}},
                                  .granted = now};
    const auto new_id = [&] {
        std::array<std::byte, 10> random;
        environment.random(random);
        return records::make_uuid(now, random);
    };
    const std::pair<records::RecordName, Bytes> contents[] = {
        {{records::RecordKind::membership, membership::membership_id(genesis.identity.node)},
         records::encode(first_membership(genesis, options.node_name, now, environment))},
        {{records::RecordKind::key_grant, new_id()}, records::encode(grant)},
        {{records::RecordKind::pool_settings, new_id()},
         records::encode(to_settings(options.pool, accounts::unicode_version()))}};
    std::vector<records::Change> changes;
    for (const auto& [name, content] : contents) {
        auto sealed =
            sealer.seal(name, RealmId::pool, content, random_id<sealing::Nonce>(environment));
        if (!sealed) return sealed.error();
        changes.push_back({.name = name, .put = records::Change::Put{std::move(*sealed), {}}});
    }
    return changes;
}

/// Makes the file with nothing but the node's own row in it: from then on it is known whose
/// creation was cut short, if it is.
Result<void> write_own_row(const std::string& path,
                           const Options& options,
                           const Genesis& genesis,
                           Environment& environment) {
    auto database = sqlite::Database::open(
        path, {.vfs = environment.sqlite_vfs(), .create = true, .patience = options.lock_patience});
    if (!database) return database.error();
    if (auto migrated = sqlite::migrate(*database, schema()); !migrated) return migrated;
    auto transaction = sqlite::Transaction::begin(*database);
    if (!transaction) return transaction.error();
    if (auto done = membership::write_identity(*database, genesis.identity); !done) return done;
    return transaction->commit();
}

/// Fills the file with the pool, in one transaction.
Result<void> write_genesis(const std::string& path,
                           const Options& options,
                           const Genesis& genesis,
                           Environment& environment) {
    auto database = sqlite::Database::open(
        path, {.vfs = environment.sqlite_vfs(), .patience = options.lock_patience});
    if (!database) return database.error();
    const UnixTime now = environment.now().wall;
    const auto changes = first_records(genesis, options, now, environment);
    if (!changes) return changes.error();

    auto transaction = sqlite::Transaction::begin(*database);
    if (!transaction) return transaction.error();
    auto ledger =
        log::Ledger::prepare(*database, genesis.identity.pool, genesis.keyring->digest_key());
    if (!ledger) return ledger.error();
    auto tables = attempts::Tables::prepare(*database);
    if (!tables) return tables.error();
    if (auto done =
            tables->put_author({.incarnation = genesis.incarnation, .started = now, .time = now});
        !done) {
        return done;
    }
    const auto designation = membership::sign(first_designation(genesis, now), genesis.root_key);
    auto designated = ledger->designations.add(
        designation,
        {.pool = genesis.identity.pool, .root_key = genesis.identity.root_key, .self_signers = {}});
    if (!designated) return designated.error();

    auto appender = log::Appender::begin(*ledger, genesis.signing_key, log::Head{});
    if (!appender) return appender.error();
    std::optional<Error> failure;
    auto added = appender->add([&](records::Reader&, LogSeq) { return changes; }, failure);
    if (!added) return added.error();
    if (failure) return *failure;
    if (auto closed = appender->close(now); !closed) return closed.error();
    if (auto done = transaction->commit(); !done) return done;
    // So that the file is a store even without its write-ahead log.
    const auto moved = database->checkpoint(sqlite::CheckpointMode::truncate);
    return moved ? Result<void>() : moved.error();
}

/// What the creation that was cut short had got to know of its pool: nothing yet, or the pool's id.
/// An error: this is something else, a finished store among others.
Result<std::optional<PoolId>> unfinished_pool(sqlite::Database& database) {
    const auto owner = database.application_id();
    if (!owner) return owner.error();
    const auto objects = database.object_count();
    if (!objects) return objects.error();
    if (*owner == 0 && *objects == 0) return std::nullopt;
    if (*owner != sqlite::store_application_id) return errc::store_exists;
    if (auto migrated = sqlite::migrate(database, schema()); !migrated) return migrated.error();
    const auto identity = membership::read_identity(database);
    if (!identity && identity.error() == errc::not_a_store) return std::nullopt;
    if (!identity) return identity.error();
    const auto sponsor = membership::read_sponsor(database);
    if (!sponsor) return sponsor.error();
    auto row = log::HeadRow::prepare(database);
    if (!row) return row.error();
    const auto head = row->read();
    if (!head) return head.error();
    if (*sponsor || head->place.seq != LogSeq{0}) return errc::store_exists;
    return identity->pool;
}

Result<void> check_creation(const Options& options) {
    if (!membership::is_node_name(options.node_name)) {
        return Error(errc::invalid_argument, "node_name: 1 to 64 letters, digits, '-', '_' or '.'");
    }
    return check(options.pool);
}

}  // namespace

Result<std::unique_ptr<Hall>> Hall::create(Options options) {
    if (auto valid = check(options); !valid) return valid.error();
    if (auto valid = check_creation(options); !valid) return valid.error();
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
    if (hall->directory_.holds_store()) {
        return Error(
            errc::store_exists,
            hall->options_.directory + " holds a store already: open it, or choose another path");
    }
    if (auto made = hall->make_pool(); !made) return made.error();
    return hall;
}

Result<void> Hall::make_pool() {
    const auto genesis = make_genesis(options_, *environment_);
    if (!genesis) return genesis.error();
    const auto& pool = genesis->identity.pool;
    const std::string path = directory_.database_path();
    auto made = write_own_row(path, options_, *genesis, *environment_);
    if (made) {
        made = membership::write_root_key(
            root_file(), pool, genesis->root_seed, *root_key_provider(), *environment_);
    }
    // Before the pool: else one that was made as the power went would pass for a copy.
    if (made) {
        sqlite::MarkerFile marker(directory_);
        made = marker.write({.incarnation = genesis->incarnation}, true, now().monotonic);
    }
    if (made) made = write_genesis(path, options_, *genesis, *environment_);
    if (made) made = start();
    if (made) return {};

    // The key goes first: as long as the store's file is there, another attempt finds out whose key
    // it is.
    if (membership::remove_root_key(root_file(), pool, *environment_)) remove_files();
    // Whether a sync that failed took effect no longer matters: all of it is gone.
    const bool unsure = made.error() == errc::outcome_unknown;
    return unsure ? Error(errc::io_error, made.error().detail()) : made.error();
}

Result<void> Hall::clear_unfinished() {
    if (!directory_.holds_store()) return {};
    // A store that lived says so outside the file, whatever became of the file.
    const auto marker = sqlite::MarkerFile(directory_).read();
    if (!marker || (*marker && (*marker)->marks.head != LogSeq{0})) return {};
    std::optional<PoolId> pool;
    {
        auto database = sqlite::Database::open(
            directory_.database_path(),
            {.vfs = environment_->sqlite_vfs(), .patience = options_.lock_patience});
        if (!database) return {};
        const auto known = unfinished_pool(*database);
        if (!known) return {};
        pool = *known;
    }
    if (pool) {
        if (auto gone = membership::remove_root_key(root_file(), *pool, *environment_); !gone) {
            return gone;
        }
    }
    remove_files();
    return {};
}

void Hall::remove_files() {
    marker_.reset();
    readers_.reset();
    writing_.reset();
    const std::string path = directory_.database_path();
    for (const auto& file :
         {path, path + "-wal", path + "-shm", path + "-journal", directory_.marker_path()}) {
        static_cast<void>(environment_->remove_file(file));
    }
}

}  // namespace countersign
