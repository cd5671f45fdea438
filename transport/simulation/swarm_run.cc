#include "simulation/swarm_run.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include "simulation/mutants.h"

namespace countersign::simulation {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

constexpr seconds shortest_life{2};

/// In the order of proof of the design; the names are what a report says.
constexpr std::array<InvariantInfo, 23> catalogue{{
    {"prefix", "what all sites have applied is one sequence of batches, each site's a prefix"},
    {"verified", "nothing is applied that its author did not sign, byte for byte"},
    {"answers", "a sign-in is answered as the log says at the answer's place in it"},
    {"durable", "what was acknowledged is there after any crash, whole"},
    {"replay", "after a crash the records are those that the log leads to"},
    {"opens", "a directory that nobody damaged opens again"},
    {"agreement", "left in peace, all sites hold one log and one digest, and answer alike"},
    {"one_digest", "two sites with one head have one digest, however they came there"},
    {"proved_copy", "nobody is signed in before the first copy is proved"},
    {"counted", "failures that were answered are not forgotten, by a crash neither"},
    {"bounded_guesses", "no guess is verified beyond the throttle and the budget"},
    {"single_use", "no code is accepted at or below one that was, at one site"},
    {"spread_guesses", "guesses spread over sites that know of each other gain nothing"},
    {"heard_use", "no code is accepted at a site that holds another's word that it was used"},
    {"double_use_told", "a code that two sites accepted apart is told of once they meet"},
    {"same_rows", "left in peace, all sites hold the same rows of attempts"},
    {"fresh", "the age of a site's data is never said to be less than it is"},
    {"no_canary", "no password or login name is in any file, on any line, in any event"},
    {"nonces", "no nonce seals two things"},
    {"erased", "after erasure and compaction no file holds the record"},
    {"removed", "a node that holds the batch that removed it signs nobody in"},
    {"fork", "two signed batches of one place are told of, and nobody goes from one to the other"},
    {"caps", "memory, handles and disk stay within their limits"},
}};

Simulation begin(std::uint64_t seed, const SwarmPlan& plan) {
    SimulationOptions options;
    options.seed = seed;
    options.store = plan.store;
    options.link = plan.link;
    options.route = plan.route;
    options.task_time = plan.task_time;
    return std::move(*Simulation::begin(std::move(options)));
}

}  // namespace

std::span<const InvariantInfo> invariants() {
    return catalogue;
}

Result<SwarmReport> run_swarm(const SwarmOptions& options) {
    if (auto planted = plant(options.mutant); !planted) return planted.error();
    auto plan = SwarmPlan::draw(options, Draw(options.seed).fork("plan"));
    if (!plan) return plan.error();
    return SwarmRun(options.seed, std::move(*plan)).run();
}

SwarmRun::SwarmRun(std::uint64_t seed, SwarmPlan plan)
    : plan_(std::move(plan)),
      draw_(Draw(seed).fork("run")),
      simulation_(begin(seed, plan_)),
      canary_("zqcanary" + std::to_string(seed % 1000)) {
    report_.seed = seed;
    report_.drawn = plan_.to_string();
}

SwarmReport SwarmRun::run() {
    if (make_pool()) {
        simulation_.world_->network.set_mischief(plan_.mischief);
        const Instant until = time() + plan_.length;
        while (!ended() && time() < until) {
            const auto mean = plan_.between_actions.count();
            simulation_.run(milliseconds{draw_.between(1, 2 * mean)});
            check_heads();
            if (!ended()) check_acks();
            if (!ended()) check_removed();
            if (!ended()) act();
        }
        if (!ended()) leave_in_peace();
    }
    // Sign-ins that nobody has answered end here, not when this object goes.
    for (auto& site : simulation_.world_->sites) site->kill();
    count_network_faults();
    report_.trace_hash = simulation_.trace_hash();
    report_.simulated =
        std::chrono::duration_cast<milliseconds>(simulation_.now().monotonic.time_since_epoch());
    report_.trace = simulation_.trace();
    return std::move(report_);
}

