#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "countersign/error.h"
#include "countersign/simulation.h"
#include "countersign/swarm.h"

#include "simulation/draw.h"
#include "simulation/network.h"

namespace countersign::simulation {

/// Every fault that a run can have, in the order of `faults()`.
enum class Fault : std::size_t {
    power_cut_drops,
    power_cut_scatters,
    power_cut_tears,
    power_cut_in_call,
    process_killed,
    process_restarted,
    machine_paused,
    disk_full,
    disk_slow,
    io_fails_once,
    sync_fails_once,
    wal_lost,
    replica_restored,
    replica_rolled_back,
    record_rotted,
    primary_restored,
    directory_lost,
    clone_started,
    key_provider_away,
    loss,
    slow_route,
    fragments,
    stalls,
    stream_cut,
    bits_flipped,
    old_bytes_replayed,
    misdirected,
    partition,
    one_way_partition,
    flapping,
    reset,
    half_open,
    clock_stepped,
    clock_jumped_a_day,
    clock_frozen,
    parallel_guesses,
    sign_in_flood,
    write_burst,
    queue_full,
    log_compacted,
    node_removed,
    batch_tampered,
    batches_misordered,
    primary_forked,
    count_of_faults,
};
inline constexpr std::size_t fault_count = static_cast<std::size_t>(Fault::count_of_faults);
std::string_view name(Fault fault) noexcept;

/// All that one run draws from its seed before it begins.
struct SwarmPlan {
    std::size_t sites = 3;
    milliseconds length{};
    milliseconds between_actions{};  ///< on average
    double fault_rate = 0;           ///< share of actions that are faults
    std::size_t users = 0;           ///< made in the beginning
    Route route;
    Network::Mischief mischief;
    std::vector<Fault> acts;   ///< faults that are done now and then, rather than all the time
    milliseconds task_time{};  ///< of slow disks and slow processors
    Options store;
    LinkOptions link;

    /// Errors: those of run_swarm.
    static Result<SwarmPlan> draw(const SwarmOptions& options, Draw draw);
    bool has(Fault fault) const;
    std::string to_string() const;

    std::vector<Fault> faults;  ///< of both sorts
};

}  // namespace countersign::simulation
