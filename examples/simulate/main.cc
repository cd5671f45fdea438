// Runs pools under faults, seed after seed, and says what did not hold: countersign-simulate.
#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <future>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "countersign/swarm.h"

namespace cs = countersign;
namespace sim = countersign::simulation;

namespace {

constexpr int held = 0;
constexpr int violated = 1;
constexpr int usage = 2;

struct Arguments {
    std::uint64_t first_seed = 1;
    std::uint64_t seeds = 1;
    std::uint64_t seconds = 0;
    std::size_t jobs = 1;
    bool list = false;
    bool twice = false;
    bool all_faults = false;
    bool until_found = false;
    bool traces = false;
    std::size_t trace = 40;
    sim::SwarmOptions swarm;
};

template <class Row>
void print_rows(const char* heading, std::span<const Row> rows) {
    std::printf("%s\n", heading);
    for (const auto& row : rows) {
        std::printf("  %-22.*s %.*s\n",
                    static_cast<int>(row.name.size()),
                    row.name.data(),
                    static_cast<int>(row.what.size()),
                    row.what.data());
    }
}

void print_mutants() {
    std::puts("mutants");
    for (const auto& mutant : sim::mutants()) {
        std::string shown_by(mutant.invariant);
        if (!mutant.also.empty()) shown_by += "," + std::string(mutant.also);
        std::printf("  %-22s %s: %s\n",
                    std::string(mutant.name).c_str(),
                    shown_by.c_str(),
                    std::string(mutant.what).c_str());
    }
    if (sim::mutants().empty()) std::puts("  (none in this build; configure with -Dmutants=true)");
}

int list() {
    print_rows("faults", sim::faults());
    print_rows("invariants", sim::invariants());
    print_mutants();
    return held;
}

/// The one command that goes the same way again.
std::string replay_of(const Arguments& arguments, std::uint64_t seed) {
    std::string command =
        "countersign-simulate --first-seed " + std::to_string(seed) + " --seeds 1";
    for (const auto& fault : arguments.swarm.faults) command += " --fault " + fault;
    if (arguments.swarm.sites) command += " --sites " + std::to_string(arguments.swarm.sites);
    if (arguments.seconds) command += " --length " + std::to_string(arguments.seconds);
    if (!arguments.swarm.mutant.empty()) command += " --mutant " + arguments.swarm.mutant;
    return command;
}

void print_failure(const Arguments& arguments, const sim::SwarmReport& report) {
    std::printf("\nseed %llu\n  drawn: %s\n",
                static_cast<unsigned long long>(report.seed),
                report.drawn.c_str());
    const std::size_t from =
        report.trace.size() > arguments.trace ? report.trace.size() - arguments.trace : 0;
    for (std::size_t i = from; i < report.trace.size(); ++i) {
        std::printf("  %s\n", report.trace[i].c_str());
    }
    for (const auto& each : report.violations) {
        std::printf("  VIOLATED %s: %s\n", each.invariant.c_str(), each.what.c_str());
    }
    std::printf("  again: %s\n", replay_of(arguments, report.seed).c_str());
}

class Totals {
  public:
    void add(const sim::SwarmReport& report) {
        for (const auto& [name, times] : report.fired) fired_[name] += times;
        for (const auto& [name, times] : report.checked) checked_[name] += times;
        simulated_ += report.simulated;
        ++runs_;
        if (!report.violations.empty()) ++failed_;
    }

    /// False: a fault never happened, or an invariant was never looked at, in all these runs.
    bool print(bool must_have_all) const {
        const auto took = std::chrono::steady_clock::now() - began_;
        const double seconds = std::chrono::duration<double>(took).count();
        const double virtual_seconds = std::chrono::duration<double>(simulated_).count();
        bool complete = true;
        std::printf("\nfaults that happened\n");
        for (const auto& fault : sim::faults()) complete &= print_row(fault.name, fired_);
        std::printf("invariants looked at\n");
        for (const auto& each : sim::invariants()) complete &= print_row(each.name, checked_);
        std::printf(
            "%llu runs, %llu failed; %.0f s of virtual time in %.1f s: %.0f times as fast\n",
            static_cast<unsigned long long>(runs_),
            static_cast<unsigned long long>(failed_),
            virtual_seconds,
            seconds,
            virtual_seconds / seconds);
        if (must_have_all && !complete) std::puts("a fault or invariant above has 0: FAILED");
        return failed_ == 0 && (complete || !must_have_all);
    }

  private:
    using Counts = std::map<std::string, std::uint64_t>;
    static bool print_row(std::string_view name, const Counts& counts) {
        const auto found = counts.find(std::string(name));
        const std::uint64_t times = found == counts.end() ? 0 : found->second;
        std::printf("  %-22.*s %12llu\n",
                    static_cast<int>(name.size()),
                    name.data(),
                    static_cast<unsigned long long>(times));
        return times != 0;
    }

