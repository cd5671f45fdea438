#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "countersign/store.h"

#include "accounts/blocklist.h"
#include "accounts/sign_in.h"
#include "attempts/clear_watch.h"
#include "attempts/gate.h"
#include "attempts/journal.h"
#include "attempts/remembered.h"
#include "attempts/sighting_table.h"
#include "attempts/sightings.h"
#include "attempts/unknown_rows.h"
#include "commands/execute.h"
#include "inquiry.h"
#include "log/append.h"
#include "log/commit_queue.h"
#include "log/damage.h"
#include "log/repair.h"
#include "log/scrub.h"
#include "log/staging.h"
#include "membership/former_members.h"
#include "membership/identity.h"
#include "membership/invitation_text.h"
#include "membership/members.h"
#include "membership/sponsor.h"
#include "pool_view.h"
#include "sqlite/directory.h"
#include "sqlite/marker.h"
#include "sqlite/quick_check.h"
#include "sqlite/reader_pool.h"
#include "write.h"

namespace countersign {

/// What each reading handle has prepared.
struct Readers {
    records::Reader records;
    log::HeadRow head;
    log::BatchTable batches;
    membership::Designations designations;
    membership::FormerMembers former_members;
    log::DamageRow damage;
    attempts::Tables attempts;

    static Result<Readers> prepare(sqlite::Database& database);
};

/// The one handle that writes, and all that is prepared on it.
struct WritingHandle {
    sqlite::Database database;
    log::Ledger ledger;
    log::Staging staging;
    log::Repair repair;
    log::DamageRow damage;
    membership::FormerMembers former_members;
    attempts::Tables attempts;
    attempts::SightingTable sightings;

    static Result<WritingHandle> open(const std::string& path,
                                      const sqlite::OpenOptions& options,
                                      const PoolId& pool,
                                      const sealing::Keyring& keyring);
};

/// The store's inside: owns the handles, the locks and the keys, reads the clock at each step, and
/// brings the rooms together. Its parts: hall_create, hall_join, hall_open (directory, keys,
/// incarnation), hall_view (what holds for the pool), hall_steps (how calls wait), hall_commit
/// (group commit), hall_users, hall_codes, hall_sign_in, hall_lockout, hall_nodes, hall_log,
/// hall_due (what falls due), hall_damage (what was found of it, and what is mended here),
/// hall_inquiry (what members are asked after an unclean end); and what links ask:
/// hall_replication, hall_copy, hall_repair, hall_pulse, hall_links (how they stand).
class Hall {
    using Group = log::CommitQueue<Write>::Group;

  public:
    class Replication;
    class Steps;
    template <class T>
    class Caller;

    static Result<std::unique_ptr<Hall>> create(Options options);
    static Result<std::unique_ptr<Hall>> join(Options options, const Secret& invitation);
    static Result<std::unique_ptr<Hall>> open(Options options);
    Hall(const Hall&) = delete;
    Hall& operator=(const Hall&) = delete;
    ~Hall();

    Result<void> rewrap(std::shared_ptr<KeyProvider> provider);
    Result<void> confirm_primary();

    Stage stage() const noexcept { return stage_; }
    const std::shared_ptr<Replication>& replication() const noexcept { return replication_; }
    Result<std::unique_ptr<FileLock>> serve();

    // hall_users
    void create_user(Caller<UserId> caller, NewUser user);
    std::vector<Result<UserId>> create_users(std::vector<NewUser> users);
    Result<User> get_user(UserId id);
    Result<User> find_user(std::string_view login);
    Result<std::vector<User>> find_users_by_email(std::string_view email);
    Result<UserPage> list_users(const UserQuery& query);
    void change_user(Caller<LogSeq> caller, UserId id, UserChanges changes);
    void set_password(Caller<LogSeq> caller, UserId id, Secret password);
    void erase_user(Caller<LogSeq> caller, UserId id);

    // hall_codes
    void enrol_totp(Caller<TotpEnrolment> caller, UserId id, TotpOptions options);
    void confirm_totp(Caller<LogSeq> caller, UserId id, TotpId authenticator, std::string code);
    void remove_totp(Caller<LogSeq> caller, UserId id, TotpId authenticator);
    void make_recovery_codes(Caller<std::vector<Secret>> caller, UserId id);

