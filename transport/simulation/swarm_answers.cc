#include <algorithm>
#include <chrono>
#include <utility>

#include "simulation/swarm_run.h"

namespace countersign::simulation {
namespace {

/// An answer is later than what it tells of by the tasks that lie between, slow ones even more.
constexpr milliseconds slack{500};
constexpr milliseconds slack_of_slow_disks{20'000};

constexpr errc always_possible[] = {
    errc::cancelled, errc::overloaded, errc::timed_out, errc::wrong_code, errc::limit_reached};
constexpr errc of_the_disk[] = {
    errc::io_error, errc::disk_full, errc::outcome_unknown, errc::busy, errc::read_only};

bool contains(std::span<const errc> codes, errc code) {
    return std::ranges::find(codes, code) != codes.end();
}

}  // namespace

bool SwarmRun::may_fail(errc code) const {
    if (contains(always_possible, code)) return true;
    const bool disk_fails = plan_.has(Fault::disk_full) || plan_.has(Fault::io_fails_once) ||
                            plan_.has(Fault::sync_fails_once) ||
                            plan_.has(Fault::power_cut_in_call);
    if (disk_fails && contains(of_the_disk, code)) return true;
    const bool restarts = std::ranges::any_of(plan_.acts, [](Fault fault) {
        return fault <= Fault::process_restarted || fault == Fault::primary_restored;
    });
    if (code == errc::needs_confirmation) return restarts || disk_fails;
    if (code == errc::clock_behind) return clocks_move();
    if (code == errc::corrupt) return plan_.has(Fault::record_rotted);
    // Without its log a directory can be back where it had not been let in yet.
    if (code == errc::not_a_member) return plan_.has(Fault::wal_lost);
    return code == errc::key_unavailable && plan_.has(Fault::key_provider_away);
}

void SwarmRun::judge(std::size_t site, const Attempt& attempt, const Result<SignInResult>& result) {
    Known& at = known_[site];
    Guesses* const guesses = attempt.key ? &at.guesses[*attempt.key] : nullptr;
    if (guesses && guesses->in_flight > 0) --guesses->in_flight;
    if (at.is_clone) clear_elsewhere(at, attempt.login);
    if (at.is_clone || ended()) return;
    const auto found = std::ranges::find(
        users_, attempt.login, [](const auto& user) { return std::string_view(user->login); });
    if (!result) {
        note_overload(result.error());
        if (guesses) guesses->lose(attempt.password == attempt.key->second);
        clear_elsewhere(at, attempt.login);
        const bool is_gone = result.error() == errc::not_found && found != users_.end() &&
                             ((*found)->is_unsure() || (*found)->newest().erased);
        check("answers", is_gone || may_fail(result.error().code()), [&] {
            return at.site->name() + " cannot decide an attempt: " + result.error().message();
        });
        return;
    }
    if (found == users_.end() || (*found)->is_unsure()) {
        if (guesses) guesses->lose(true);
        clear_elsewhere(at, attempt.login);
        return;
    }
    std::vector<const UserState*> states{(*found)->at(attempt.head)};
    for (const auto& state : (*found)->states) {
        if (state.seq > attempt.head && state.seq <= result->seq) states.push_back(&state);
    }
    judge(at, attempt, *result, states, guesses);
}

void SwarmRun::judge(Known& at,
                     const Attempt& attempt,
                     const SignInResult& result,
                     std::span<const UserState* const> states,
                     Guesses* guesses) {
    const auto right = [&](const UserState* state) {
        return state && !state->erased && state->password == attempt.password;
    };
    const bool may_be_right = std::ranges::any_of(states, right);
    const bool is_right = std::ranges::all_of(states, right);
    const auto fits = [&] {
        switch (result.verdict) {
            case Verdict::accepted:
                return std::ranges::any_of(states, [&](const UserState* state) {
                    return right(state) && !state->disabled &&
                           (state->totp_uri.empty() || attempt.step);
                });
            case Verdict::disabled:
                return std::ranges::any_of(states, [&](const UserState* state) {
                    return right(state) && state->disabled;
                });
            case Verdict::code_required:
                return std::ranges::any_of(states, [&](const UserState* state) {
                    return right(state) && !state->totp_uri.empty();
                });
            case Verdict::refused:
                return !std::ranges::all_of(states, [&](const UserState* state) {
                    return right(state) && !state->disabled && state->totp_uri.empty();
                });
            case Verdict::locked:
                return !guesses || attempt.step || !rows_can_be_judged() ||
                       attempt.in_flight + suspected(at, attempt.login) + 1 >=
                           simulation_.world_->options.pool.password_throttle.max_failures;
            default:
                return false;
        }
    };
    check("answers", fits(), [&] {
        return at.site->name() + " answers " + countersign::name(result.verdict) + " to " +
               attempt.login + " at " + std::to_string(value(result.seq)) +
               (is_right ? " with the right password" : "") +
               (guesses ? ", after " + std::to_string(guesses->refused) + " failures and " +
                              std::to_string(guesses->in_flight + guesses->unanswered) + " unknown"
                        : "");
    });
    if (result.verdict == Verdict::refused && !may_be_right && guesses) {
        // A success since then was counted before it, or after.
        if (attempt.renewals != guesses->renewals) return guesses->lose(false);
        judge_refusal(at, attempt, *guesses);
        judge_spread(at, attempt);
        note_place(at, *guesses);
    }
    if (result.verdict == Verdict::accepted) judge_success(at, attempt, result);
    if (may_be_right && result.verdict != Verdict::locked) clear_elsewhere(at, attempt.login);
    // A disabled user's right password clears nothing.
    if (!may_be_right || !guesses || result.verdict == Verdict::locked) return;
    if (result.verdict == Verdict::disabled) return guesses->lose(true);
    guesses->refused = 0;
    guesses->seen = 0;
    guesses->is_cut = false;
    ++guesses->renewals;
}

void SwarmRun::judge_refusal(Known& at, const Attempt& attempt, Guesses& guesses) {
    ++guesses.refused;
    ++guesses.ever_refused;
    guesses.last_refused = time();
    const auto& pool = simulation_.world_->options.pool;
    const std::uint64_t most = guesses.is_cut ? 1 : pool.guess_budget;
    check("bounded_guesses", guesses.refused <= most, [&] {
        return at.site->name() + " verified " + std::to_string(guesses.refused) +
               " wrong guesses at " + attempt.login + " with a share of " + std::to_string(most);
    });
    const auto& throttle = pool.password_throttle;
    if (attempt.refused < throttle.max_failures) return;
    const auto beyond = std::min<std::uint64_t>(attempt.refused - throttle.max_failures, 20);
    const auto locked_for =
        std::min<milliseconds>(throttle.lock_for * (std::int64_t{1} << beyond), throttle.lock_cap);
    const auto late = plan_.has(Fault::disk_slow) ? slack_of_slow_disks : slack;
    check("bounded_guesses", attempt.began + late >= attempt.last_refused + locked_for, [&] {
        return at.site->name() + " verified a guess at " + attempt.login + " after " +
               std::to_string(attempt.refused) + " failures, " +
               std::to_string((attempt.began - attempt.last_refused) / milliseconds{1}) +
               " ms after the last of them";
    });
}

void SwarmRun::judge_success(Known& at, const Attempt& attempt, const SignInResult& result) {
    if (!includes(result.methods, Methods::totp) || !attempt.step) return;
    const auto last = at.last_steps.find(attempt.login);
    check("single_use", last == at.last_steps.end() || *attempt.step > last->second, [&] {
        return at.site->name() + " accepted a code of " + attempt.login + " at step " +
               std::to_string(*attempt.step) + " after one at " + std::to_string(last->second);
    });
    at.last_steps[attempt.login] = *attempt.step;
    judge_use(at, attempt);
}

}  // namespace countersign::simulation
