#include <array>
#include <utility>

#include "countersign/mutants.h"

#include "accounts/unicode.h"
#include "attempts/incarnation.h"
#include "attempts/members_word.h"
#include "attempts/unknown_names.h"
#include "hall.h"
#include "hall_replication.h"
#include "random.h"
#include "schema.h"
#include "sqlite/health.h"

namespace countersign {
namespace {

constexpr std::size_t cache_bytes_of_readers = std::size_t{2} << 20;
/// Between two incarnations that a process begins at others' word: no member that cries clone at
/// each link can have all that was counted said again, and all recovery codes voided, more often.
/// A disk that is rolled back once more has a new process on it.
constexpr std::chrono::hours incarnation_pause{24};

}  // namespace

Result<void> Hall::check(const Options& options) {
    constexpr milliseconds none{0};
    const std::pair<bool, const char*> rules[] = {
        {!options.directory.empty(), "directory is missing"},
        {options.key_provider != nullptr, "key_provider is missing"},
        {options.hashing_memory >= attempts::min_hashing_memory, "hashing_memory: at least 1 MiB"},
        {options.hashing_queue >= 1, "hashing_queue: at least 1"},
        {options.hashing_queue_per_source >= 1 &&
             options.hashing_queue_per_source <= options.hashing_queue,
         "hashing_queue_per_source: 1 to hashing_queue"},
        {options.deadline > none, "deadline: above 0"},
        {options.commit_queue >= 1, "commit_queue: at least 1"},
        {options.checkpoint_bytes >= std::uint64_t{1} << 20, "checkpoint_bytes: at least 1 MiB"},
        {options.readers >= 1 && options.readers <= 256, "readers: 1 to 256"},
        {options.lock_patience >= none, "lock_patience: 0 or more"},
        {options.scrub_interval >= none, "scrub_interval: 0 or more"},
        {options.log_acked_age >= none, "log_acked_age: 0 or more"},
        {options.log_age >= none, "log_age: 0 or more"},
        {options.unclean_end_wait >= none, "unclean_end_wait: 0 or more"},
        {options.pulse_interval > none, "pulse_interval: above 0"},
    };
    for (const auto& [holds, rule] : rules) {
        if (!holds) return Error(errc::invalid_argument, rule);
    }
    return {};
}

Result<std::unique_ptr<Hall>> Hall::open(Options options) {
    if (auto valid = check(options); !valid) return valid.error();
    if (!options.environment) options.environment = system_environment();
    auto directory = sqlite::Directory::open(options.directory, *options.environment);
    if (!directory) return directory.error();
    options.directory = directory->path();
    std::unique_ptr<Hall> hall(new Hall(std::move(options), std::move(*directory)));
    const auto lock = hall->directory_.write_lock(hall->options_.lock_patience);
    if (!lock) return lock.error();
    if (auto started = hall->start(); !started) return started.error();
    if (hall->stage_ == Stage::joining) return hall->require_log().error();
    return hall;
}

Hall::Hall(Options options, sqlite::Directory directory)
    : options_(std::move(options)),
      environment_(options_.environment),
      directory_(std::move(directory)),
      queue_([this](Group& group) { commit_group(group); }, options_.commit_queue),
      replication_(std::make_shared<Replication>(*this)) {}

Hall::~Hall() {
    if (gate_) gate_->close();
    queue_.catch_up();
    {
        std::unique_lock guard(calls_mutex_);
        calls_ended_.wait(guard, [&] { return calls_ == 0; });
    }
    if (!marker_ || !writing_) return;
    const auto lock = directory_.write_lock(options_.lock_patience);
    const auto head = writing_->ledger.head.read();
    const auto author = writing_->attempts.author();
    if (!lock || !head || !author || !*author) return;  // the next start finds an unclean end
    static_cast<void>(marker_->write({.incarnation = (*author)->incarnation,
                                      .head = head->place.seq,
                                      .row_seq = (*author)->row_seq},
                                     !is_served(),
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
    if (auto opened = open_keys(); !opened) return opened;
    if (auto opened = open_files(); !opened) return opened;
    if (sponsor_ && !sponsor_->has_admitted) return {};
    stage_ = Stage::copying;
    return enter_if_copied(nullptr);
}

Result<void> Hall::open_keys() {
    auto database = sqlite::Database::open(directory_.database_path(), file_options());
    if (!database) return database.error();
    if (auto sure = make_sure_of_log(*database); !sure) return sure;
    if (auto migrated = sqlite::migrate(*database, schema()); !migrated) return migrated;
    auto identity = membership::read_identity(*database);
    if (!identity) return identity.error();
    identity_ = std::move(*identity);
    auto sponsor = membership::read_sponsor(*database);
    if (!sponsor) return sponsor.error();
    sponsor_ = std::move(*sponsor);
    if (!sponsor_) {
        auto row = log::HeadRow::prepare(*database);
        if (!row) return row.error();
        const auto head = row->read();
        if (!head) return head.error();
        if (head->place.seq == LogSeq{0}) {
            return Error(errc::not_a_store, "the file was never finished; make it again");
        }
    }
    auto keys = membership::open_identity(*identity_, *options_.key_provider);
    if (!keys) return keys.error();
    keys_ = std::move(*keys);
    return {};
}

Result<void> Hall::make_sure_of_log(sqlite::Database& database) {
    const auto marker = sqlite::MarkerFile(directory_).read();
    if (!marker) return marker.error();
    if ((*marker && (*marker)->clean_end) || is_served()) return {};
    const auto owner = database.application_id();
    if (!owner) return owner.error();
    if (*owner != sqlite::store_application_id) return {};  // left as it is
    const auto on_full_disk = [](const Error& error) {
        // What is there can still be read, and nobody can add to it.
        return error == errc::disk_full ? Result<void>() : error;
    };
    if (const auto written = database.rewrite_log(); !written) return on_full_disk(written.error());
    // A checkpoint that was cut short has left the file in need of the log.
    const auto moved = database.checkpoint(sqlite::CheckpointMode::truncate);
    return moved || moved.error() == errc::busy ? Result<void>() : on_full_disk(moved.error());
}

Result<void> Hall::open_files() {
    index_.emplace(keys_->keyring->index_key());
    hash_row_.emplace(keys_->keyring->digest_key());
    if (auto opened = open_writing(); !opened) return opened;
    const auto author = writing_->attempts.author();
    if (!author) return author.error();
    if (!*author) return Error(errc::corrupt, "this node's incarnation is missing");
    live_as(**author);
    auto reading = file_options();
    if (const auto damage = read_damage(writing_->damage); !damage) return damage.error();
    reading.cache_bytes = cache_bytes_of_readers;
    readers_.emplace(directory_.database_path(), reading, options_.readers, &Readers::prepare);
    return replication_->open();
}

Result<void> Hall::enter_pool(std::shared_ptr<const PoolView> pool) {
    if (pool->settings.unicode_version != accounts::unicode_version()) {
        return Error(errc::unsupported_version,
                     "this pool normalises names by Unicode " + pool->settings.unicode_version +
                         ", this build by " + std::string(accounts::unicode_version()));
    }
    const Stage stage = stage_of(*pool);
    set_view(std::move(pool));
    if (auto settled = settle_incarnation(); !settled) return settled;
    if (auto made = make_gates(); !made) return made;
    if (auto loaded = replication_->load_rows(); !loaded) return loaded;
    if (stage == Stage::removed || incarnation().has_rows) stage_ = stage;
    return {};
}

Result<void> Hall::require_log() const {
    const Stage stage = stage_;
    if (stage == Stage::ready || stage == Stage::removed) return {};
    return Error(errc::not_a_member,
                 stage == Stage::joining
                     ? "nobody has let this node in yet: join, with an invitation"
                     : "the first copy of the pool is not complete yet");
}

Result<void> Hall::require_member() const {
    if (stage_ == Stage::removed) {
        return Error(errc::not_a_member,
                     "this node was removed from the pool; to come back, join in a new directory");
    }
    return require_log();
}

Result<sqlite::ReaderPool<Readers>::Lease> Hall::reader() {
    if (auto there = require_log(); !there) return there.error();
    if (!health_->sound()) {  // else a node that only reads would never recover
        auto lock = directory_.write_lock(options_.lock_patience);
        if (!lock) return lock.error();
        if (auto ready = recover_if_suspect(); !ready) return ready.error();
    }
    return readers_->lease();
}

Result<void> Hall::open_writing() {
    auto writing = WritingHandle::open(
        directory_.database_path(), file_options(), identity_->pool, *keys_->keyring);
    if (!writing) return writing.error();
    writing_.emplace(std::move(*writing));
    return {};
}

Result<void> Hall::recover_if_suspect() {
    if (health_->sound() && writing_) return {};
    if (health_->stopped()) return health_->check();
    tell(Event::Kind::disk_failed, "a sync failed; what the disk holds is being made sure of");
    readers_->close();
    replication_->close_watch();
    replication_->close_repair_sources();
    {
        const std::lock_guard guard(background_mutex_);
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
    if (auto read = read_sightings(); !read) return read;
    unknown_rows_.emplace(
        [this](const UserId& user) { return attempts::is_pseudo_user_id(user, *pseudonym_key_); });
    scrub_due_ = now().monotonic + options_.scrub_interval;
    return {};
}

Result<void> Hall::read_sightings() {
    boot_id_ = environment_->boot_id();
    auto marks = writing_->sightings.marks(boot_id_);
    if (!marks) return marks.error();
    const attempts::SightingMark start{.arrival = incarnation().arrival,
                                       .known_by = now().monotonic};
    if (marks->empty() && !boot_id_.empty()) {
        auto transaction = sqlite::Transaction::begin(writing_->database);
        if (!transaction) return transaction.error();
        if (auto put = writing_->sightings.put(start, boot_id_); !put) return put;
        if (auto done = transaction->commit(); !done) return done;
    }
    if (is_planted(Mutant::unlock_at_restart))
        *marks = {{.arrival = start.arrival, .known_by = {}}};
    sightings_.emplace(std::move(*marks), start.arrival, start.known_by);
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
    raise_time_floor(std::max(head->time, (*author)->time));
    if (*provenance != sqlite::Provenance::same && !is_planted(Mutant::same_incarnation)) {
        if (auto begun = begin_incarnation(*view(), head->place.seq); !begun) return begun;
        tell(Event::Kind::new_incarnation, "the directory is a copy, or came from a backup");
        author = writing_->attempts.author();
        if (!author) return author.error();
    } else if (const bool unclean = !(*marker)->clean_end && !is_served();
               unclean || (*marker)->unasked) {
        begin_inquiry();
        marker_->set_unasked(asks_);
        if (unclean) {
            tell(Event::Kind::unclean_end, "the store was not closed; its file will be checked");
            auto database = open_reader();
            if (!database) return database.error();
            auto check = sqlite::QuickCheck::begin(*database);
            if (!check) return check.error();
            check_.reset(new RunningCheck{std::move(*database), std::move(*check)});
        }
    }
    live_as(**author);
    last_written_ = head->place.seq;
    return marker_->write({.incarnation = (*author)->incarnation,
                           .head = head->place.seq,
                           .row_seq = (*author)->row_seq},
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
                                                 judged_time());
        !begun) {
        return begun;
    }
    return transaction->commit();
}

attempts::AuthorRow Hall::incarnation() const {
    const std::lock_guard guard(incarnation_mutex_);
    return incarnation_;
}

void Hall::live_as(const attempts::AuthorRow& author) {
    {
        const std::lock_guard guard(incarnation_mutex_);
        incarnation_ = author;
    }
    confirmed_ = author.is_confirmed;
    confirmation_stored_ = author.is_confirmed;
}

Result<bool> Hall::leave_incarnation(bool is_evident) {
    auto lock = directory_.write_lock(options_.lock_patience);
    if (!lock) return lock.error();
    if (auto ready = recover_if_suspect(); !ready) return ready.error();
    const auto head = writing_->ledger.head.read();
    if (!head) return head.error();
    if (auto noticed = notice_others(*head); !noticed) return noticed.error();
    auto author = writing_->attempts.author();
    if (!author) return author.error();
    if (!*author) return Error(errc::corrupt, "this node's incarnation is missing");
    const Instant time = now().monotonic;
    const bool is_recent = left_incarnation_ && time < *left_incarnation_ + incarnation_pause;
    if (is_recent && !is_evident) return false;
    if (auto begun = begin_incarnation(*view(), head->place.seq); !begun) return begun.error();
    left_incarnation_ = time;
    author = writing_->attempts.author();
    if (!author) return author.error();
    replication_->forget_who_lagged();
    live_as(**author);
    if (auto loaded = replication_->load_rows(); !loaded) return loaded.error();
    auto marked = marker_->write({.incarnation = (*author)->incarnation,
                                  .head = head->place.seq,
                                  .row_seq = (*author)->row_seq},
                                 false,
                                 now().monotonic);
    if (!marked) return marked.error();
    return true;
}

Result<attempts::AuthorRow> Hall::change_author(
    const std::function<void(attempts::AuthorRow&)>& change) {
    if (auto ready = recover_if_suspect(); !ready) return ready.error();
    auto transaction = sqlite::Transaction::begin(writing_->database);
    if (!transaction) return transaction.error();
    auto author = writing_->attempts.author();
    if (!author) return author.error();
    if (!*author) return Error(errc::corrupt, "this node's incarnation is missing");
    change(**author);
    if (auto done = writing_->attempts.put_author(**author); !done) return done.error();
    if (auto done = transaction->commit(); !done) return done.error();
    return **author;
}

Result<void> Hall::leave_unused_incarnation() {
    auto lock = directory_.write_lock(options_.lock_patience);
    if (!lock) return lock.error();
    const auto author = change_author(
        [&](attempts::AuthorRow& row) { row.incarnation = random_incarnation(*environment_); });
    if (!author) return author.error();
    live_as(*author);
    return {};
}

Result<void> Hall::confirm_primary() {
    auto lock = directory_.write_lock(options_.lock_patience);
    if (!lock) return lock.error();
    const auto author = change_author([](attempts::AuthorRow& row) { row.is_confirmed = true; });
    if (!author) return author.error();
    confirmed_ = true;
    return forget_inquiry({});
}

Result<void> Hall::rewrap(std::shared_ptr<KeyProvider> provider) {
    if (!provider) return Error(errc::invalid_argument, "no key provider was given");
    std::array<std::byte, KeyProvider::entropy_size> fresh;
    environment_->random(fresh);
    auto lock = directory_.write_lock(options_.lock_patience);
    if (!lock) return lock.error();
    if (auto ready = recover_if_suspect(); !ready) return ready;
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
    {
        const std::lock_guard guard(view_mutex_);
        options_.key_provider = std::move(provider);
    }
    // What the old key wrapped lies in the log's earlier frames until it is written back.
    const auto moved = writing_->database.checkpoint(sqlite::CheckpointMode::truncate);
    return moved ? Result<void>() : moved.error();
}

}  // namespace countersign