    // hall_sign_in
    Result<SignInResult> authenticate(SignIn attempt);
    void authenticate(SignIn attempt, std::move_only_function<void(Result<SignInResult>)> handler);
    void change_password(Caller<LogSeq> caller, UserId id, Secret current, Secret password);

    // hall_lockout
    Result<LockoutStatus> show_lockout(UserId user);
    Result<void> clear_lockout(UserId user);

    // hall_nodes
    Result<Secret> invite(Invite invite);
    Result<std::vector<NodeInfo>> list_nodes();
    Result<LogSeq> remove_node(NodeId node);
    Result<void> rewrap_root(const std::string& file, KeyProvider& from, KeyProvider& to);
    /// Lets in who holds an invitation. The same keys again change nothing. Errors: those of
    /// commands::Admit.
    Result<void> admit_node(const RecordId& invitation,
                            records::SignedStatement admission,
                            std::vector<std::string> addresses);

    // hall_log
    Result<std::vector<BatchInfo>> show_log(LogSeq first, std::size_t limit);
    Result<Log::Exact> exact_batch(LogSeq seq);
    Result<LogVerification> verify_log();
    Result<Compaction> compact_log();
    Result<Status> status();

    // hall_due
    Instant run_due();

    // hall_damage
    /// Passes an outcome on; stored bytes that it found damaged are noted on the way. Not under the
    /// write lock.
    template <class T>
    Result<T> noticing(Result<T> outcome) {
        if (!outcome && outcome.error() == errc::corrupt) note_damage(outcome.error().detail());
        return outcome;
    }

  private:
    class Attempt;
    class Call;
    struct RunningCheck {
        sqlite::Database database;
        sqlite::QuickCheck check;
    };
    struct RunningScrub {
        sqlite::Database database;
        log::Scrub scrub;
    };

    Hall(Options options, sqlite::Directory directory);

    Now now() const { return environment_->now(); }
    /// The wall clock, but never below what this directory has seen: what codes are judged by.
    UnixTime judged_time() const;
    /// Whether the clock is near enough to judge codes by; tells of it when not.
    bool clock_is_sound() const;
    /// Whether `wall` is not far below the time floor.
    bool clock_is_near(UnixTime wall) const;
    void raise_time_floor(UnixTime time);
    Instant deadline(std::optional<milliseconds> patience) const;
    sealing::Entropy entropy() const;
    void tell(Event::Kind kind, std::string detail) const;
    void run_blocking(std::function<void()> task) const;

    /// That this node is, or was, in the pool. Errors: errc::not_a_member.
    Result<void> require_log() const;
    /// That it is. Errors: errc::not_a_member.
    Result<void> require_member() const;

    // hall_create
    /// Makes the pool and starts on it; on an error nothing of it is left. Under the directory's
    /// write lock.
    Result<void> make_pool();
    /// What an unfinished `create` or `join` has made.
    void remove_files();
    /// Removes what is left where making a store was cut short; what is or was a store stays. The
    /// caller holds the directory's write lock.
    Result<void> clear_unfinished();
    /// After an unclean end the system may show pages of the write-ahead log that a failed sync did
    /// not bring to the disk: all of it is written and synced anew, before anything is read of it
    /// or added to it.
    Result<void> make_sure_of_log(sqlite::Database& database);

    // hall_join
    /// Makes the directory of a node that nobody knows yet. Under the directory's write lock.
    Result<void> make_joiner(const membership::InvitationText& invitation);
    /// That this directory was made to join the same pool, and is not in it yet. Under the
    /// directory's write lock.
    Result<void> resume_joining(const membership::InvitationText& invitation);

