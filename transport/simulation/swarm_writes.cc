#include <algorithm>
#include <utility>

#include "simulation/swarm_run.h"

namespace countersign::simulation {
namespace {

/// What may end a process while a commit is under way.
constexpr Fault interruptions[] = {Fault::power_cut_drops,
                                   Fault::power_cut_scatters,
                                   Fault::power_cut_tears,
                                   Fault::power_cut_in_call,
                                   Fault::process_killed,
                                   Fault::process_restarted,
                                   Fault::disk_full,
                                   Fault::io_fails_once,
                                   Fault::sync_fails_once};

bool is_unknown(const Error& error) {
    return error == errc::cancelled || error == errc::outcome_unknown;
}

bool fits(const UserState& state, const User& user) {
    return !state.erased && state.disabled == user.disabled &&
           state.totp_uri.empty() != user.has_totp;
}

}  // namespace

/// Tries a write, and notes what comes of it.
void SwarmRun::write(
    KnownUser& user, UserChange change, Way way, const Call& call, const Begin& begin) {
    Site& site = *primary().site;
    const std::uint64_t number = change.number = ++changes_;
    user.open.push_back(std::move(change));
    if (way == Way::waits) {
        auto done = call(site.store().users());
        inside(primary()).notice_power();
        if (!done && !site.is_running()) done = errc::cancelled;
        return tell(user, number, done);
    }
    site.write<LogSeq>(begin,
                       [this, &user, number](Result<LogSeq> done) { tell(user, number, done); });
}

void SwarmRun::tell(KnownUser& user, std::uint64_t number, const Result<LogSeq>& outcome) {
    const auto told = std::ranges::find(user.open, number, &UserChange::number);
    if (!outcome) note_overload(outcome.error());
    if (!outcome && is_unknown(outcome.error())) {
        told->is_under_way = false;
        told->told = outcome.error().code();
        return;
    }
    // Of two writes of one user the elder is done first.
    if (outcome && told != user.open.begin()) user.is_lost = true;
    const UserChange change = std::move(*told);
    user.open.erase(told);
    if (outcome) {
        const UserState before = user.states.empty() ? UserState{} : user.newest();
        user.states.push_back(change.after(before, *outcome));
        if (change.erases) erased_.emplace_back(user.id, *outcome);
        return check_told(user, *outcome);
    }
    check("answers", may_fail(outcome.error().code()), [&] {
        return "a write at the primary failed without a reason: " + outcome.error().message();
    });
    if (user.states.empty()) user.states.push_back({.seq = {}, .password = {}, .erased = true});
}

/// That what was answered is there, and in the batch that was named.
void SwarmRun::check_told(const KnownUser& user, LogSeq seq) {
    Site& site = *primary().site;
    if (!site.is_running() || user.is_lost) return;
    const auto found = site.store().users().get(user.id);
    if (!found && found.error() != errc::not_found) return;
    const bool is_there =
        found && found->seq >= seq && (!user.open.empty() || fits(user.newest(), *found));
    check("answers", user.newest().erased ? !found : is_there, [&] {
        return "a write of " + user.login + " was answered with batch " +
               std::to_string(value(seq)) + ", and the record is " +
               (found ? "of batch " + std::to_string(value(found->seq)) : "not there");
    });
}

bool SwarmRun::await_writes(milliseconds at_most) {
    const auto all_told = [this] {
        return std::ranges::none_of(users_, [](const auto& user) { return user->is_under_way(); });
    };
    return simulation_.run_until(all_told, at_most);
}

void SwarmRun::note_overload(const Error& error) {
    if (error == errc::overloaded && plan_.has(Fault::queue_full)) fire(Fault::queue_full);
}

// What nobody knew.

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
        const bool is_due = !user->open.empty() && !user->is_lost && !user->is_under_way();
        if (!is_due || !site.is_running()) continue;
        // A primary that has gone back itself gets what it lacks from the others first.
        const auto head = inside(primary()).store->links().store()->head().seq;
        if (!branch_.empty() && head < branch_.rbegin()->first) return;
        const auto found = site.store().users().find(user->login);
        inside(primary()).notice_power();
        if (!site.is_running()) return;
        if (found || found.error() == errc::not_found) settle(*user, found);
    }
}

void SwarmRun::settle(KnownUser& user, const Result<User>& found) {
    const auto open = std::exchange(user.open, {});
    if (user.states.empty()) {
        if (found) user.id = found->id;
        user.states.push_back(found ? open.front().after({}, found->seq)
                                    : UserState{.seq = {}, .password = {}, .erased = true});
        return;
    }
    UserState state = user.newest();
    if (!found) {
        check("durable", open.front().erases, [&] {
            return "user " + user.login + " was there, and is not after a write that failed";
        });
        state.erased = true;
        state.seq = inside(primary()).store->links().store()->head().seq;
        erased_.emplace_back(user.id, state.seq);
        user.states.push_back(std::move(state));
        return;
    }
    check("durable", found->seq >= state.seq, [&] {
        return "user " + user.login + " is of batch " + std::to_string(value(found->seq)) +
               ", and batch " + std::to_string(value(state.seq)) + " was acknowledged";
    });
    if (found->seq <= state.seq) return;
    // Each in a commit of its own, of which one failed and the other was never told of.
    if (std::ranges::adjacent_find(open, std::not_equal_to{}, &UserChange::told) != open.end()) {
        user.is_lost = true;
        return;
    }
    // They are done in the order in which they were asked for: all, or the first of them.
    std::optional<UserState> happened;
    for (const auto& change : open) {
        state = change.after(std::move(state), found->seq);
        if (fits(state, *found)) happened = state;
    }
    check("durable", happened.has_value(), [&] {
        return "a write of user " + user.login + " happened, and not as it was asked for";
    });
    if (happened) user.states.push_back(std::move(*happened));
}

// Many at once.

/// Writes and sign-ins that share commits, two of one user among them, and somebody who asks for a
/// login that is taken.
void SwarmRun::burst() {
    if (!primary().site->is_running()) return;
    fire(Fault::write_burst);
    const auto count = draw_.between(3, 60);
    for (std::int64_t i = 0; i < count && primary().site->is_running(); ++i) {
        const auto kind = draw_.below(100);
        KnownUser* const user = some_user();
        if (kind < 25) {
            sign_in_somehow(primary());
        } else if (kind < 40 || !user) {
            create_user(Way::begins);
        } else if (user->is_unsure() || user->newest().erased) {
            continue;
        } else if (kind < 65) {
            set_password(*user, Way::begins);
            if (draw_.coin()) toggle_disabled(*user, Way::begins);
        } else if (kind < 75) {
            toggle_disabled(*user, Way::begins);
        } else if (kind < 85) {
            take_login(*user, Way::begins);
        } else if (kind < 96) {
            enrol(*user, Way::begins);
        } else {
            erase(*user, Way::begins);
        }
    }
    if (draw_.coin()) interrupt();
}

void SwarmRun::interrupt() {
    std::vector<Fault> possible;
    for (const Fault fault : interruptions) {
        if (plan_.has(fault)) possible.push_back(fault);
    }
    if (possible.empty()) return;
    const Fault fault = draw_.pick(possible);
    const auto most = 3 * inside(primary()).task_time.count();
    after(milliseconds{draw_.between(0, most)}, [this, fault] {
        if (primary().site->is_running()) fail_site(fault, primary());
    });
}

}  // namespace countersign::simulation
