#include "simulation/swarm_plan.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <sstream>
#include <utility>

namespace countersign::simulation {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

constexpr std::size_t least_sites = 3;
constexpr std::size_t most_sites = 9;

constexpr std::array<FaultInfo, fault_count> catalogue{{
    {"power_cut_drops", "a machine loses power, and all that was not synced"},
    {"power_cut_scatters", "a machine loses power, and any of the writes that were not synced"},
    {"power_cut_tears", "a machine loses power, and sectors or pages of writes not synced"},
    {"power_cut_in_call", "the power goes between two calls of the disk, in the middle of a step"},
    {"process_killed", "SIGKILL"},
    {"process_restarted", "the application ends and starts anew"},
    {"machine_paused", "a machine stands still for a while, its connections living on"},
    {"disk_full", "nothing more fits on a disk for a while"},
    {"disk_slow", "what a site does on its disk takes up to two seconds each, for a while"},
    {"io_fails_once", "one of the next reads or writes of a disk fails"},
    {"sync_fails_once", "one of the next syncs of a disk fails, and its data may be lost"},
    {"wal_lost", "a replica's write-ahead log is deleted while nothing runs"},
    {"replica_restored", "a replica's directory is put back from an older backup"},
    {"replica_rolled_back", "a replica's disk goes back to an older snapshot, inodes and all"},
    {"record_rotted", "a bit changes in a record that a replica keeps"},
    {"primary_restored", "the primary's directory is put back from an older backup"},
    {"directory_lost", "a replica loses its directory, is removed, and another machine joins"},
    {"clone_started", "a replica's image is started a second time, beside it"},
    {"key_provider_away", "a site's key provider cannot answer for a while"},
    {"loss", "pieces are lost and sent again"},
    {"slow_route", "routes carry few bytes a second"},
    {"fragments", "what is sent arrives in pieces, cut anywhere"},
    {"stalls", "the rest of a frame comes a second later"},
    {"stream_cut", "connections break after any number of bytes"},
    {"bits_flipped", "a bit changes on the way"},
    {"old_bytes_replayed", "the first bytes of an old connection are sent again"},
    {"misdirected", "another machine answers under an address"},
    {"partition", "some sites cannot reach the others"},
    {"one_way_partition", "one site's bytes do not reach another"},
    {"flapping", "routes are cut one by one and come back in another order"},
    {"reset", "all connections break"},
    {"half_open", "a machine goes off, and who speaks to it is not told"},
    {"clock_stepped", "a wall clock is set by up to 30 seconds"},
    {"clock_jumped_a_day", "a wall clock is set by days"},
    {"clock_frozen", "a wall clock stands still for a while"},
    {"parallel_guesses", "a hundred guesses at one user at one site at the same time"},
    {"sign_in_flood", "three hundred sign-ins at one site at the same time, half of unknown names"},
    {"write_burst", "many writes and sign-ins at the primary at once, cut short now and then"},
    {"queue_full", "more wait for a commit than a short queue holds"},
    {"log_compacted", "a site lets go of all of its log that it can"},
    {"node_removed", "a replica is removed"},
    {"batch_tampered", "a batch reaches a replica with other bytes than its author signed"},
    {"batches_misordered",
     "who carries batches leaves one out, repeats one, or changes their order"},
    {"primary_forked",
     "in the end the primary goes back unnoticed and signs another batch for a place"},
}};

/// Those that are there all the time, as the network's mischief or its routes.
constexpr std::array always_there{Fault::loss,
                                  Fault::slow_route,
                                  Fault::fragments,
                                  Fault::stalls,
                                  Fault::stream_cut,
                                  Fault::bits_flipped,
                                  Fault::old_bytes_replayed,
                                  Fault::misdirected,
                                  Fault::queue_full,
                                  Fault::primary_forked};

Error wrong(std::string what) {
    return Error(errc::invalid_argument, std::move(what));
}

Result<std::vector<Fault>> choose(const SwarmOptions& options, Draw draw) {
    std::vector<Fault> chosen;
    if (options.faults.empty()) {
        // Few or many: bugs that one fault hides show where it is left out.
        const double share = static_cast<double>(draw.between(1, 9)) / 10;
        for (std::size_t i = 0; i < fault_count; ++i) {
            if (draw.chance(share)) chosen.push_back(Fault{i});
        }
        return chosen;
    }
    for (const auto& wanted : options.faults) {
        if (wanted == "none" && options.faults.size() == 1) return chosen;
        const auto found = std::ranges::find(catalogue, wanted, &FaultInfo::name);
        if (found == catalogue.end()) {
            return Error(errc::not_found,
                         "no fault is called " + wanted + "; --list names those that are");
        }
        chosen.push_back(Fault{static_cast<std::size_t>(found - catalogue.begin())});
    }
    return chosen;
}

Network::Mischief draw_mischief(const SwarmPlan& plan, Draw draw) {
    Network::Mischief mischief;
    if (plan.has(Fault::fragments))
        mischief.fragment = 0.02 * static_cast<double>(draw.between(1, 25));
    if (plan.has(Fault::stalls)) {
        mischief.fragment = std::max(mischief.fragment, 0.05);
        mischief.stall = 0.01 * static_cast<double>(draw.between(1, 10));
    }
    if (plan.has(Fault::stream_cut)) {
        mischief.cut = 0.1 * static_cast<double>(draw.between(1, 5));
        mischief.cut_within = static_cast<std::uint64_t>(draw.between(500, 100'000));
    }
    if (plan.has(Fault::bits_flipped))
        mischief.flip = 0.001 * static_cast<double>(draw.between(1, 10));
    if (plan.has(Fault::old_bytes_replayed)) mischief.replay = 0.5;
    if (plan.has(Fault::misdirected)) mischief.misdirect = 0.1;
    return mischief;
}

}  // namespace

std::span<const FaultInfo> faults() {
    return catalogue;
}

std::string_view name(Fault fault) noexcept {
    return catalogue[static_cast<std::size_t>(fault)].name;
}

bool SwarmPlan::has(Fault fault) const {
    return std::ranges::find(faults, fault) != faults.end();
}

Result<SwarmPlan> SwarmPlan::draw(const SwarmOptions& options, Draw draw) {
    const bool sites_fit =
        options.sites == 0 || (options.sites >= least_sites && options.sites <= most_sites);
    if (!sites_fit) return wrong("a run has 3 to 9 sites");
    if (options.length < milliseconds{0} || options.length > std::chrono::days{1}) {
        return wrong("a run has at most a day of virtual time");
    }
    SwarmPlan plan;
    auto chosen = choose(options, draw.fork("faults"));
    if (!chosen) return chosen.error();
    plan.faults = std::move(*chosen);
    for (const Fault each : plan.faults) {
        if (std::ranges::find(always_there, each) == always_there.end()) plan.acts.push_back(each);
    }
    plan.sites = static_cast<std::size_t>(draw.between(least_sites, 5));
    if (draw.chance(0.1)) plan.sites = static_cast<std::size_t>(draw.between(6, most_sites));
    if (options.sites != 0) plan.sites = options.sites;
    plan.length = seconds{draw.between(60, 240)};
    if (options.length != milliseconds{0}) plan.length = options.length;
    plan.between_actions = milliseconds{draw.between(50, 600)};
    plan.fault_rate = plan.acts.empty() ? 0 : 0.01 * static_cast<double>(draw.between(1, 15));
    plan.users = static_cast<std::size_t>(draw.between(3, 40));
    plan.route.latency = milliseconds{draw.between(1, 150)};
    plan.route.jitter = milliseconds{draw.between(0, 40)};
    if (plan.has(Fault::loss)) plan.route.loss = 0.01 * static_cast<double>(draw.between(1, 30));
    if (plan.has(Fault::slow_route)) {
        plan.route.bytes_per_second = static_cast<std::uint64_t>(draw.between(1'000, 20'000));
    }
    plan.mischief = draw_mischief(plan, draw.fork("mischief"));
    plan.store.scrub_interval = seconds{draw.between(20, 600)};
    plan.store.log_bytes = static_cast<std::uint64_t>(draw.between(20'000, 400'000));
    plan.store.log_age = minutes{draw.between(1, 60)};
    plan.store.checkpoint_bytes = std::uint64_t{1} << 20;
    plan.store.pulse_interval = milliseconds{draw.between(1'000, 5'000)};
    if (plan.has(Fault::queue_full)) {
        plan.store.commit_queue = static_cast<std::size_t>(draw.between(2, 20));
    }
    plan.link.session_age = seconds{draw.between(10, 120)};
    plan.link.session_messages = static_cast<std::uint64_t>(draw.between(50, 5'000));
    plan.link.page_bytes = static_cast<std::size_t>(draw.between(1'000, 64'000));
    plan.task_time = milliseconds{draw.between(1, 20)};
    return plan;
}

std::string SwarmPlan::to_string() const {
    std::ostringstream text;
    text << "sites=" << sites << " length=" << length.count() / 1000
         << "s action_every=" << between_actions.count() << "ms fault_rate=" << fault_rate
         << " users=" << users << " latency=" << route.latency.count() << "+"
         << route.jitter.count() << "ms loss=" << route.loss
         << " bytes_per_second=" << route.bytes_per_second << " cut=" << mischief.cut << "/"
         << mischief.cut_within << " fragment=" << mischief.fragment << " stall=" << mischief.stall
         << " flip=" << mischief.flip << " scrub=" << store.scrub_interval.count() / 1000
         << "s log_bytes=" << store.log_bytes << " log_age=" << store.log_age.count() / 1000
         << "s pulse=" << store.pulse_interval.count() << "ms queue=" << store.commit_queue
         << " session=" << link.session_age.count() / 1000 << "s/" << link.session_messages
         << " page=" << link.page_bytes << " task=" << task_time.count() << "ms faults=";
    for (std::size_t i = 0; i < faults.size(); ++i) text << (i ? "," : "") << name(faults[i]);
    return text.str();
}

}  // namespace countersign::simulation
