#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "accounts/blocklist.h"
#include "accounts/sign_in.h"
#include "attempts/gate.h"
#include "attempts/journal.h"
#include "attempts/remembered.h"
#include "attempts/sightings.h"
#include "commands/execute.h"
#include "countersign/store.h"
#include "log/append.h"
#include "log/commit_queue.h"
#include "log/scrub.h"
#include "membership/identity.h"
#include "membership/members.h"
#include "sqlite/directory.h"
#include "sqlite/marker.h"
#include "sqlite/reader_pool.h"

namespace countersign {

/// What holds for the pool at one moment: replaced whole when one of the pool's own records changes.
struct PoolView {
    LogSeq seq{};  ///< the head at which it was read
    records::PoolSettings settings;
    std::vector<membership::Member> members;
    std::optional<records::Designation> designation;
    records::Sealer sealer;

    bool is_primary(const NodeId& node) const { return designation && designation->node == node; }
    /// For errc::not_primary: who writes.
    std::string primary_name() const;
};

/// What each reading handle has prepared.
struct Readers {
    records::Reader records;
    log::HeadRow head;
    membership::Designations designations;
    attempts::Tables attempts;

    static Result<Readers> prepare(sqlite::Database& database);
};

/// The one handle that writes, and all that is prepared on it.
struct WritingHandle {
    sqlite::Database database;
    log::Ledger ledger;
    attempts::Tables attempts;

    static Result<WritingHandle> open(const std::string& path,
                                      const sqlite::OpenOptions& options,
                                      const PoolId& pool,
                                      const sealing::Keyring& keyring);
};

/// One caller's part of a commit.
struct Write {
    /// What this node has seen of attempts; done first, and if it fails `execute` is not asked.
    std::function<Result<void>(attempts::Journal&)> rows;
    log::Appender::Execute execute;
    /// The batch in which `execute`'s changes went; the head where there were none.
    Result<LogSeq> outcome = errc::cancelled;
};

/// The store's inside: owns the handles, the locks and the keys, reads the clock at each step, and
/// brings the rooms together. Its parts: hall_open (directory, keys, incarnation), hall_commit (group
/// commit), hall_users, hall_sign_in, hall_log, hall_due (what falls due).
class Hall {
  public:
    static Result<std::unique_ptr<Hall>> create(Options options);
    static Result<std::unique_ptr<Hall>> open(Options options);
    Hall(const Hall&) = delete;
    Hall& operator=(const Hall&) = delete;
    ~Hall();

    // hall_users
    Result<UserId> create_user(NewUser user);
    std::vector<Result<UserId>> create_users(std::vector<NewUser> users);
    Result<User> get_user(UserId id);
    Result<User> find_user(std::string_view login);
    Result<std::vector<User>> find_users_by_email(std::string_view email);
    Result<UserPage> list_users(const UserQuery& query);
    Result<LogSeq> change_user(UserId id, UserChanges changes);
    Result<LogSeq> set_password(UserId id, Secret password);
    Result<LogSeq> change_password(UserId id, const Secret& current, Secret password);
    Result<LogSeq> erase_user(UserId id);

    // hall_codes
    Result<TotpEnrolment> enrol_totp(UserId id, const TotpOptions& options);
    Result<LogSeq> confirm_totp(UserId id, TotpId authenticator, std::string_view code);
    Result<LogSeq> remove_totp(UserId id, TotpId authenticator);
    Result<std::vector<Secret>> make_recovery_codes(UserId id);

    // hall_sign_in
    Result<SignInResult> authenticate(SignIn attempt);
    void authenticate(SignIn attempt, std::move_only_function<void(Result<SignInResult>)> handler);
    Result<LockoutStatus> lockout(UserId user);
    Result<void> clear_lockout(UserId user);

    // hall_log
    Result<std::vector<BatchInfo>> show_log(LogSeq first, std::size_t limit);
    Result<Log::Exact> exact_batch(LogSeq seq);
    Result<LogVerification> verify_log();
    Result<Compaction> compact_log();

    Result<Status> status();
    Result<void> rewrap(std::shared_ptr<KeyProvider> provider);

    // hall_due
    Instant run_due();

  private:
    Hall(Options options, sqlite::Directory directory);

    Now now() const { return environment_->now(); }
    sealing::Entropy entropy() const;
    void tell(Event::Kind kind, std::string detail) const;

    /// The pool's settings, members and designation, at most as old as the newest commit.
    std::shared_ptr<const PoolView> view() const;
    /// Reads the view anew on a handle whose transaction, if any, shows the newest.
    Result<std::shared_ptr<const PoolView>> read_view(records::Reader& reader,
                                                      log::HeadRow& head,
                                                      membership::Designations& designations) const;
    void set_view(std::shared_ptr<const PoolView> view);

    /// Takes the keys out of `identity_`'s row and opens everything. Part of create and open.
    Result<void> start();
    Result<void> begin_incarnation(const char* why);

    Result<sqlite::ReaderPool<Readers>::Lease> reader();
    Result<LogSeq> write(commands::Command command);
    /// What a write must know before it is queued: that this node is the primary.
    Result<std::shared_ptr<const PoolView>> writable() const;
    log::Appender::Execute executing(commands::Command command) const;
    void commit_group(std::span<Write* const> group);
    Result<std::size_t> commit_some(std::span<Write* const> group);

    Options options_;
    std::shared_ptr<Environment> environment_;
    sqlite::Directory directory_;
    std::shared_ptr<sqlite::Health> health_ = std::make_shared<sqlite::Health>();
    std::optional<membership::Identity> identity_;
    std::optional<membership::OpenedIdentity> keys_;
    std::optional<records::Index> index_;

    mutable std::mutex view_mutex_;
    std::shared_ptr<const PoolView> view_;

    std::optional<WritingHandle> writing_;  ///< under the directory's write lock
    std::optional<sqlite::ReaderPool<Readers>> readers_;
    log::CommitQueue<Write> queue_;
};

}  // namespace countersign
