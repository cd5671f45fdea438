#pragma once

#include <expected>
#include <string>
#include <system_error>

namespace countersign {

/// Everything that a call of this library can fail with. A wrong password is not among them: that
/// is a Verdict (authentication.h). The values are stable and may be stored.
enum class errc {
    // What the caller gave.
    invalid_argument = 100,  ///< an argument is outside its documented range
    invalid_login,           ///< not an RFC 8265 UsernameCaseMapped string, or too long
    invalid_password,        ///< not an RFC 8265 OpaqueString, or outside the policy's lengths
    password_blocked,        ///< on the list of passwords that attackers try first
    invalid_email,           ///< not an address that mail could be sent to
    invalid_hash,            ///< not a strict argon2id PHC string, or above the caps
    invalid_totp,            ///< an otpauth URI or TOTP setting that cannot be used
    invalid_invitation,      ///< not an invitation, or one cut short or mistyped
    invalid_cursor,          ///< not a cursor that this list gave out

    // What the store holds.
    not_found = 200,     ///< no such user, node, authenticator or batch
    already_exists,      ///< a unique value is taken
    already_confirmed,   ///< the authenticator is active already
    wrong_code,          ///< the code that should confirm an authenticator does not match
    conflict,            ///< the record changed meanwhile; read it again and decide again
    limit_reached,       ///< a documented limit would be passed
    not_primary,         ///< this node does not write; the detail names the one that does
    not_permitted,       ///< the membership lacks the capability
    invitation_expired,  ///< ask for a new invitation
    invitation_spent,    ///< used by another machine; ask for a new one

    // What the moment allows.
    overloaded = 300,     ///< a queue is full; nothing was counted
    timed_out,            ///< the deadline passed; nothing was decided
    cancelled,            ///< the caller, or the closing store, gave up
    primary_unreachable,  ///< the write or claim needs the primary
    already_served,       ///< another process keeps this directory's links
    busy,                 ///< another process holds the directory's lock for too long
    clock_behind,         ///< the wall clock is below the time floor
    needs_confirmation,   ///< this copied or restored primary must be confirmed before it signs

    // Keys.
    key_unavailable = 400,  ///< the key provider cannot answer now
    wrong_key,              ///< the key does not open what it should
    insecure_key_file,      ///< group or others can read the key file
    not_held,               ///< this node holds no key of that realm

    // The directory and its disk.
    not_a_store = 500,  ///< no store in this directory
    store_exists,       ///< the directory already holds one
    newer_format,       ///< written by a newer release
    wrong_pool,         ///< it belongs to another pool
    disk_full,          ///< nothing was lost; make room and try again
    read_only,          ///< the directory or file cannot be written
    io_error,           ///< the disk or file system failed
    corrupt,            ///< stored bytes are damaged
    outcome_unknown,    ///< a sync failed: whether the write is durable cannot be known
    out_of_memory,      ///< SQLite or libsodium could not allocate

    // What another node sent.
    malformed = 600,      ///< bytes that do not follow the format
    too_large,            ///< above a documented limit
    bad_signature,        ///< not signed by whom it should be
    chain_gap,            ///< does not follow what this node holds
    fork,                 ///< contradicts a signed batch that this node holds
    digest_mismatch,      ///< the records do not add up to the signed digest
    wrong_epoch,          ///< written under a designation that does not hold there
    not_a_member,         ///< the node is not, or no longer, of this pool
    unsupported_version,  ///< needs a newer release of this library

    // Links.
    handshake_failed = 700,  ///< the other side is not who it should be, or refused
    link_closed,             ///< the other side went away, or said goodbye
    address_in_use,          ///< another program listens there
    name_not_resolved,       ///< the host name has no address
    unreachable,             ///< no connection could be made
    link_replaced,           ///< a newer link of the same two nodes took its place
    clone_suspected,         ///< two directories speak as one node; the copied one must be found
};

/// What a caller can do about an error: compare an error code with one of these.
/// `if (error.code() == Remedy::retry) ...`
enum class Remedy {
    retry = 1,  ///< the same call can succeed later, unchanged
    reconnect,  ///< the link must be made anew
    report,     ///< the input or the request must change; tell whoever made it
    stop,       ///< the store or its disk needs an operator
};

const std::error_category& error_category() noexcept;
const std::error_category& remedy_category() noexcept;
std::error_code make_error_code(errc code) noexcept;
std::error_condition make_error_condition(Remedy remedy) noexcept;

/// The stable name of a code, for logs and JSON: `name(errc::not_primary)` is "not_primary".
const char* name(errc code) noexcept;

}  // namespace countersign

template <>
struct std::is_error_code_enum<countersign::errc> : std::true_type {};
template <>
struct std::is_error_condition_enum<countersign::Remedy> : std::true_type {};

namespace countersign {

/// A failure: its code, and a sentence for people that says what happened and what to do.
/// The sentence never holds a secret, and never tells which part of a credential was wrong.
class [[nodiscard]] Error {
  public:
    Error(errc code, std::string detail = {});

    errc code() const noexcept { return code_; }
    const std::string& detail() const noexcept { return detail_; }
    /// The code's own sentence, and the detail after a colon where there is one.
    std::string message() const;

    operator std::error_code() const noexcept { return make_error_code(code_); }
    friend bool operator==(const Error& error, errc code) noexcept { return error.code_ == code; }
    friend bool operator==(const Error& error, Remedy remedy) noexcept {
        return make_error_code(error.code_) == make_error_condition(remedy);
    }

  private:
    errc code_;
    std::string detail_;
};

/// A value, or why there is none.
template <class T>
class [[nodiscard]] Result : public std::expected<T, Error> {
  public:
    using std::expected<T, Error>::expected;
    Result(errc code) : std::expected<T, Error>(std::unexpect, code) {}
    Result(Error error) : std::expected<T, Error>(std::unexpect, std::move(error)) {}
};

}  // namespace countersign