    // hall_open
    static Result<void> check(const Options& options);
    /// Opens everything that the stage allows. Under the directory's write lock.
    Result<void> start();
    /// Opens the keys, and the file with them.
    Result<void> open_keys();
    Result<void> open_files();
    /// Once this node's own membership is in the log. Under the directory's write lock.
    Result<void> enter_pool(std::shared_ptr<const PoolView> pool);
    /// The same, if what is stored (none: it is read) has this node as a member. The caller holds
    /// the directory's write lock.
    Result<void> enter_if_copied(std::shared_ptr<const PoolView> pool);
    /// For a copy that was proved while the disk kept this node from entering.
    Result<void> enter_late();
    Result<void> make_gates();
    Result<void> read_sightings();
    Result<void> settle_incarnation();
    Result<void> begin_incarnation(const PoolView& pool, LogSeq head);
    attempts::AuthorRow incarnation() const;
    void live_as(const attempts::AuthorRow& author);
    /// Changes this node's own row, durably. Under the directory's write lock.
    Result<attempts::AuthorRow> change_author(
        const std::function<void(attempts::AuthorRow&)>& change);
    /// Others say that another directory lives this one's life too: begins a new one, unless this
    /// process has done so less than a day ago (false) and it is others' word alone.
    Result<bool> leave_incarnation(bool is_evident = false);
    /// The same before this node has said anything of attempts: another number is all it takes.
    Result<void> leave_unused_incarnation();
    sqlite::OpenOptions file_options() const;
    Result<void> open_writing();
    /// After a failed sync: makes sure of what the disk holds, or says that it cannot. Under the
    /// directory's write lock.
    Result<void> recover_if_suspect();
    Result<sqlite::Database> open_reader() const;
    /// Errors besides the disk's: errc::not_a_member.
    Result<sqlite::ReaderPool<Readers>::Lease> reader();

    // hall_log
    /// Gives up a copy that is received, and empties what others left: either may hold what was
    /// erased since. Under the write lock.
    Result<void> drop_copies();

    // hall_damage
    /// From here on nobody signs in, writes or copies from here, restarts included, until the
    /// records have been proved; told once. Not under the write lock.
    void note_damage(const std::string& what);
    Result<void> store_damage(const log::Damage& damage);
    /// As the file has it, whichever process noted it.
    Result<std::optional<log::Damage>> read_damage(log::DamageRow& row);
    /// errc::corrupt while there is damage.
    Result<void> require_sound();
    /// The same of what was read; where that failed, by what this process knows.
    Result<void> judge_damage(const Result<std::optional<log::Damage>>& damage) const;
    /// Whether the records are not those that were signed: re-reads them if that is not known yet.
    Result<bool> has_lost_records();
    /// Keeps a note that the disk refused before.
    void keep_damage_note();
    /// See LinkStore::examine.
    Result<RecordSums> examine();
    /// Makes anew what the records prove, unless `all_sound`, and serves again.
    Result<void> mend(bool all_sound);
    /// Says what was mended, and that all records have been proved; after the commit.
    void serve_again(const log::Repair::Mended& mended, const std::string& from);

    // hall_view
    std::shared_ptr<const PoolView> view() const;
    void set_view(std::shared_ptr<const PoolView> view);
    Result<std::shared_ptr<const PoolView>> read_view(records::Reader& reader,
                                                      log::HeadRow& head,
                                                      membership::Designations& designations,
                                                      membership::FormerMembers& former) const;
    /// As the writing handle's open transaction sees it.
    Result<std::shared_ptr<const PoolView>> read_own_view();
    /// What the open transaction has made of the pool, with who is no member any more noted in it.
    Result<std::shared_ptr<const PoolView>> change_pool(const PoolView& before);
    /// The view, read again if another process has changed the pool's own records since.
    Result<std::shared_ptr<const PoolView>> current_view(Readers& readers);
    /// The keys of `known`, and all that the records grant this node beyond them.
    Result<std::shared_ptr<const sealing::Keyring>> read_keys(
        records::Reader& reader,
        const records::Sealer& pool,
        std::shared_ptr<const sealing::Keyring> known) const;
    /// Where a node stands whose log says this.
    Stage stage_of(const PoolView& pool) const;

