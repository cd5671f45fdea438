#include "countersign/error.h"

#include <utility>

namespace countersign {
namespace {

struct Entry {
    errc code;
    const char* name;
    const char* sentence;
    Remedy remedy;
};

using enum Remedy;

constexpr Entry entries[] = {
    {errc::invalid_argument, "invalid_argument", "an argument is out of range", report},
    {errc::invalid_login, "invalid_login", "the login name cannot be used", report},
    {errc::invalid_password, "invalid_password", "the password cannot be used", report},
    {errc::password_blocked,
     "password_blocked",
     "the password is among those tried first by attackers",
     report},
    {errc::invalid_email, "invalid_email", "the e-mail address cannot be used", report},
    {errc::invalid_hash, "invalid_hash", "the password hash cannot be used", report},
    {errc::invalid_totp, "invalid_totp", "the authenticator's settings cannot be used", report},
    {errc::invalid_invitation, "invalid_invitation", "this is not a whole invitation", report},
    {errc::invalid_cursor,
     "invalid_cursor",
     "the cursor is not one that this list gave out",
     report},
    {errc::not_found, "not_found", "there is no such thing here", report},
    {errc::already_exists, "already_exists", "the value is taken", report},
    {errc::already_confirmed, "already_confirmed", "the authenticator is active already", report},
    {errc::wrong_code, "wrong_code", "the code does not match", report},
    {errc::conflict, "conflict", "the record changed meanwhile", retry},
    {errc::limit_reached, "limit_reached", "a limit is reached", report},
    {errc::not_primary, "not_primary", "this node does not write", report},
    {errc::not_permitted, "not_permitted", "the node may not do this", report},
    {errc::invitation_expired, "invitation_expired", "the invitation has expired", report},
    {errc::invitation_spent,
     "invitation_spent",
     "the invitation was used by another machine",
     report},
    {errc::overloaded, "overloaded", "too much is waiting already", retry},
    {errc::timed_out, "timed_out", "the deadline passed", retry},
    {errc::cancelled, "cancelled", "the call was cancelled", retry},
    {errc::primary_unreachable, "primary_unreachable", "the primary cannot be reached", retry},
    {errc::already_served, "already_served", "another process serves this directory", report},
    {errc::busy, "busy", "another process holds the directory's lock", retry},
    {errc::clock_behind,
     "clock_behind",
     "the wall clock is behind what this directory has seen",
     stop},
    {errc::needs_confirmation,
     "needs_confirmation",
     "this primary came from a copy and must be confirmed",
     stop},
    {errc::key_unavailable, "key_unavailable", "the key provider cannot be reached", retry},
    {errc::wrong_key, "wrong_key", "the key does not open this", report},
    {errc::insecure_key_file, "insecure_key_file", "others can read the key file", report},
    {errc::not_held, "not_held", "this node holds no key of the realm", report},
    {errc::not_a_store, "not_a_store", "there is no store here", report},
    {errc::store_exists, "store_exists", "there is a store here already", report},
    {errc::newer_format, "newer_format", "a newer release wrote this", report},
    {errc::wrong_pool, "wrong_pool", "this belongs to another pool", report},
    {errc::disk_full, "disk_full", "the disk is full", retry},
    {errc::read_only, "read_only", "this cannot be written", report},
    {errc::io_error, "io_error", "the disk failed", stop},
    {errc::corrupt, "corrupt", "stored bytes are damaged", stop},
    {errc::outcome_unknown, "outcome_unknown", "whether the write is durable is not known", stop},
    {errc::out_of_memory, "out_of_memory", "there is not enough memory", retry},
    {errc::malformed, "malformed", "the bytes do not follow the format", reconnect},
    {errc::too_large, "too_large", "this is above the limit", report},
    {errc::bad_signature, "bad_signature", "the signature is not that of its author", reconnect},
    {errc::chain_gap, "chain_gap", "this does not follow what is held here", reconnect},
    {errc::fork, "fork", "this contradicts what is held here", stop},
    {errc::digest_mismatch,
     "digest_mismatch",
     "the records do not add up to the signed digest",
     stop},
    {errc::wrong_epoch, "wrong_epoch", "the designation does not hold there", reconnect},
    {errc::not_a_member, "not_a_member", "the node is not of this pool", report},
    {errc::unsupported_version, "unsupported_version", "this needs a newer release", report},
    {errc::handshake_failed, "handshake_failed", "the other side could not be verified", reconnect},
    {errc::link_closed, "link_closed", "the other side closed the link", reconnect},
    {errc::address_in_use, "address_in_use", "another program listens on the address", report},
    {errc::name_not_resolved, "name_not_resolved", "the host name has no address", retry},
    {errc::unreachable, "unreachable", "no connection could be made", retry},
    {errc::link_replaced, "link_replaced", "a newer link took the place of this one", report},
    {errc::clone_suspected, "clone_suspected", "two directories speak as one node", stop},
};

const Entry* find(int value) noexcept {
    for (const Entry& entry : entries) {
        if (static_cast<int>(entry.code) == value) return &entry;
    }
    return nullptr;
}

class ErrorCategory final : public std::error_category {
  public:
    const char* name() const noexcept override { return "countersign"; }
    std::string message(int value) const override {
        const Entry* entry = find(value);
        return entry ? entry->sentence : "unknown error " + std::to_string(value);
    }
    std::error_condition default_error_condition(int value) const noexcept override {
        const Entry* entry = find(value);
        return entry ? make_error_condition(entry->remedy) : std::error_condition(value, *this);
    }
};

class RemedyCategory final : public std::error_category {
  public:
    const char* name() const noexcept override { return "countersign-remedy"; }
    std::string message(int value) const override {
        switch (static_cast<Remedy>(value)) {
            case retry:
                return "try again later";
            case reconnect:
                return "make the link anew";
            case report:
                return "change the request";
            case stop:
                return "call an operator";
        }
        return "unknown remedy " + std::to_string(value);
    }
};

}  // namespace

const std::error_category& error_category() noexcept {
    static const ErrorCategory category;
    return category;
}

const std::error_category& remedy_category() noexcept {
    static const RemedyCategory category;
    return category;
}

std::error_code make_error_code(errc code) noexcept {
    return {static_cast<int>(code), error_category()};
}

std::error_condition make_error_condition(Remedy remedy) noexcept {
    return {static_cast<int>(remedy), remedy_category()};
}

const char* name(errc code) noexcept {
    const Entry* entry = find(static_cast<int>(code));
    return entry ? entry->name : "unknown";
}

Error::Error(errc code, std::string detail) : code_(code), detail_(std::move(detail)) {}

std::string Error::message() const {
    std::string sentence = make_error_code(code_).message();
    return detail_.empty() ? sentence : sentence + ": " + detail_;
}

}  // namespace countersign
