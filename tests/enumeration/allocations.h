#pragma once

#include <cstdint>

namespace countersign::testing {

/// SQLite's allocations in this program, every one of which can be made to fail. Installed before
/// `main`, since SQLite takes it only before its first use. For one thread at a time.
struct Allocations {
    /// From the n-th from now (1: the next) on, this one or all fail.
    static void fail(std::uint64_t n, bool for_good);
    static void heal();
    /// Since the last `heal()`.
    static std::uint64_t count();
    static std::uint64_t failed();
};

}  // namespace countersign::testing
