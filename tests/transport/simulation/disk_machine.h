#pragma once

#include <memory>
#include <mutex>
#include <random>
#include <string>

#include "countersign/options.h"
#include "countersign/store.h"

#include "simulation/disk_environment.h"

namespace countersign::testing {

/// One run of a program on a virtual disk; clocks that move when told or when SQLite waits, and
/// randomness from a seed.
class DiskRun final : public simulation::DiskEnvironment {
  public:
    DiskRun(std::shared_ptr<simulation::Disk> disk,
            std::uint64_t seed,
            std::string machine_id,
            std::chrono::seconds since_start);

    void pass(milliseconds time);
    /// From now on the random numbers are those of this seed.
    void reseed(std::uint64_t seed);
    UnixTime wall() { return now().wall; }

    Now now() override;
    void random(std::span<std::byte> bytes) override;
    std::string machine_id() override { return machine_id_; }

  private:
    std::mutex mutex_;
    std::mt19937_64 draw_;
    const std::string machine_id_;
    Now now_;
};

/// A machine with one store in `/site/store`.
struct DiskMachine {
    explicit DiskMachine(const simulation::DiskOptions& disk_options = {},
                         std::string machine_id = "machine-1");

    /// The next run of the program: options for `create` and `open`.
    Options start();
    /// The power comes back after a cut.
    void power_on() { disk->power_on(); }

    std::shared_ptr<simulation::Disk> disk;
    std::shared_ptr<DiskRun> run;  ///< the newest
    std::string machine_id;
    std::uint64_t runs = 0;
};

}  // namespace countersign::testing
