#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "countersign/error.h"
#include "countersign/time.h"

/// Seeded runs of whole pools under faults, each checked against what must hold whatever happens:
/// how the library is tested, for those who change it or its environment. `countersign-simulate` is
/// this as a program.
namespace countersign::simulation {

/// Something that goes wrong in runs.
struct FaultInfo {
    std::string_view name;  ///< "power_cut_tears"
    std::string_view what;
};
std::span<const FaultInfo> faults();

/// Something that must hold all the same.
struct InvariantInfo {
    std::string_view name;  ///< "prefix"
    std::string_view what;
};
std::span<const InvariantInfo> invariants();

/// A planted bug, in builds that have them (option `mutants`).
struct MutantInfo {
    std::string_view name;
    std::string_view invariant;  ///< that it breaks
    std::string_view also;       ///< others that may show it first, with commas between
    std::string_view what;
};
/// Empty in other builds.
std::span<const MutantInfo> mutants();

struct SwarmOptions {
    std::uint64_t seed = 1;
    /// Of `faults()`; empty: a subset drawn from the seed. "none": none at all.
    std::vector<std::string> faults;
    /// 3 to 9; 0: drawn from the seed.
    std::size_t sites = 0;
    /// Of virtual time with faults, at most a day; 0: drawn from the seed.
    milliseconds length{0};
    std::string mutant;  ///< of `mutants()`; empty: none
};

struct Violation {
    std::string invariant;  ///< of `invariants()`
    std::string what;       ///< which site, user and place in the log, and what was wrong there
};

/// How one run went.
struct SwarmReport {
    std::uint64_t seed = 0;
    std::string drawn;  ///< every option drawn from the seed, in one line
    std::vector<Violation> violations;
    std::map<std::string, std::uint64_t> fired;    ///< how often each fault has happened
    std::map<std::string, std::uint64_t> checked;  ///< how often each invariant was looked at
    std::uint64_t trace_hash = 0;
    milliseconds simulated{};
    std::vector<std::string> trace;  ///< its newest lines
};

/// One run: a pool is made, used under faults for a while, left in peace, and must then agree.
/// Stops at the first violation. For one thread. Runs in one process do not disturb each other, but
/// a mutant is planted in the whole process.
/// Errors: errc::not_found (no such fault or mutant; mutants in a build without them),
/// errc::invalid_argument (a figure out of range).
Result<SwarmReport> run_swarm(const SwarmOptions& options);

}  // namespace countersign::simulation
