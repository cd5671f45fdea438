// Every durable operation, cut short at every place and in every way.
//
// COUNTERSIGN_LONG in the environment: at each place; else at some, spread over each operation.
// COUNTERSIGN_OPERATION: of this operation alone.

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <iostream>

#include <doctest/doctest.h>

#include "enumeration/trial.h"

using namespace countersign;
using namespace countersign::simulation;
using namespace countersign::testing;

namespace {

/// Places 1 to `all`: each, or about `some` of them, the first and the last included.
std::vector<std::uint64_t> places(std::uint64_t all, std::uint64_t some) {
    std::vector<std::uint64_t> chosen;
    const bool each = std::getenv("COUNTERSIGN_LONG") || all <= some;
    const std::uint64_t count = each ? all : some;
    for (std::uint64_t i = 0; i < count; ++i) {
        chosen.push_back(each ? i + 1 : 1 + i * (all - 1) / (count - 1));
    }
    return chosen;
}

bool is_wanted(const Operation& operation) {
    const char* only = std::getenv("COUNTERSIGN_OPERATION");
    return !only || std::string_view(only) == operation.name;
}

}  // namespace

TEST_CASE("enumeration: the power goes at a write or sync: the operation is whole or absent") {
    std::uint64_t tried = 0;
    for (const Operation& operation : operations()) {
        if (!is_wanted(operation)) continue;
        const Baseline baseline = measure(operation);
        for (const std::uint64_t n : places(baseline.changes, 9)) {
            for (const Damage damage : {Damage::drop, Damage::scatter, Damage::tear_512}) {
                crash(operation, baseline, n, damage);
                ++tried;
            }
            if (!std::getenv("COUNTERSIGN_LONG")) continue;
            crash(operation, baseline, n, Damage::tear_4096);
            crash(operation, baseline, n, Damage::keep);
            tried += 2;
        }
    }
    std::cout << "crash points tried: " << tried << '\n';
    CHECK(tried > 0);
}

TEST_CASE("enumeration: a call of the disk fails: an error means that nothing was done") {
    constexpr int errors[] = {EIO, ENOSPC, EROFS};
    constexpr Effect effects[] = {Effect::none, Effect::half, Effect::whole};
    std::uint64_t tried = 0;
    for (const Operation& operation : operations()) {
        if (!is_wanted(operation)) continue;
        const Baseline baseline = measure(operation);
        for (const std::uint64_t n : places(baseline.calls, 5)) {
            for (const bool for_good : {false, true}) {
                fail(operation,
                     baseline,
                     {.nth = n,
                      .for_good = for_good,
                      .error = errors[n % 3],
                      .effect = effects[n / 3 % 3]});
                ++tried;
            }
        }
    }
    std::cout << "failures of the disk tried: " << tried << '\n';
    CHECK(tried > 0);
}

TEST_CASE("enumeration: SQLite gets no memory: an error means that nothing was done") {
    std::uint64_t tried = 0;
    for (const Operation& operation : operations()) {
        if (!is_wanted(operation)) continue;
        const Baseline baseline = measure(operation);
        for (const std::uint64_t n : places(baseline.allocations, 5)) {
            for (const bool for_good : {false, true}) {
                fail(operation, baseline, {.of_allocation = true, .nth = n, .for_good = for_good});
                ++tried;
            }
        }
    }
    std::cout << "failures of allocation tried: " << tried << '\n';
    CHECK(tried > 0);
}