    // hall_commit
    /// errc::not_primary, naming who writes, unless this node does. After an unclean end it waits
    /// for the other members' word (hall_inquiry), unless it must not: then errc::timed_out.
    Result<std::shared_ptr<const PoolView>> writable(bool may_wait = true);
    /// See Store::confirm_primary; another process may have been told.
    bool is_confirmed();
    log::Appender::Execute executing(commands::Command command) const;
    Result<LogSeq> write(commands::Command command);
    void commit_group(Group& group);
    /// Commits as many of a group as fit into one batch, after the first `done`; returns how many
    /// are done then.
    Result<std::size_t> commit_some(Group& group, std::size_t done);
    /// Within the transaction. Errors: errc::corrupt while there is damage.
    Result<log::Appender> begin_batch(log::Head head);
    /// Runs their parts, and those of who comes meanwhile.
    static Result<std::size_t> gather(Group& group,
                                      std::size_t done,
                                      Result<log::Appender>& appender,
                                      attempts::Journal& journal,
                                      LogSeq head);
    Result<void> notice_others(const log::Head& head);
    /// Checkpoint and marker, when it is time. Under the directory's write lock.
    Result<void> after_commit();
    Result<void> update_marker();

    // hall_users
    /// In its normal form, if it may be one.
    Result<Secret> check_new_password(const PoolView& pool,
                                      const Secret& password,
                                      std::string_view login);
    Result<std::string> hash_password(const PoolView& pool, const Secret& normal);
    /// Within its memory's budget already.
    Result<std::string> hash_now(const PoolView& pool, const Secret& normal) const;
    /// All but the hash of a password, which is left in its normal form.
    Result<commands::CreateUser> to_command(const PoolView& pool, NewUser& user);
    /// `expected`: the version that it takes the place of; none: whichever there is.
    void replace_password(Caller<LogSeq> caller,
                          UserId id,
                          const Secret& password,
                          std::optional<PasswordVersion> expected);
    Result<accounts::Subject> open_subject(Readers& readers, const PoolView& pool, UserId id);
    Result<User> require_user(Readers& readers, UserId id);

    // hall_codes
    /// What becomes of it: of a wrong one a failure, and nothing to execute.
    Write judge_first_code(const attempts::CredentialId& credential,
                           const records::Authenticator& authenticator,
                           std::string_view code);
    Result<records::Authenticator> import_authenticator(std::string_view uri, UnixTime now);

    // hall_sign_in
    Result<accounts::Subject> find_subject(std::shared_ptr<const PoolView>& pool,
                                           const std::string& name);
    Result<accounts::Subject> find_subject(std::shared_ptr<const PoolView>& pool, UserId user);
    static std::optional<RealmId> realm_of(records::Reader& reader, const UserId& user);
    Result<attempts::Standing> read_standing(const PoolView& pool,
                                             const attempts::CredentialId& credential);
    Result<void> read_renewal(Readers& readers,
                              const PoolView& pool,
                              const attempts::CredentialId& credential,
                              attempts::Share& share);
    Result<std::optional<UnixTime>> made_at(Readers& readers,
                                            const PoolView& pool,
                                            const attempts::CredentialId& credential);
    attempts::StepView step_view(std::chrono::seconds period, UnixTime time) const;
    void add_position(SignInResult& result);
    void rehash(const PoolView& pool, const accounts::Subject& subject, const Secret& normal);

    // hall_lockout
    Result<LockoutStatus::Factor> show_factor(const PoolView& pool,
                                              const attempts::CredentialId& credential);
    Result<std::vector<attempts::CredentialId>> credentials_to_clear(
        const accounts::Subject& subject);

    // hall_nodes
    Result<std::vector<RealmId>> realms_of_invitation(const PoolView& pool, const RecordId& id);
    std::string root_file() const;
    std::shared_ptr<KeyProvider> root_key_provider() const;

    // hall_log
    Result<std::uint64_t> erase_batches(bool at_once);
    /// The last batch that nobody is known to wait for. `oldest` is the lowest that is held.
    LogSeq needed_by_none(const PoolView& pool, LogSeq head, LogSeq oldest);
    Status status_of_newcomer();
    bool is_served();

    // hall_inquiry
    /// After an unclean end, of a primary with other members. Under the directory's write lock.
    void begin_inquiry();
    void heard_of(const NodeId& member, LogSeq head);
    /// Returns once this primary may write. Errors: errc::timed_out, errc::needs_confirmation.
    Result<void> await_members(bool may_wait);
    /// Where the inquiry stands; closes it when there is nothing more to wait for.
    Result<Inquiry::Finding> inquire();
    /// `why` is told if not empty.
    Result<void> close_inquiry(std::string why);
    /// The same, under the directory's write lock.
    Result<void> forget_inquiry(std::string why);
    /// Whether the marker still says so.
    bool is_asked_of() const;
    /// Whether this node, if it is primary, may sign batches and pulses now.
    bool may_sign(const PoolView& pool) const;
    Instant inquire_due(Instant time);

