#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "countersign/error.h"
#include "countersign/ids.h"
#include "countersign/secret.h"
#include "countersign/time.h"

namespace countersign {

class Hall;

/// The hash of RFC 6238 section 1.2. Many authenticator apps know SHA-1 only.
enum class TotpHash : std::uint8_t { sha1 = 1, sha256 = 2, sha512 = 3 };

struct TotpOptions {
    std::string label;  ///< shown to tell a user's authenticators apart; at most 64 bytes
    TotpHash hash = TotpHash::sha1;
    std::uint8_t digits = 6;    ///< 6 to 8
    std::uint16_t period = 30;  ///< seconds, 15 to 120
};

/// One authenticator as lists show it; the secret never leaves the store again.
struct TotpInfo {
    TotpId id;
    std::string label;
    bool confirmed = false;
    UnixTime created;
};

/// A new authenticator: active once `confirm_totp` has seen a first code of it.
struct TotpEnrolment {
    TotpId id;
    Secret uri;  ///< otpauth://totp/... : holds the secret; show it once, as a QR code
};

struct NewUser {
    std::string login;
    Secret password;           ///< empty: none, unless `password_hash`
    std::string display_name;  ///< at most 512 bytes
    std::string email;         ///< at most 254 bytes
    bool disabled = false;
    RealmId realm = RealmId::default_users;
    std::string password_hash;  ///< instead of `password`: an argon2id PHC string made elsewhere
    std::string totp_uri;       ///< an otpauth URI of an authenticator that is in use already
};

/// What to change; what is not given stays.
struct UserChanges {
    std::optional<std::string> login;
    std::optional<std::string> display_name;
    std::optional<std::string> email;  ///< empty: none any more
    std::optional<bool> disabled;
};

struct User {
    UserId id;
    std::string login;
    std::string display_name;
    std::string email;
    bool disabled = false;
    bool has_password = false;
    bool has_totp = false;  ///< a confirmed authenticator
    std::vector<TotpInfo> authenticators;
    std::size_t recovery_codes = 0;  ///< made in the newest set, spent ones included
    RealmId realm{};
    LogSeq seq{};  ///< the batch that last changed the user
    UnixTime created;
    UnixTime modified;
    UnixTime password_changed;
};

struct UserQuery {
    /// Keeps users whose login, display name or e-mail contains this text, in any case of ASCII.
    std::string contains;
    std::optional<bool> disabled;
    std::size_t limit = 100;  ///< 1 to 10,000 users a page
    std::string cursor;       ///< `next` of the page before; empty: from the start
};

struct UserPage {
    std::vector<User> users;
    std::string next;          ///< empty: this was the last page
    std::size_t not_held = 0;  ///< users on this page whose realm this node cannot open
};

/// What a call that does not wait tells its outcome to, once.
template <class T>
using OutcomeHandler = std::move_only_function<void(Result<T>)>;

/// Users of the pool. Every change is one durable, signed write of the primary; on another node it
/// is errc::not_primary, naming the one that writes. Reads see this node's newest commit.
/// Thread-safe.
///
/// The forms of writes that take a handler return at once and call it from Options::run_blocking's
/// thread, where nothing waits for anything but the disk: after an unclean end, while other members
/// are still to be heard, they are errc::timed_out. Writes under way at one time share commits.
///
/// Errors of every call besides those named: errc::io_error, errc::corrupt, errc::outcome_unknown,
/// and of every write errc::disk_full, errc::read_only, errc::busy, errc::overloaded.
class Users {
  public:
    /// Errors: errc::invalid_login, errc::invalid_password, errc::password_blocked,
    /// errc::invalid_email, errc::invalid_hash, errc::invalid_totp, errc::already_exists.
    Result<UserId> create(NewUser user);
    void create(NewUser user, OutcomeHandler<UserId> handler);
    /// Many at once, in as few commits as the batch limits allow; each stands or falls alone.
    /// Results are in the order of `users`.
    std::vector<Result<UserId>> create_many(std::vector<NewUser> users);

    /// Errors: errc::not_found, errc::not_held.
    Result<User> get(UserId id);
    /// By login, normalised as RFC 8265 says. Errors: as get, errc::invalid_login.
    Result<User> find(std::string_view login);
    /// All with this address, at most 100. Errors: errc::invalid_email.
    Result<std::vector<User>> find_by_email(std::string_view email);
    /// One page in the order of creation. Errors: errc::invalid_cursor, errc::invalid_argument.
    Result<UserPage> list(const UserQuery& query = {});

    /// Errors: errc::not_found, and as create.
    Result<LogSeq> change(UserId id, UserChanges changes);
    void change(UserId id, UserChanges changes, OutcomeHandler<LogSeq> handler);
    /// Sets a password, as an operator does. What was counted against the old one is void.
    Result<LogSeq> set_password(UserId id, Secret password);
    void set_password(UserId id, Secret password, OutcomeHandler<LogSeq> handler);
    /// Changes a password, as its owner does. A wrong `current` is an attempt like any other:
    /// counted, and refused while locked. Errors: errc::not_permitted (wrong, or locked: not said
    /// which).
    Result<LogSeq> change_password(UserId id, const Secret& current, Secret password);
    void change_password(UserId id,
                         Secret current,
                         Secret password,
                         OutcomeHandler<LogSeq> handler);
    /// Removes the user with all that hangs on the record. The old ciphertext leaves the log with
    /// the next compaction.
    Result<LogSeq> erase(UserId id);
    void erase(UserId id, OutcomeHandler<LogSeq> handler);

    /// A new secret of 160 random bits. Errors: errc::limit_reached (8 a user), errc::invalid_totp.
    Result<TotpEnrolment> enrol_totp(UserId id, TotpOptions options = {});
    void enrol_totp(UserId id, TotpOptions options, OutcomeHandler<TotpEnrolment> handler);
    /// Makes the authenticator a second factor, spending the code. Errors: errc::wrong_code
    /// (counted as any failed code is), errc::already_confirmed.
    Result<LogSeq> confirm_totp(UserId id, TotpId authenticator, std::string_view code);
    void confirm_totp(UserId id,
                      TotpId authenticator,
                      std::string code,
                      OutcomeHandler<LogSeq> handler);
    Result<LogSeq> remove_totp(UserId id, TotpId authenticator);
    void remove_totp(UserId id, TotpId authenticator, OutcomeHandler<LogSeq> handler);
    /// Ten new codes of 80 random bits, each good once; older ones are void. Show them once.
    Result<std::vector<Secret>> make_recovery_codes(UserId id);
    void make_recovery_codes(UserId id, OutcomeHandler<std::vector<Secret>> handler);

  private:
    friend class Store;
    explicit Users(Hall& hall) : hall_(&hall) {}
    Hall* hall_;
};

}  // namespace countersign
