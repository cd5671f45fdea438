#include "simulation/world.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "simulation/site.h"

namespace countersign::simulation {

World::World(SimulationOptions given)
    : options(std::move(given)),
      true_start(std::chrono::sys_days{std::chrono::January / 1 / 2026}),
      draw(options.seed),
      network(schedule, trace, draw.fork("network"), options.route) {}

bool World::step(Instant until) {
    const bool stepped = schedule.step(until);
    if (stepped && after_step) after_step();
    return stepped;
}

Site* World::find(std::string_view name) {
    const auto found =
        std::ranges::find_if(sites, [&](const auto& site) { return site->name() == name; });
    return found == sites.end() ? nullptr : found->get();
}

Site* World::primary() {
    const auto found = std::ranges::find_if(sites, [](const auto& site) {
        if (!site->is_running()) return false;
        const auto status = site->store().status();
        return status && status->is_primary;
    });
    return found == sites.end() ? nullptr : found->get();
}

Result<Site*> World::add(std::string name, const std::string& machine_id) {
    if (find(name)) return Error(errc::already_exists, "there is a site called " + name);
    const bool fits = !name.empty() && name.size() <= 64 && std::ranges::all_of(name, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '-' || c == '_' || c == '.';
    });
    if (!fits)
        return Error(errc::invalid_argument,
                     "a site's name has 1 to 64 letters, digits, '-', '_' and '.'");
    sites.push_back(std::unique_ptr<Site>(
        new Site(std::make_unique<Site::Impl>(*this, std::move(name), machine_id))));
    return sites.back().get();
}

}  // namespace countersign::simulation