bool SwarmRun::make_pool() {
    simulation_.world_->network.tap([this](BytesView bytes) {
        const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
        if (text.find(canary_) != text.npos) canary_heard_ = true;
    });
    auto first = simulation_.create_pool("hq");
    if (!first) {
        violate("opens", "the pool cannot be made: " + first.error().message());
        return false;
    }
    known_.push_back({.site = *first});
    for (std::size_t i = 1; i < plan_.sites; ++i) {
        auto site = simulation_.add_site("site-" + std::to_string(++sites_made_));
        if (!site) {
            violate("agreement", "a site cannot join in peace: " + site.error().message());
            return false;
        }
        known_.push_back({.site = *site});
        write_back(**site);
    }
    for (std::size_t i = 0; i < plan_.users && !ended(); ++i) create_user(Way::waits);
    return !ended();
}

/// Moves what makes it a member out of the write-ahead log: a log that is lost later takes less.
void SwarmRun::write_back(Site& site) {
    (void)site.store().log().compact();
}

void SwarmRun::act() {
    settle_unsure();
    if (draw_.chance(plan_.fault_rate)) {
        do_fault();
    } else {
        use();
    }
    if (Known* known = some_running_site()) {
        check_counts(*known);
        check_age(*known);
        check_caps(*known);
    }
}

/// Faults end, everything runs again, and then all must agree.
void SwarmRun::leave_in_peace() {
    in_peace_ = true;
    simulation_.world_->note({}, "in peace");
    simulation_.world_->network.set_mischief({});
    simulation_.heal_all();
    for (auto& one : known_) {
        for (auto& other : known_) {
            simulation_.world_->network.route(inside(one).place, inside(other).place) = Route{};
        }
    }
    for (auto& known : known_) {
        Site& site = *known.site;
        inside(known).machine.disk().heal();
        inside(known).machine.set_wall_clock_right();
        inside(known).key_provider_is_away = false;
        inside(known).task_time = plan_.task_time;
        site.limit_disk(0);
        if (known.is_clone) {
            site.stop();
        } else if (known.is_member && !site.is_running()) {
            site.start();
        }
    }
    simulation_.run(shortest_life);
    check_writes_end();
    settle_unsure();
    check_agreement();
    if (!ended()) check_rows();
    if (!ended()) check_double_uses();
    if (ended()) return;
    for (auto& known : known_) {
        if (known.is_member && !known.is_clone && !ended()) check_users(known);
    }
    if (!ended()) check_logs();
    if (!ended()) check_erasure();
    if (!ended()) check_canaries();
    if (!ended()) check_nonces();
    if (!ended() && plan_.has(Fault::primary_forked)) fork_primary();
}

// Choosing.

SwarmRun::Known* SwarmRun::some_site(const std::function<bool(const Known&)>& fits) {
    std::vector<Known*> fitting;
    for (auto& known : known_) {
        if (known.is_member && fits(known)) fitting.push_back(&known);
    }
    return fitting.empty() ? nullptr : draw_.pick(fitting);
}

SwarmRun::Known* SwarmRun::some_running_site() {
    return some_site(
        [](const Known& known) { return !known.is_clone && known.site->is_running(); });
}

SwarmRun::Known* SwarmRun::some_replica(bool running) {
    return some_site([&](const Known& known) {
        return &known != &known_.front() && !known.is_clone &&
               (!running || known.site->is_running());
    });
}

KnownUser* SwarmRun::some_user() {
    return users_.empty() ? nullptr : draw_.pick(users_).get();
}

// Telling.

void SwarmRun::violate(std::string_view invariant, std::string what) {
    report_.violations.push_back({std::string(invariant), std::move(what)});
    simulation_.world_->note({}, "VIOLATION of " + std::string(invariant));
}

void SwarmRun::check(std::string_view invariant,
                     bool holds,
                     const std::function<std::string()>& what) {
    if (ended()) return;
    ++report_.checked[std::string(invariant)];
    if (!holds) violate(invariant, what());
}

void SwarmRun::fire(Fault fault, std::uint64_t times) {
    if (times != 0) report_.fired[std::string(name(fault))] += times;
}

}  // namespace countersign::simulation