    const std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
    Counts fired_;
    Counts checked_;
    cs::milliseconds simulated_{};
    std::uint64_t runs_ = 0;
    std::uint64_t failed_ = 0;
};

/// Whether the same seed goes the same way.
bool repeats(const Arguments& arguments, const sim::SwarmReport& first) {
    auto options = arguments.swarm;
    options.seed = first.seed;
    const auto second = sim::run_swarm(options);
    if (second && second->trace_hash == first.trace_hash) return true;
    std::printf("\nseed %llu went two ways; again: %s --twice\n",
                static_cast<unsigned long long>(first.seed),
                replay_of(arguments, first.seed).c_str());
    return false;
}

/// The runs of all seeds, several at a time, in the order of the seeds.
class Runs {
  public:
    explicit Runs(const Arguments& arguments) : arguments_(arguments) {}

    cs::Result<sim::SwarmReport> next() {
        while (begun_ < arguments_.seeds && running_.size() < arguments_.jobs) {
            auto options = arguments_.swarm;
            options.seed = arguments_.first_seed + begun_++;
            running_.push_back(std::async(
                std::launch::async, [options = std::move(options)] { return run_swarm(options); }));
        }
        auto report = running_.front().get();
        running_.pop_front();
        return report;
    }

  private:
    const Arguments& arguments_;
    std::uint64_t begun_ = 0;
    std::deque<std::future<cs::Result<sim::SwarmReport>>> running_;
};

int run(Arguments arguments) {
    arguments.swarm.length = std::chrono::seconds(arguments.seconds);
    Totals totals;
    Runs runs(arguments);
    bool repeated = true;
    for (std::uint64_t i = 0; i < arguments.seeds; ++i) {
        const auto report = runs.next();
        if (!report) {
            std::fprintf(stderr, "countersign-simulate: %s\n", report.error().message().c_str());
            return usage;
        }
        totals.add(*report);
        if (!report->violations.empty()) {
            print_failure(arguments, *report);
            if (arguments.until_found) {
                std::printf("found after %llu seeds: %s\n",
                            static_cast<unsigned long long>(i + 1),
                            report->violations.front().invariant.c_str());
                return violated;
            }
        } else if (arguments.seeds == 1) {
            std::printf("drawn: %s\n", report->drawn.c_str());
        }
        if (arguments.seeds == 1 || arguments.twice || arguments.traces) {
            std::printf("seed %llu trace %016llx\n",
                        static_cast<unsigned long long>(report->seed),
                        static_cast<unsigned long long>(report->trace_hash));
        }
        if (arguments.twice) repeated &= repeats(arguments, *report);
        std::fflush(stdout);
    }
    return totals.print(arguments.all_faults) && repeated ? held : violated;
}

}  // namespace

int main(int count, char** words) {
    Arguments arguments;
    CLI::App app(
        "Runs pools of countersign stores under faults that follow from seeds, and checks "
        "what must hold.\nExit status: 0 all held, 1 something did not, 2 wrong usage.");
    app.add_option("--first-seed", arguments.first_seed, "The first seed")->capture_default_str();
    app.add_option("--seeds", arguments.seeds, "How many seeds, one run each")
        ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1'000'000'000}))
        ->capture_default_str();
    app.add_option("--jobs", arguments.jobs, "How many runs at a time")
        ->check(CLI::Range(std::size_t{1}, std::size_t{256}))
        ->capture_default_str();
    app.add_option("--sites", arguments.swarm.sites, "3 to 9; otherwise drawn");
    app.add_option("--length",
                   arguments.seconds,
                   "Seconds of virtual time with faults; "
                   "otherwise drawn");
    app.add_option("--fault",
                   arguments.swarm.faults,
                   "Only these faults (repeatable), or none; otherwise drawn");
    app.add_option("--mutant", arguments.swarm.mutant, "Plant this bug");
    app.add_option("--trace", arguments.trace, "Lines of trace to print of a run that failed")
        ->capture_default_str();
    app.add_flag("--twice", arguments.twice, "Run each seed twice and compare");
    app.add_flag("--all-faults",
                 arguments.all_faults,
                 "Fail when a fault never happened or an invariant was never looked at");
    app.add_flag("--traces", arguments.traces, "Print each run's trace as one number");
    app.add_flag("--until-found", arguments.until_found, "Stop at the first violation");
    app.add_flag("--list", arguments.list, "Name all faults, invariants and planted bugs");
    try {
        app.parse(count, words);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? held : usage;
    }
    return arguments.list ? list() : run(std::move(arguments));
}
