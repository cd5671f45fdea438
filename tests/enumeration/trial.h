#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "enumeration/operations.h"
#include "enumeration/stored_state.h"

namespace countersign::testing {

/// What an operation does when nothing is in its way.
struct Baseline {
    StoredState before;
    StoredState after;
    StoredState before_and_more;  ///< one more write, without the operation
    StoredState after_and_more;   ///< one more write after it
    std::optional<Stage> stage;   ///< after it, where a store runs then
    std::uint64_t changes = 0;    ///< calls of `disk_changes` while it ran
    std::uint64_t calls = 0;      ///< calls of any kind
    std::uint64_t allocations = 0;
};
Baseline measure(const Operation& operation);

/// The power goes at the n-th change. Fails the test unless the file is sound, the operation whole
/// or absent (and there if it was acknowledged), the store opens again, takes itself for the same
/// one, verifies its log and digest, and writes on.
void crash(const Operation& operation,
           const Baseline& baseline,
           std::uint64_t n,
           simulation::Damage damage);

/// What fails while an operation runs.
struct Failure {
    bool of_allocation = false;  ///< else of a call of the disk
    std::uint64_t nth = 1;
    bool for_good = false;
    int error = 5;  ///< of the disk: EIO
    simulation::Effect effect = simulation::Effect::none;
};
/// Fails the test unless an error means that nothing was done (but for errc::outcome_unknown), and
/// the same store goes on when all is well again: what it then says is there survives a power cut.
void fail(const Operation& operation, const Baseline& baseline, const Failure& failure);

}  // namespace countersign::testing
