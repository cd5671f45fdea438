#include <algorithm>
#include <chrono>
#include <utility>

#include "simulation/swarm_run.h"

// What sites know of each other's attempts: guesses spread over many of them, and codes used at
// two.

namespace countersign::simulation {
namespace {

constexpr milliseconds slack{500};
/// As long as agreement of the log may take: links may be waiting to be made anew.
constexpr std::chrono::seconds time_to_spread{480};
constexpr std::chrono::seconds between_looks{5};
constexpr int guessing_rounds = 4;
constexpr std::chrono::seconds between_rounds{3};
constexpr int guesses_at_each = 2;
constexpr milliseconds slack_of_slow_disks{20'000};

bool holds(const RowVector& vector, const RowAuthor& author, RowSeq place) {
    const auto held = vector.find(author);
    return held != vector.end() && held->second >= place;
}

}  // namespace

bool SwarmRun::rows_can_be_judged() const {
    return std::ranges::none_of(known_, [](const Known& each) {
        return each.is_clone || each.was_restored ||
               each.site->count(Event::Kind::new_incarnation) != 0;
    });
}

void SwarmRun::note_known_elsewhere(Known& at, Attempt& attempt) {
    attempt.vector = inside(at).store->links().store()->row_vector();
    if (!attempt.vector || !rows_can_be_judged()) return;
    for (auto& other : known_) {
        const auto found = other.guesses.find(*attempt.key);
        if (found == other.guesses.end() || found->second.refused == 0) continue;
        const Guesses& guesses = found->second;
        if (!holds(*attempt.vector, guesses.author, guesses.place)) continue;
        attempt.known_refused += guesses.refused;
        attempt.known_last = std::max(attempt.known_last, guesses.last_refused);
    }
}

void SwarmRun::note_place(Known& at, Guesses& guesses) {
    if (!at.site->is_running()) return;
    const auto& store = inside(at).store->links().store();
    const auto identity = store->identity();
    const auto vector = store->row_vector();
    guesses.author = {identity.node, identity.incarnation};
    const auto place = vector ? vector->find(guesses.author) : RowVector::const_iterator{};
    if (vector && place != vector->end()) guesses.place = place->second;
}

/// Whether a success or unlock at another site may still arrive here.
bool SwarmRun::is_cleared_afar(const Known& at, const std::string& login) const {
    const auto found = cleared_by_.find(login);
    if (found == cleared_by_.end()) return false;
    const auto self = static_cast<std::size_t>(&at - known_.data());
    return std::ranges::any_of(found->second, [&](std::size_t site) { return site != self; });
}

void SwarmRun::clear_elsewhere(const Known& at, const std::string& login) {
    cleared_by_[login].insert(static_cast<std::size_t>(&at - known_.data()));
    for (auto& other : known_) {
        if (&other == &at) continue;
        for (auto& [key, guesses] : other.guesses) {
            if (key.first == login) guesses.clear_from_afar();
        }
    }
}

bool SwarmRun::is_being_tried(const std::string& login) const {
    return std::ranges::any_of(known_, [&](const Known& known) {
        return std::ranges::any_of(known.guesses, [&](const auto& entry) {
            return entry.first.first == login && entry.second.in_flight != 0;
        });
    });
}

/// The most failures that a site can know of. A guess may have counted against the password after
/// the one that its site held when it began; and what a success has cleared where it happened, it
/// may not have cleared here yet.
std::uint64_t SwarmRun::suspected(const Known& at, const std::string& login) const {
    std::uint64_t sum = 0;
    for (const auto& known : known_) {
        for (const auto& [key, guesses] : known.guesses) {
            if (key.first != login) continue;
            sum += &known == &at ? guesses.refused : guesses.ever_refused;
            sum += guesses.in_flight + guesses.unanswered;
        }
    }
    return sum;
}

/// Somebody who knows of all sites guesses at each of them, and once more when the throttle should
/// have run anywhere else.
void SwarmRun::spread_guesses() {
    KnownUser* const user = some_user();
    if (!user || user->states.empty()) return;
    for (int round = 0; round < guessing_rounds; ++round) {
        after(between_rounds * round, [this, user] {
            for (auto& known : known_) {
                if (!known.is_member || !known.site->is_running() || ended()) continue;
                for (int i = 0; i < guesses_at_each; ++i) {
                    sign_in(known, *user, fresh_password(), std::nullopt);
                }
            }
        });
    }
}

/// A guess was verified at a site that held the rows of so many at all sites together.
void SwarmRun::judge_spread(Known& at, const Attempt& attempt) {
    const auto& throttle = simulation_.world_->options.pool.password_throttle;
    if (attempt.known_refused < throttle.max_failures) return;
    const auto beyond = std::min<std::uint64_t>(attempt.known_refused - throttle.max_failures, 20);
    const auto locked_for =
        std::min<milliseconds>(throttle.lock_for * (std::int64_t{1} << beyond), throttle.lock_cap);
    const auto late = plan_.has(Fault::disk_slow) ? slack_of_slow_disks : slack;
    check("spread_guesses", attempt.began + late >= attempt.known_last + locked_for, [&] {
        return at.site->name() + " verified a guess at " + attempt.login + ", and knew of " +
               std::to_string(attempt.known_refused) + " failures at all sites, the last " +
               std::to_string((attempt.began - attempt.known_last) / milliseconds{1}) +
               " ms before";
    });
}

/// A site whose clock is a day ahead takes the codes that others have used for long expired, keeps
/// none of them, and has none to pass on (SECURITY.md).
bool SwarmRun::codes_can_be_judged() const {
    return rows_can_be_judged() && !plan_.has(Fault::clock_jumped_a_day);
}

void SwarmRun::judge_use(Known& at, const Attempt& attempt) {
    if (!attempt.vector || !codes_can_be_judged()) return;
    auto& uses = uses_[{attempt.totp_uri, *attempt.step}];
    const auto site = static_cast<std::size_t>(&at - known_.data());
    for (const auto& use : uses) {
        if (use.site == site) continue;
        check("heard_use", !holds(*attempt.vector, use.author, use.place), [&] {
            return at.site->name() + " accepted the code of " + attempt.login + " at step " +
                   std::to_string(*attempt.step) + ", and knew that " +
                   known_[use.site].site->name() + " had";
        });
    }
    Guesses here;
    note_place(at, here);
    uses.push_back({.site = site, .author = here.author, .place = here.place});
}

/// In peace, that all members hold the same of everyone's rows.
void SwarmRun::check_rows() {
    // What a removed node said last may have reached some who knew nothing of its removal.
    const bool all_are_members = std::ranges::all_of(known_, &Known::is_member);
    if (!rows_can_be_judged() || !all_are_members) return;
    const auto has_all_of = [&](Known& one, Known& other) {
        const auto held = inside(one).store->links().store()->row_vector();
        // The last rows of an author may have expired where they are held.
        const auto lacking = inside(other).store->links().store()->read_rows(*held, 1, 1);
        return lacking && lacking->runs.empty();
    };
    const auto agree = [&](Known& known) {
        return has_all_of(known, primary()) && has_all_of(primary(), known);
    };
    for (auto wait = time_to_spread; wait > wait.zero(); wait -= between_looks) {
        if (std::ranges::all_of(known_, agree)) break;
        simulation_.run(between_looks);
    }
    for (auto& known : known_) {
        if (ended()) return;
        check("same_rows", agree(known), [&] {
            return known.site->name() + " and the primary hold other rows of attempts";
        });
    }
}

/// That a code which two sites accepted has been told of.
void SwarmRun::check_double_uses() {
    if (!codes_can_be_judged()) return;
    for (const auto& [code, uses] : uses_) {
        // Rows of an authenticator that has been replaced may be gone.
        const auto user = std::ranges::find_if(users_, [&](const auto& each) {
            return !each->states.empty() && each->newest().totp_uri == code.first;
        });
        if (user == users_.end() || (*user)->is_unsure() || (*user)->newest().erased) continue;
        for (const auto& use : uses) {
            if (use.site == uses.front().site) continue;
            const Known& one = known_[use.site];
            const Known& other = known_[uses.front().site];
            if (!one.is_member || !other.is_member) continue;
            const bool is_told = one.site->count(Event::Kind::code_used_twice) != 0 ||
                                 other.site->count(Event::Kind::code_used_twice) != 0;
            check("double_use_told", is_told, [&] {
                return one.site->name() + " and " + other.site->name() + " accepted one code of " +
                       (*user)->login + ", and neither tells";
            });
        }
    }
}

}  // namespace countersign::simulation
