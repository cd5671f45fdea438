#include "simulation/mutants.h"

#include <string>

#include "countersign/swarm.h"

namespace countersign::simulation {

std::span<const MutantInfo> mutants() {
    return {};
}

Result<void> plant(std::string_view mutant) {
    if (mutant.empty()) return {};
    return Error(errc::not_found,
                 "no planted bug is called " + std::string(mutant) +
                     "; this build has none (configure with -Dmutants=true)");
}

}  // namespace countersign::simulation