    // hall_due
    void keep_house();
    /// Empties a slice of the tables that a copy has replaced.
    Instant drop_replaced(Instant time);
    Result<void> drop_expired_rows();
    /// Tells when the wall clock has been set since the last call.
    void compare_clocks(Now time);
    Instant look_into_damage(Instant time);
    Instant check_slice(Instant time);
    Instant scrub_slice_due(Instant time, bool& found_damage);
    Result<bool> scrub_some(bool& found_damage);

    Options options_;
    const std::shared_ptr<Environment> environment_;
    sqlite::Directory directory_;
    const std::shared_ptr<sqlite::Health> health_ = std::make_shared<sqlite::Health>();

    std::atomic<Stage> stage_ = Stage::joining;
    std::optional<membership::Identity> identity_;
    std::optional<membership::Sponsor> sponsor_;  ///< of a node that joined
    std::optional<Secret> seed_;                  ///< the invitation's, while joining
    std::optional<membership::OpenedIdentity> keys_;
    std::optional<records::Index> index_;
    std::optional<sealing::Key> pseudonym_key_;
    std::optional<sealing::Key> source_key_;
    std::optional<sealing::Key> recovery_key_;
    accounts::Blocklist blocklist_;

    mutable std::mutex incarnation_mutex_;
    attempts::AuthorRow incarnation_;  ///< as it was when this process last heard of a new one
    std::optional<Instant> left_incarnation_;  ///< when it was last told of a clone, and left one

    mutable std::mutex view_mutex_;
    std::shared_ptr<const PoolView> view_;
    std::string boot_id_;  ///< of the run of the machine
    std::atomic<UnixTime> time_floor_{};
    std::atomic<bool> confirmed_ = true;  ///< see Store::confirm_primary
    std::atomic<bool> confirmation_stored_ = false;
    std::atomic<bool> has_replaced_ = true;  ///< a copy may have left tables to be emptied
    std::atomic<bool> damaged_ = false;      ///< as the file's row `damage` was last seen
    std::mutex damage_mutex_;
    std::optional<log::Damage> unstored_damage_;  ///< the disk would not take it yet
    std::set<std::string> false_alarms_;          ///< what was noted when all records were sound
    /// This process keeps the links. Shared with the lock that it holds for that.
    const std::shared_ptr<std::atomic<bool>> serves_ = std::make_shared<std::atomic<bool>>(false);

    // Under the directory's write lock.
    std::optional<WritingHandle> writing_;
    std::optional<sqlite::MarkerFile> marker_;
    std::optional<attempts::UnknownRows> unknown_rows_;
    attempts::ClearWatch clear_watch_;
    LogSeq last_written_{};

    std::atomic<bool> asks_ = false;  ///< there is an inquiry; once closed it stays so
    std::mutex inquiry_mutex_;        ///< the last to be taken
    std::condition_variable inquiry_changed_;
    std::optional<Inquiry> inquiry_;

    std::optional<sqlite::ReaderPool<Readers>> readers_;
    std::optional<attempts::Sightings> sightings_;
    std::optional<attempts::Gate> gate_;
    attempts::SourceKey own_source_{};  ///< of hashes that are no attempt: new passwords
    std::mutex remembered_mutex_;
    std::optional<attempts::RememberedPasswords> remembered_;
    log::CommitQueue<Write> queue_;

    std::shared_ptr<Replication> replication_;

    std::optional<log::RowHasher> hash_row_;  ///< the scrub's
    std::mutex due_mutex_;
    Instant housekeeping_due_{};
    Instant damage_due_{};
    Now clocks_ = environment_->now();  ///< as they were when they were last compared
    std::mutex background_mutex_;       ///< never held while the write lock is waited for
    Instant scrub_due_{};
    std::unique_ptr<RunningCheck> check_;
    std::unique_ptr<RunningScrub> scrub_;

    /// Calls that were begun and not answered yet: the hall waits for them before it goes.
    std::mutex calls_mutex_;
    std::condition_variable calls_ended_;
    std::size_t calls_ = 0;
};

}  // namespace countersign
