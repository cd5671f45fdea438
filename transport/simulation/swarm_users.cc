#include <algorithm>
#include <chrono>
#include <utility>

#include "simulation/authenticator_app.h"
#include "simulation/swarm_run.h"

namespace countersign::simulation {
namespace {

constexpr std::size_t most_users = 120;

}  // namespace

std::string SwarmRun::fresh_password() {
    return canary_ + " password " + std::to_string(++passwords_);
}

/// One thing that a user or an operator does.
void SwarmRun::use() {
    const auto kind = draw_.below(100);
    KnownUser* const user = some_user();
    if (kind < 55) {
        if (Known* at = some_running_site()) sign_in_somehow(*at);
        return;
    }
    if (kind < 58) {
        if (Known* at = some_running_site()) sign_in_unknown(*at);
        return;
    }
    if (kind < 61) return write_at_replica();
    if (kind < 64) return clear_lockout();
    if (kind < 65) return spread_guesses();
    if (!primary().site->is_running()) return;
    const Way way = draw_.coin() ? Way::begins : Way::waits;
    if (kind < 74 || !user) return create_user(way);
    if (user->is_unsure() || user->newest().erased) return;
    if (kind < 86) return set_password(*user, way);
    if (kind < 91) return toggle_disabled(*user, way);
    if (kind < 97) return enrol(*user, way);
    erase(*user, way);
}

// Writes at the primary.

void SwarmRun::create_user(Way way) {
    if (users_.size() >= most_users || !primary().site->is_running()) return;
    if (KnownUser* const other = some_user(); other && draw_.chance(0.1)) take_login(*other, way);
    if (!primary().site->is_running()) return;
    users_.push_back(std::make_unique<KnownUser>());
    KnownUser& user = *users_.back();
    user.login = canary_ + "-" + std::to_string(users_.size() - 1);
    UserChange change;
    change.password = fresh_password();
    NewUser given;
    given.login = user.login;
    given.password = Secret(*change.password);
    given.display_name = canary_ + " display";
    const auto created = [this, &user](const Result<UserId>& id) -> Result<LogSeq> {
        if (!id) return id.error();
        user.id = *id;
        return seq_of(user);
    };
    write(
        user,
        std::move(change),
        way,
        [&](Users users) { return created(users.create(std::move(given))); },
        [&](Users users, OutcomeHandler<LogSeq> done) {
            users.create(std::move(given),
                         [created, done = std::move(done)](Result<UserId> id) mutable {
                             done(created(id));
                         });
        });
}

/// The batch that wrote a user's record last.
Result<LogSeq> SwarmRun::seq_of(const KnownUser& user) {
    Site& site = *primary().site;
    if (!site.is_running()) return errc::cancelled;
    auto got = site.store().users().get(user.id);
    if (!got) return errc::outcome_unknown;
    return got->seq;
}

/// Somebody asks for a login that somebody has.
void SwarmRun::take_login(const KnownUser& user, Way way) {
    if (user.is_unsure() || user.states.empty() || user.newest().erased) return;
    NewUser made;
    made.login = user.login;
    made.password = Secret(fresh_password());
    const auto refused = [this, &user](const Result<UserId>& done) {
        // An erasure that did not wait for other writes may have been done first.
        const bool is_free = user.is_unsure() || user.newest().erased;
        check("answers", !done || is_free, [&] {
            return "the login " + user.login + " was given out twice";
        });
    };
    Site& site = *primary().site;
    if (way == Way::waits) {
        refused(site.store().users().create(std::move(made)));
        return inside(primary()).notice_power();
    }
    site.write<UserId>(
        [&](Users users, OutcomeHandler<UserId> done) {
            users.create(std::move(made), std::move(done));
        },
        refused);
}

void SwarmRun::set_password(KnownUser& user, Way way) {
    UserChange change;
    change.password = fresh_password();
    const std::string password = *change.password;
    write(
        user,
        std::move(change),
        way,
        [&](Users users) { return users.set_password(user.id, Secret(password)); },
        [&](Users users, OutcomeHandler<LogSeq> done) {
            users.set_password(user.id, Secret(password), std::move(done));
        });
}

void SwarmRun::toggle_disabled(KnownUser& user, Way way) {
    UserChange change;
    change.disabled = !user.newest().disabled;
    UserChanges changes;
    changes.disabled = change.disabled;
    write(
        user,
        std::move(change),
        way,
        [&](Users users) { return users.change(user.id, changes); },
        [&](Users users, OutcomeHandler<LogSeq> done) {
            users.change(user.id, changes, std::move(done));
        });
}

/// An authenticator more: enrolled and confirmed with its first code.
void SwarmRun::enrol(KnownUser& user, Way way) {
    if (!user.newest().totp_uri.empty()) return;
    TotpOptions options;
    options.hash = TotpHash::sha256;
    std::optional<TotpEnrolment> enrolled;
    write(
        user,
        {},
        way,
        [&](Users users) -> Result<LogSeq> {
            auto made = users.enrol_totp(user.id, options);
            if (!made) return made.error();
            enrolled.emplace(std::move(*made));
            return seq_of(user);
        },
        [&](Users users, OutcomeHandler<LogSeq> done) {
            users.enrol_totp(
                user.id,
                options,
                [this, &user, done = std::move(done)](Result<TotpEnrolment> made) mutable {
                    done(made ? seq_of(user) : Result<LogSeq>(made.error()));
                    if (made) confirm(user, *made, Way::begins);
                });
        });
    if (enrolled) confirm(user, *enrolled, way);
}

void SwarmRun::confirm(KnownUser& user, const TotpEnrolment& enrolment, Way way) {
    if (user.is_unsure() || !primary().site->is_running()) return;
    UserChange change;
    change.totp_uri = std::string(enrolment.uri.text());
    const auto step = totp_step(primary().site->now().wall);
    const std::string code = totp_code(*change.totp_uri, step);
    auto& last = primary().last_steps[user.login];
    last = std::max(last, step);
    write(
        user,
        std::move(change),
        way,
        [&](Users users) { return users.confirm_totp(user.id, enrolment.id, code); },
        [&](Users users, OutcomeHandler<LogSeq> done) {
            users.confirm_totp(user.id, enrolment.id, code, std::move(done));
        });
}

void SwarmRun::erase(KnownUser& user, Way way) {
    UserChange change;
    change.erases = true;
    write(
        user,
        std::move(change),
        way,
        [&](Users users) { return users.erase(user.id); },
        [&](Users users, OutcomeHandler<LogSeq> done) { users.erase(user.id, std::move(done)); });
}

void SwarmRun::clear_lockout() {
    KnownUser* const user = some_user();
    if (!user || user->is_unsure() || user->newest().erased) return;
    Known& at = primary();
    if (!at.site->is_running()) return;
    const auto cleared = at.site->store().lockout().clear(user->id);
    inside(at).notice_power();
    clear_elsewhere(at, user->login);
    for (auto& [key, guesses] : at.guesses) {
        if (key.first != user->login) continue;
        if (!cleared) {  // it may have happened
            guesses.lose(true);
            continue;
        }
        guesses.refused = 0;
        guesses.seen = 0;
        ++guesses.renewals;
    }
}

void SwarmRun::write_at_replica() {
    Known* const at = some_replica(true);
    KnownUser* const user = some_user();
    if (!at || !user || user->states.empty()) return;
    const auto done = at->site->store().users().set_password(user->id, Secret(fresh_password()));
    inside(*at).notice_power();
    check("answers", !done, [&] { return at->site->name() + " wrote, and is not the primary"; });
}

// Sign-ins.

void SwarmRun::sign_in_unknown(Known& at) {
    const std::string login = canary_ + "-nobody-" + std::to_string(draw_.below(20));
    at.site->sign_in(
        {.login = login,
         .password = Secret(fresh_password()),
         .code = {},
         .challenge = {},
         .source = "unknown",
         .patience = {}},
        [this, name = at.site->name()](Result<SignInResult> result) {
            const bool fits = !result || result->verdict == Verdict::refused ||
                              result->verdict == Verdict::locked;
            check("answers", fits, [&] {
                return name + " says of an unknown name: " + countersign::name(result->verdict);
            });
        });
}

void SwarmRun::sign_in_somehow(Known& at) {
    KnownUser* const user = some_user();
    if (!user || user->states.empty()) return;
    const UserState& state = user->newest();
    const auto kind = draw_.below(100);
    if (kind < 20) return sign_in(at, *user, fresh_password(), std::nullopt);
    if (kind < 30 && user->states.size() > 1) {
        return sign_in(at, *user, draw_.pick(user->states).password, std::nullopt);
    }
    std::optional<std::uint64_t> step;
    if (!state.totp_uri.empty() && draw_.chance(0.9)) {
        step = totp_step(simulation_.now().wall) - draw_.below(2);
        // Somebody who has watched the user tries the same code again.
        const auto last = at.last_steps.find(user->login);
        if (last != at.last_steps.end() && draw_.chance(0.3)) step = last->second;
    }
    sign_in(at, *user, state.password, step);
}

void SwarmRun::sign_in(Known& at,
                       KnownUser& user,
                       std::string password,
                       std::optional<std::uint64_t> step) {
    const auto head = inside(at).store->links().store()->head().seq;
    const auto index = static_cast<std::size_t>(&at - known_.data());
    Attempt attempt{.login = user.login,
                    .password = password,
                    .step = step,
                    .totp_uri = user.newest().totp_uri,
                    .began = time(),
                    .head = head};
    const UserState* const state = user.at(head);
    if (state && !state->erased) {
        attempt.key = {user.login, state->password};
        Guesses& guesses = at.guesses[*attempt.key];
        attempt.in_flight = guesses.in_flight;
        attempt.renewals = guesses.renewals;
        attempt.refused = guesses.refused;
        attempt.last_refused = guesses.last_refused;
        note_known_elsewhere(at, attempt);
        ++guesses.in_flight;
    }
    std::string code;
    if (step && !attempt.totp_uri.empty()) code = totp_code(attempt.totp_uri, *step);
    at.site->sign_in({.login = user.login,
                      .password = Secret(password),
                      .code = std::move(code),
                      .challenge = {},
                      .source = "device-" + std::to_string(++sources_),
                      .patience = {}},
                     [this, index, attempt = std::move(attempt)](Result<SignInResult> result) {
                         judge(index, attempt, result);
                     });
    inside(at).notice_power();
}

}  // namespace countersign::simulation
