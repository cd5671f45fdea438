#include <algorithm>
#include <map>
#include <vector>

#include "attempts/members_word.h"
#include "hall.h"
#include "pool_settings.h"

namespace countersign {
namespace {

/// The credentials that a user's attempts count against: the password, and the codes if there are
/// any.
struct Credentials {
    std::optional<attempts::CredentialId> password;
    std::optional<attempts::CredentialId> codes;
};

Credentials credentials_of(const accounts::Subject& subject) {
    Credentials credentials;
    const auto version = std::max(subject.user.password_version, PasswordVersion{1});
    credentials.password = attempts::CredentialId::password(subject.id, version);
    credentials.codes = accounts::code_credential(subject);
    return credentials;
}

}  // namespace

Result<LockoutStatus::Factor> Hall::show_factor(const PoolView& pool,
                                                const attempts::CredentialId& credential) {
    const auto standing = read_standing(pool, credential);
    if (!standing) return standing.error();
    auto readers = reader();
    if (!readers) return readers.error();
    const auto rows = sightings_->read((*readers)->attempts, credential, now().monotonic);
    if (!rows) return rows.error();
    const attempts::MembersWord word(
        pool.members, [&](const UserId& user) { return realm_of((*readers)->records, user); });

    LockoutStatus::Factor factor;
    factor.failures = standing->effective;
    factor.share = standing->share;
    factor.share_used = standing->own_remaining;
    const Instant time = now().monotonic;
    if (attempts::budget_refuses(standing->own_remaining, standing->share)) {
        factor.locked = true;
    } else if (standing->locked_until && *standing->locked_until > time) {
        factor.locked = true;
        factor.retry_after = std::chrono::ceil<milliseconds>(*standing->locked_until - time);
    }
    // Of nodes that were removed too: what they saw still counts.
    std::map<NodeId, std::uint64_t> nodes;
    for (const auto& [row, failed_at] : rows->entries()) {
        if (!word.failures_count(row)) continue;
        nodes[row.node] += attempts::remaining(row, *rows, word);
    }
    for (const auto& [node, failures] : nodes) {
        if (failures != 0) factor.nodes.push_back({node, failures});
    }
    return factor;
}

Result<LockoutStatus> Hall::show_lockout(UserId user) {
    auto pool = view();
    const auto subject = find_subject(pool, user);
    if (!subject) return subject.error();
    if (!subject->held) return Error(errc::not_held, "the user's realm");
    if (!subject->known) return Error(errc::not_found, "no user " + to_string(user));
    const auto credentials = credentials_of(*subject);
    LockoutStatus status;
    auto password = show_factor(*pool, *credentials.password);
    if (!password) return password.error();
    status.password = std::move(*password);
    if (credentials.codes) {
        auto codes = show_factor(*pool, *credentials.codes);
        if (!codes) return codes.error();
        status.codes = std::move(*codes);
    }
    return status;
}

/// What an unlock clears. Where the user's record cannot be opened, all that anyone has counted of
/// the user; it is as good, and what a record does not name any more counts nowhere.
Result<std::vector<attempts::CredentialId>> Hall::credentials_to_clear(
    const accounts::Subject& subject) {
    std::vector<attempts::CredentialId> all;
    if (subject.held) {
        const auto named = credentials_of(subject);
        for (const auto& each : {named.password, named.codes}) {
            if (each) all.push_back(*each);
        }
        return all;
    }
    auto readers = reader();
    if (!readers) return readers.error();
    return (*readers)->attempts.credentials_of(subject.id);
}

Result<void> Hall::clear_lockout(UserId user) {
    auto pool = view();
    const auto subject = find_subject(pool, user);
    if (!subject) return subject.error();
    if (subject->held && !subject->known)
        return Error(errc::not_found, "no user " + to_string(user));
    const auto* self = membership::find(pool->members, identity_->node);
    if (!self || !includes(self->capabilities, Capability::administer)) {
        return Error(errc::not_permitted, "this node's membership lacks 'administer'");
    }
    const auto credentials = credentials_to_clear(*subject);
    if (!credentials) return credentials.error();
    const auto outcome =
        queue_.commit({.rows = [&](attempts::Journal& journal) -> Result<void> {
                           for (const auto& credential : *credentials) {
                               if (auto cleared = journal.operator_clear(credential); !cleared) {
                                   return cleared.error();
                               }
                           }
                           return {};
                       },
                       .execute = {}});
    if (!outcome) return outcome.error();
    const Instant time = now().monotonic;
    for (const auto& credential : *credentials) {
        gate_->standing_changed(credential, [&] { return read_standing(*pool, credential); }, time);
    }
    return {};
}

}  // namespace countersign
