#include "transport/simulation/disk_machine.h"

#include <utility>

#include "support/store_fixture.h"

namespace countersign::testing {

using namespace simulation;

DiskRun::DiskRun(std::shared_ptr<Disk> disk,
                 std::uint64_t seed,
                 std::string machine_id,
                 std::chrono::seconds since_start)
    : DiskEnvironment(std::move(disk),
                      {.wall = [this] { return wall(); },
                       .sleep =
                           [this](std::chrono::microseconds time) {
                               pass(std::chrono::ceil<milliseconds>(time));
                           }}),
      draw_(seed),
      machine_id_(std::move(machine_id)),
      now_{.wall = UnixTime(std::chrono::seconds{1'790'000'010} + since_start),
           .monotonic = Instant(std::chrono::hours{1000} + since_start)} {}

void DiskRun::pass(milliseconds time) {
    const std::lock_guard guard(mutex_);
    now_.wall += time;
    now_.monotonic += time;
}

void DiskRun::reseed(std::uint64_t seed) {
    const std::lock_guard guard(mutex_);
    draw_.seed(seed);
}

Now DiskRun::now() {
    const std::lock_guard guard(mutex_);
    return now_;
}

void DiskRun::random(std::span<std::byte> bytes) {
    const std::lock_guard guard(mutex_);
    for (std::byte& byte : bytes) byte = static_cast<std::byte>(draw_() & 0xff);
}

DiskMachine::DiskMachine(const DiskOptions& disk_options, std::string id)
    : disk(std::make_shared<Disk>(disk_options)), machine_id(std::move(id)) {
    const auto process = disk->start_process();
    for (const char* path : {"/site"}) {
        REQUIRE(disk->make_directory(process, path) == 0);
        REQUIRE(disk->sync_directory_of(process, path) == 0);
    }
    disk->kill(process);
}

Options DiskMachine::start() {
    // Each run draws other numbers and begins a minute after the last.
    ++runs;
    run = std::make_shared<DiskRun>(
        disk, disk->device() * 1000 + runs, machine_id, std::chrono::seconds(60 * runs));
    Options options;
    options.directory = "/site/store";
    options.node_name = "hq";
    options.key_provider = memory_key();
    options.environment = run;
    options.pool.hash_memory_kib = 8;
    options.pool.hash_passes = 1;
    return options;
}

}  // namespace countersign::testing
