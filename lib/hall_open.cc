#include <array>
#include <set>
#include <utility>

#include "accounts/unicode.h"
#include "attempts/incarnation.h"
#include "attempts/members_word.h"
#include "attempts/unknown_names.h"
#include "hall.h"
#include "membership/root_key.h"
#include "pool_settings.h"
#include "records/codec.h"
#include "records/uuid.h"
#include "schema.h"
#include "sqlite/health.h"

namespace countersign {
namespace {

constexpr std::size_t cache_bytes_of_readers = std::size_t{2} << 20;

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

sealing::Key random_key(Environment& environment) {
    auto bytes = Secret::of_size(sealing::key_size);
    environment.random(bytes.writable());
    return sealing::Key(std::move(bytes));
}

template <class Id>
Id random_id(Environment& environment) {
    Id id;
    environment.random(id.bytes);
    return id;
}

Incarnation random_incarnation(Environment& environment) {
    std::uint64_t number = 0;
    environment.random(std::as_writable_bytes(std::span(&number, 1)));
    return Incarnation{number};
}

Result<Genesis> make_genesis(const Options& options, Environment& environment) {
    const sealing::NodeSecrets secrets{.signing_seed = random_key(environment),
                                       .channel_secret = random_key(environment),
                                       .token_seed = random_key(environment)};
    sealing::Keyring keyring(random_key(environment), random_key(environment));
    constexpr KeyVersion first{1};
    if (auto added = keyring.add(RealmId::default_users, first, random_key(environment)); !added) {
        return added.error();
    }
    auto root_seed = Secret::of_size(sealing::key_size);
    environment.random(root_seed.writable());

    sealing::SigningKey signing_key(secrets.signing_seed.view());
    sealing::SigningKey root_key(root_seed.bytes().first<sealing::key_size>());
    membership::Identity identity;
    identity.pool = random_id<PoolId>(environment);
    identity.node = NodeId{signing_key.public_key()};
    identity.root_key = root_key.public_key();

    const KeyContext context{.pool = identity.pool, .node = identity.node};
    const sealing::Key master_key = random_key(environment);
    std::array<std::byte, KeyProvider::entropy_size> fresh;
    environment.random(fresh);
    auto wrapped = membership::wrap_master_key(master_key, context, *options.key_provider, fresh);
    if (!wrapped) return wrapped.error();
    identity.wrapped_master_key = std::move(*wrapped);
    identity.sealed_secrets = sealing::seal_secrets(
        secrets, keyring, context, master_key, random_id<sealing::Nonce>(environment));

    return Genesis{.identity = std::move(identity),
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

/// Fills an empty database in one transaction.
Result<void> write_genesis(const std::string& path,
                           const Options& options,
                           const Genesis& genesis,
                           Environment& environment) {
    auto database = sqlite::Database::open(
        path, {.vfs = environment.sqlite_vfs(), .create = true, .patience = options.lock_patience});
    if (!database) return database.error();
    if (auto migrated = sqlite::migrate(*database, schema()); !migrated) return migrated;
    const UnixTime now = environment.now().wall;
    const auto changes = first_records(genesis, options, now, environment);
    if (!changes) return changes.error();

    auto transaction = sqlite::Transaction::begin(*database);
    if (!transaction) return transaction.error();
    if (auto done = membership::write_identity(*database, genesis.identity); !done) return done;
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

    auto appender = log::Appender::begin(*ledger, genesis.signing_key);
    if (!appender) return appender.error();
    std::optional<Error> failure;
    auto added = appender->add([&](records::Reader&, LogSeq) { return changes; }, failure);
    if (!added) return added.error();
    if (failure) return *failure;
    if (auto closed = appender->close(now); !closed) return closed.error();
    return transaction->commit();
}

Result<void> require(bool holds, const char* what) {
    if (holds) return {};
    return Error(errc::invalid_argument, what);
}

Result<void> check_creation(const Options& options) {
    if (auto ok = require(membership::is_node_name(options.node_name),
                          "node_name must be 1 to 64 letters, digits, '-', '_' or '.'");
        !ok) {
        return ok;
    }
    return check(options.pool);
}

Result<void> check_always(const Options& options) {
    if (auto ok = require(!options.directory.empty(), "directory is missing"); !ok) return ok;
    if (auto ok = require(options.key_provider != nullptr, "key_provider is missing"); !ok) {
        return ok;
    }
    if (auto ok = require(options.readers >= 1 && options.readers <= 256, "readers: 1 to 256");
        !ok) {
        return ok;
    }
    if (auto ok = require(options.checkpoint_bytes >= std::uint64_t{1} << 20,
                          "checkpoint_bytes: at least 1 MiB");
        !ok) {
        return ok;
    }
    return require(options.commit_queue >= 1 && options.hashing_queue >= 1 &&
                       options.hashing_queue_per_source >= 1,
                   "queues hold at least one");
}

}  // namespace

Result<std::unique_ptr<Hall>> Hall::create(Options options) {
    if (auto valid = check_always(options); !valid) return valid.error();
    if (auto valid = check_creation(options); !valid) return valid.error();
    if (!options.environment) options.environment = system_environment();
    Environment& environment = *options.environment;
    auto directory = sqlite::Directory::create(options.directory, environment);
    if (!directory) return directory.error();
    {
        auto lock = directory->write_lock(options.lock_patience);
        if (!lock) return lock.error();
        if (directory->holds_store()) {
            return Error(errc::store_exists, options.directory + " holds a store");
        }
        const auto genesis = make_genesis(options, environment);
        if (!genesis) return genesis.error();
        const std::string root_file =
            options.root_file.empty() ? options.directory + ".root" : options.root_file;
        KeyProvider& root_provider =
            options.root_key_provider ? *options.root_key_provider : *options.key_provider;
        if (auto written = membership::write_root_key(
                root_file, genesis->identity.pool, genesis->root_seed, root_provider, environment);
            !written) {
            return written.error();
        }
        const std::string path = directory->database_path();
        if (auto written = write_genesis(path, options, *genesis, environment); !written) {
            for (const char* suffix : {"", "-wal", "-shm"}) {
                static_cast<void>(environment.remove_file(path + suffix));
            }
            static_cast<void>(environment.remove_file(root_file));
            return written.error();
        }
        sqlite::MarkerFile marker(*directory);
        const sqlite::Marks marks{
            .incarnation = genesis->incarnation, .head = LogSeq{1}, .row_seq = RowSeq{0}};
        if (auto written = marker.write(marks, true, environment.now().monotonic); !written) {
            return written.error();
        }
    }
    return open(std::move(options));
}

Result<std::unique_ptr<Hall>> Hall::open(Options options) {
    if (auto valid = check_always(options); !valid) return valid.error();
    if (!options.environment) options.environment = system_environment();
    auto directory = sqlite::Directory::open(options.directory, *options.environment);
    if (!directory) return directory.error();
    std::unique_ptr<Hall> hall(new Hall(std::move(options), std::move(*directory)));
    if (auto started = hall->start(); !started) return started.error();
    return hall;
}

Hall::Hall(Options options, sqlite::Directory directory)
    : options_(std::move(options)),
      environment_(options_.environment),
      directory_(std::move(directory)),
      queue_([this](std::span<Write* const> group) { commit_group(group); },
             options_.commit_queue) {}

Hall::~Hall() {
    if (gate_) gate_->close();
    if (!marker_ || !writing_) return;
    const auto lock = directory_.write_lock(options_.lock_patience);
    const auto head = writing_->ledger.head.read();
    const auto author = writing_->attempts.author();
    if (!lock || !head || !author || !*author) return;  // the next start finds an unclean end
    static_cast<void>(marker_->write({.incarnation = (*author)->incarnation,
                                      .head = head->place.seq,
                                      .row_seq = (*author)->row_seq},
                                     true,
                                     now().monotonic));
}

sqlite::OpenOptions Hall::file_options() const {
    return {
        .vfs = environment_->sqlite_vfs(), .health = health_, .patience = options_.lock_patience};
}

Result<sqlite::Database> Hall::open_reader() const {
    auto options = file_options();
    options.read_only = true;
    options.cache_bytes = cache_bytes_of_readers;
    return sqlite::Database::open(directory_.database_path(), options);
}

Result<void> Hall::start() {
    if (!options_.blocked_passwords.empty()) {
        auto loaded = accounts::Blocklist::load(options_.blocked_passwords);
        if (!loaded) return loaded.error();
        blocklist_ = std::move(*loaded);
    }
    auto lock = directory_.write_lock(options_.lock_patience);
    if (!lock) return lock.error();
    {
        auto database = sqlite::Database::open(directory_.database_path(), file_options());
        if (!database) return database.error();
        if (auto migrated = sqlite::migrate(*database, schema()); !migrated) return migrated;
        auto identity = membership::read_identity(*database);
        if (!identity) return identity.error();
        identity_ = std::move(*identity);
    }
    auto keys = membership::open_identity(*identity_, *options_.key_provider);
    if (!keys) return keys.error();
    keys_ = std::move(*keys);
    index_.emplace(keys_->keyring->index_key());

    if (auto opened = open_writing(); !opened) return opened;
    auto seen =
        read_view(writing_->ledger.reader, writing_->ledger.head, writing_->ledger.designations);
    if (!seen) return seen.error();
    if ((*seen)->settings.unicode_version != accounts::unicode_version()) {
        return Error(errc::unsupported_version,
                     "this pool normalises names by Unicode " + (*seen)->settings.unicode_version +
                         ", this build by " + std::string(accounts::unicode_version()));
    }
    set_view(std::move(*seen));
    if (auto settled = settle_incarnation(); !settled) return settled;
    auto reading = file_options();
    reading.cache_bytes = cache_bytes_of_readers;
    readers_.emplace(directory_.database_path(), reading, options_.readers, &Readers::prepare);
    return make_gates();
}

Result<void> Hall::open_writing() {
    auto writing = WritingHandle::open(
        directory_.database_path(), file_options(), identity_->pool, *keys_->keyring);
    if (!writing) return writing.error();
    writing_.emplace(std::move(*writing));
    return {};
}

Result<void> Hall::recover_if_suspect() {
    if (health_->sound()) return {};
    tell(Event::Kind::disk_failed, "a sync failed; what the disk holds is being made sure of");
    readers_->close();
    {
        const std::lock_guard guard(due_mutex_);
        check_.reset();
        scrub_.reset();
    }
    writing_.reset();
    if (auto recovered = sqlite::recover(directory_.database_path(), file_options()); !recovered) {
        tell(Event::Kind::disk_failed, recovered.error().message());
        return recovered;
    }
    return open_writing();
}

Result<void> Hall::make_gates() {
    const auto& keyring = *keys_->keyring;
    pseudonym_key_ = sealing::derive_key(keyring.pool_secret(), 1, "cs-pseud");
    recovery_key_ = sealing::derive_key(keyring.pool_secret(), 1, "cs-recov");
    source_key_ = random_key(*environment_);
    own_source_ = attempts::source_key({}, *source_key_);

    auto admission =
        attempts::Admission::make({.budget = options_.hashing_memory,
                                   .max_queued = options_.hashing_queue,
                                   .max_queued_per_source = options_.hashing_queue_per_source});
    if (!admission) return admission.error();
    gate_.emplace(std::move(*admission), attempts::Reservations::Options{});
    auto remembered = attempts::RememberedPasswords::make(random_key(*environment_), {});
    if (!remembered) return remembered.error();
    remembered_.emplace(std::move(*remembered));
    sightings_.emplace(incarnation_.arrival, now().monotonic);
    last_arrival_ = incarnation_.arrival;
    unknown_rows_.emplace(
        [this](const UserId& user) { return attempts::is_pseudo_user_id(user, *pseudonym_key_); });
    scrub_due_ = now().monotonic + options_.scrub_interval;
    return {};
}

Result<void> Hall::settle_incarnation() {
    const auto head = writing_->ledger.head.read();
    if (!head) return head.error();
    auto author = writing_->attempts.author();
    if (!author) return author.error();
    if (!*author) return Error(errc::corrupt, "this node's incarnation is missing");
    marker_.emplace(directory_);
    const auto marker = marker_->read();
    if (!marker) return marker.error();
    const auto provenance = marker_->provenance({.incarnation = (*author)->incarnation,
                                                 .head = head->place.seq,
                                                 .row_seq = (*author)->row_seq});
    if (!provenance) return provenance.error();
    if (*provenance != sqlite::Provenance::same) {
        if (auto begun = begin_incarnation(*view(), head->place.seq); !begun) return begun;
        author = writing_->attempts.author();
        if (!author) return author.error();
    } else if (*marker && !(*marker)->clean_end) {
        tell(Event::Kind::unclean_end, "the store was not closed; its file will be checked");
        auto database = open_reader();
        if (!database) return database.error();
        auto check = sqlite::QuickCheck::begin(*database);
        if (!check) return check.error();
        check_.reset(new RunningCheck{std::move(*database), std::move(*check)});
    }
    incarnation_ = **author;
    last_written_ = head->place.seq;
    raise_time_floor(std::max(head->time, incarnation_.time));
    return marker_->write({.incarnation = incarnation_.incarnation,
                           .head = head->place.seq,
                           .row_seq = incarnation_.row_seq},
                          false,
                          now().monotonic);
}

Result<void> Hall::begin_incarnation(const PoolView& pool, LogSeq head) {
    auto transaction = sqlite::Transaction::begin(writing_->database);
    if (!transaction) return transaction.error();
    const attempts::MembersWord word(
        pool.members, [&](const UserId& user) { return realm_of(writing_->ledger.reader, user); });
    if (auto begun = attempts::begin_incarnation(writing_->attempts,
                                                 keys_->signing_key,
                                                 random_incarnation(*environment_),
                                                 head,
                                                 word,
                                                 now().wall);
        !begun) {
        return begun;
    }
    if (auto done = transaction->commit(); !done) return done;
    tell(Event::Kind::new_incarnation, "the directory is a copy, or came from a backup");
    return {};
}

Result<void> Hall::rewrap(std::shared_ptr<KeyProvider> provider) {
    if (!provider) return Error(errc::invalid_argument, "no key provider was given");
    std::array<std::byte, KeyProvider::entropy_size> fresh;
    environment_->random(fresh);
    auto lock = directory_.write_lock(options_.lock_patience);
    if (!lock) return lock.error();
    // The row is read again: another process may have changed the keyring under it.
    auto identity = membership::read_identity(writing_->database);
    if (!identity) return identity.error();
    auto wrapped = membership::wrap_master_key(
        keys_->master_key, {.pool = identity->pool, .node = identity->node}, *provider, fresh);
    if (!wrapped) return wrapped.error();
    identity->wrapped_master_key = std::move(*wrapped);
    auto transaction = sqlite::Transaction::begin(writing_->database);
    if (!transaction) return transaction.error();
    if (auto done = membership::write_identity(writing_->database, *identity); !done) return done;
    if (auto done = transaction->commit(); !done) return done;
    identity_ = std::move(*identity);
    options_.key_provider = std::move(provider);
    return {};
}

}  // namespace countersign
