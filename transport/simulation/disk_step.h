#pragma once

// Private to `Disk`: how every call of a process goes.

#include "simulation/disk.h"

namespace countersign::simulation {

/// Counts the call, lets `act` do as much of it as faults leave (it is given an `Effect`, and gives
/// back the system's error), tells the watcher, and cuts the power where that was planned.
template <class Do>
int Disk::step(DiskCall call,
               bool alive,
               std::string_view path,
               std::uint64_t offset,
               std::uint64_t length,
               Do act) {
    const Verdict verdict = judge(call, alive, path);
    int done = 0;
    const bool half_made_sync = call == disk_sync && verdict.fails_on_purpose;
    if (verdict.effect != Effect::none || half_made_sync) done = act(verdict.effect);
    const int error = verdict.error != 0 ? verdict.error : done;
    if (watcher_) {
        watcher_({.call = call, .path = path, .offset = offset, .length = length, .error = error});
    }
    if (verdict.stops) cut_power(stop_damage_);
    return error;
}

}  // namespace countersign::simulation
