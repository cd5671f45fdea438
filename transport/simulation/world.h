#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "countersign/simulation.h"

#include "simulation/draw.h"
#include "simulation/network.h"
#include "simulation/schedule.h"
#include "simulation/trace.h"

namespace countersign::simulation {

/// What all sites of one simulation share.
class World {
  public:
    explicit World(SimulationOptions given);

    /// Does what is next, if that is due by `until`.
    bool step(Instant until);
    void note(std::string_view site, std::string_view what) {
        trace.note(schedule.now(), site, what);
    }
    Site* find(std::string_view name);
    /// The site that runs and is primary; null: none.
    Site* primary();
    /// Makes the machine; nothing runs on it yet. Errors: errc::already_exists,
    /// errc::invalid_argument.
    Result<Site*> add(std::string name, const std::string& machine_id);

    const SimulationOptions options;
    const UnixTime true_start;
    Schedule schedule;
    Trace trace;
    Draw draw;
    Network network;
    std::vector<std::unique_ptr<Site>> sites;
    /// Called after each step, when everything stands still.
    std::function<void()> after_step;
};

}  // namespace countersign::simulation
