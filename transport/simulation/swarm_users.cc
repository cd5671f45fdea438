#include <algorithm>
#include <chrono>
#include <utility>

#include "simulation/authenticator_app.h"
#include "simulation/swarm_run.h"

namespace countersign::simulation {
namespace {

constexpr std::size_t most_users = 80;

}  // namespace

std::string SwarmRun::fresh_password() {
    return canary_ + " password " + std::to_string(++passwords_);
}

/// One thing that a user or an operator does.
void SwarmRun::use() {
    const auto kind = draw_.below(100);
    KnownUser* const user = some_user();
    if (kind < 55) return sign_in_somehow();
    if (kind < 58) {
        if (Known* at = some_running_site()) sign_in_unknown(*at);
        return;
    }
    if (kind < 61) return write_at_replica();
    if (kind < 64) return clear_lockout();
    if (!primary().site->is_running()) return;
    if (kind < 74 || !user) return create_user();
    if (user->unsure || user->newest().erased) return;
    if (kind < 86) return set_password(*user);
    if (kind < 91) return toggle_disabled(*user);
    if (kind < 97) return enrol(*user);
    erase(*user);
}

// Writes at the primary.

void SwarmRun::create_user() {
    if (users_.size() >= most_users || !primary().site->is_running()) return;
    if (KnownUser* const other = some_user(); other && draw_.chance(0.1)) take_login(*other);
    if (!primary().site->is_running()) return;
    auto user = std::make_unique<KnownUser>();
    user->login = canary_ + "-" + std::to_string(users_.size());
    UserState state{.seq = {}, .password = fresh_password()};
    write(*user, state, [&](Store& store) -> Result<LogSeq> {
        NewUser made;
        made.login = user->login;
        made.password = Secret(state.password);
        made.display_name = canary_ + " display";
        auto id = store.users().create(std::move(made));
        if (!id) return id.error();
        user->id = *id;
        auto got = store.users().get(*id);
        if (!got) return errc::outcome_unknown;
        return got->seq;
    });
    if (user->unsure || !user->states.empty()) users_.push_back(std::move(user));
}

/// Somebody asks for a login that somebody has.
void SwarmRun::take_login(const KnownUser& user) {
    if (user.unsure || user.states.empty() || user.newest().erased) return;
    NewUser made;
    made.login = user.login;
    made.password = Secret(fresh_password());
    const auto done = primary().site->store().users().create(std::move(made));
    inside(primary()).notice_power();
    check("answers", !done, [&] { return "the login " + user.login + " was given out twice"; });
}

/// Tries a write, and notes what came of it.
void SwarmRun::write(KnownUser& user,
                     UserState next,
                     const std::function<Result<LogSeq>(Store&)>& call) {
    Site& site = *primary().site;
    const auto done = call(site.store());
    inside(primary()).notice_power();
    if (done) {
        next.seq = *done;
        user.states.push_back(std::move(next));
    } else if (!site.is_running() || done.error() == errc::outcome_unknown) {
        user.unsure = std::move(next);
    } else {
        check("answers", may_fail(done.error().code()), [&] {
            return "a write at the primary failed without a reason: " + done.error().message();
        });
    }
}

/// Asks the primary about removals whose outcome nobody knew.
void SwarmRun::settle_leaving() {
    Site& site = *primary().site;
    for (auto& known : known_) {
        if (!known.leaving || !site.is_running()) continue;
        const auto nodes = site.store().nodes().list();
        inside(primary()).notice_power();
        if (!nodes) continue;
        known.is_member = std::ranges::any_of(
            *nodes, [&](const NodeInfo& node) { return node.id == *known.leaving; });
        known.leaving.reset();
    }
}

/// Asks the primary about writes whose outcome nobody knew.
void SwarmRun::settle_unsure() {
    settle_leaving();
    Site& site = *primary().site;
    for (auto& user : users_) {
        if (!user->unsure || !site.is_running()) continue;
        auto found = site.store().users().find(user->login);
        inside(primary()).notice_power();
        if (!site.is_running()) return;
        const bool is_gone = !found && found.error() == errc::not_found;
        if (!found && !is_gone) continue;
        if (user->states.empty() && is_gone) {
            user->unsure.reset();
            user->states.push_back({.seq = {}, .password = {}, .erased = true});
        } else if (is_gone ? user->unsure->erased
                           : user->states.empty() || found->seq > user->newest().seq) {
            UserState state = *std::exchange(user->unsure, std::nullopt);
            const auto status = site.store().status();
            state.seq = found ? found->seq : status ? status->seq : LogSeq{};
            if (found) user->id = found->id;
            user->states.push_back(std::move(state));
        } else {
            check("durable", !is_gone || user->newest().erased, [&] {
                return "user " + user->login + " was there, and is not after a write that failed";
            });
            user->unsure.reset();
        }
    }
}

void SwarmRun::set_password(KnownUser& user) {
    UserState next = user.newest();
    next.password = fresh_password();
    write(user, next, [&](Store& store) {
        return store.users().set_password(user.id, Secret(next.password));
    });
}

void SwarmRun::toggle_disabled(KnownUser& user) {
    UserState next = user.newest();
    next.disabled = !next.disabled;
    write(user, next, [&](Store& store) {
        UserChanges changes;
        changes.disabled = next.disabled;
        return store.users().change(user.id, std::move(changes));
    });
}

/// An authenticator more: enrolled and confirmed with its first code.
void SwarmRun::enrol(KnownUser& user) {
    if (!user.newest().totp_uri.empty()) return;
    TotpOptions options;
    options.hash = TotpHash::sha256;
    Site& site = *primary().site;
    std::optional<TotpEnrolment> enrolled;
    write(user, user.newest(), [&](Store& store) -> Result<LogSeq> {
        auto made = store.users().enrol_totp(user.id, options);
        if (!made) return made.error();
        enrolled.emplace(std::move(*made));
        auto got = store.users().get(user.id);
        if (!got) return errc::outcome_unknown;
        return got->seq;
    });
    if (!enrolled || user.unsure || !site.is_running()) return;
    UserState next = user.newest();
    next.totp_uri = std::string(enrolled->uri.text());
    const auto step = totp_step(site.now().wall);
    auto& last = primary().last_steps[user.login];
    write(user, next, [&](Store& store) {
        return store.users().confirm_totp(user.id, enrolled->id, totp_code(next.totp_uri, step));
    });
    last = std::max(last, step);
}

void SwarmRun::erase(KnownUser& user) {
    UserState next = user.newest();
    next.erased = true;
    write(user, next, [&](Store& store) { return store.users().erase(user.id); });
    if (user.newest().erased) erased_.push_back(user.id);
}

void SwarmRun::clear_lockout() {
    KnownUser* const user = some_user();
    if (!user || user->unsure || user->newest().erased) return;
    Known& at = primary();
    if (!at.site->is_running()) return;
    const auto cleared = at.site->store().lockout().clear(user->id);
    inside(at).notice_power();
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

void SwarmRun::sign_in_somehow() {
    Known* const at = some_running_site();
    KnownUser* const user = some_user();
    if (!at || !user || user->states.empty()) return;
    const UserState& state = user->newest();
    const auto kind = draw_.below(100);
    if (kind < 20) return sign_in(*at, *user, fresh_password(), std::nullopt);
    if (kind < 30 && user->states.size() > 1) {
        return sign_in(*at, *user, draw_.pick(user->states).password, std::nullopt);
    }
    std::optional<std::uint64_t> step;
    if (!state.totp_uri.empty() && draw_.chance(0.9)) {
        step = totp_step(simulation_.now().wall) - draw_.below(2);
        // Somebody who has watched the user tries the same code again.
        const auto last = at->last_steps.find(user->login);
        if (last != at->last_steps.end() && draw_.chance(0.3)) step = last->second;
    }
    sign_in(*at, *user, state.password, step);
}

void SwarmRun::sign_in(Known& at,
                       KnownUser& user,
                       std::string password,
                       std::optional<std::uint64_t> step) {
    const auto head = inside(at).store->links().store()->head().seq;
    const auto index = static_cast<std::size_t>(&at - known_.data());
    Attempt attempt{
        .login = user.login, .password = password, .step = step, .began = time(), .head = head};
    const UserState* const state = user.at(head);
    if (state && !state->erased) {
        attempt.key = {user.login, state->password};
        Guesses& guesses = at.guesses[*attempt.key];
        attempt.in_flight = guesses.in_flight;
        attempt.renewals = guesses.renewals;
        attempt.refused = guesses.refused;
        attempt.last_refused = guesses.last_refused;
        ++guesses.in_flight;
    }
    std::string code;
    if (step && !user.newest().totp_uri.empty()) code = totp_code(user.newest().totp_uri, *step);
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
