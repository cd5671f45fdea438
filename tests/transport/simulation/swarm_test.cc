#include "countersign/swarm.h"

#include <algorithm>
#include <chrono>
#include <set>

#include <doctest/doctest.h>

#include "countersign/time.h"

using namespace countersign;
using namespace countersign::simulation;
using namespace std::chrono_literals;

TEST_CASE("swarm: names of faults and invariants: each once, with what it is") {
    std::set<std::string_view> names;
    for (const auto& fault : faults()) {
        CHECK(names.insert(fault.name).second);
        CHECK_FALSE(fault.what.empty());
    }
    for (const auto& invariant : invariants()) {
        CHECK(names.insert(invariant.name).second);
        CHECK_FALSE(invariant.what.empty());
    }
}

TEST_CASE("swarm: a run without faults: everything holds, and goes the same way again") {
    const SwarmOptions options{.seed = 5, .faults = {"none"}, .sites = 3, .length = 20s};
    const auto report = run_swarm(options);
    REQUIRE(report);
    CHECK(report->violations.empty());
    CHECK(report->fired.empty());
    CHECK(report->checked.at("prefix") > 0);
    CHECK(report->simulated > 20s);
    const auto again = run_swarm(options);
    REQUIRE(again);
    CHECK(again->trace_hash == report->trace_hash);
}

TEST_CASE("swarm: one fault asked for: it happens, and no other") {
    const auto report =
        run_swarm({.seed = 3, .faults = {"process_killed"}, .sites = 3, .length = 120s});
    REQUIRE(report);
    CHECK(report->violations.empty());
    CHECK(report->fired.size() == 1);
    CHECK(report->fired.contains("process_killed"));
    CHECK(report->drawn.ends_with("faults=process_killed"));
}

TEST_CASE("swarm: figures and names that cannot be: a clear error") {
    CHECK(run_swarm({.faults = {"earthquake"}}).error() == errc::not_found);
    CHECK(run_swarm({.faults = {"none", "reset"}}).error() == errc::not_found);
    CHECK(run_swarm({.sites = 2}).error() == errc::invalid_argument);
    CHECK(run_swarm({.sites = 10}).error() == errc::invalid_argument);
    CHECK(run_swarm({.length = 25h}).error() == errc::invalid_argument);
    CHECK(run_swarm({.length = -1s}).error() == errc::invalid_argument);
    CHECK(run_swarm({.mutant = "gremlin"}).error() == errc::not_found);
}

TEST_CASE("swarm: planted bugs: each once, each breaks invariants that exist") {
    std::set<std::string_view> names;
    const auto exists = [](std::string_view name) {
        return std::ranges::find(invariants(), name, &InvariantInfo::name) != invariants().end();
    };
    for (const auto& mutant : mutants()) {
        CAPTURE(mutant.name);
        CHECK(names.insert(mutant.name).second);
        CHECK_FALSE(mutant.what.empty());
        CHECK(exists(mutant.invariant));
        for (std::string_view rest = mutant.also; !rest.empty();) {
            const auto end = std::min(rest.find(','), rest.size());
            CHECK(exists(rest.substr(0, end)));
            rest.remove_prefix(std::min(end + 1, rest.size()));
        }
    }
}

TEST_CASE("swarm: a planted bug is asked for that there is not: a clear error, and none stays") {
    const auto unknown = run_swarm({.mutant = "gremlin"});
    REQUIRE_FALSE(unknown);
    CHECK(unknown.error() == errc::not_found);
    CHECK(unknown.error().detail().contains("gremlin"));
    CHECK(unknown.error().detail().contains(mutants().empty() ? "-Dmutants=true" : "--list"));
    if (mutants().empty()) CHECK(run_swarm({.mutant = "skip_digest"}).error() == errc::not_found);
}
