#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "countersign/environment.h"

namespace countersign::testing {

/// The machine's real files, under clocks that stand still until they are moved, and with
/// randomness that follows from a seed: fit for tests only. Calls come from any thread.
class TestEnvironment final : public Environment {
  public:
    explicit TestEnvironment(std::uint64_t seed = 1);

    /// Time passes: both clocks move.
    void pass(milliseconds time);
    /// Somebody sets the wall clock; the other does not notice.
    void set_wall(UnixTime time);
    UnixTime wall();
    void set_machine_id(std::string id);
    /// As after each start of the machine; without it no process relies on another's instants.
    void set_boot_id(std::string id);
    void set_vfs(std::string name);
    /// From now on writing a file whose path ends so gives this error.
    void refuse_to_write(std::string path_suffix, errc error);
    void allow_all_writes();

    Now now() override;
    void random(std::span<std::byte> bytes) override;
    std::string machine_id() override;
    std::string boot_id() override;
    std::string sqlite_vfs() override;
    Result<std::optional<std::vector<std::byte>>> read_file(const std::string& path,
                                                            std::size_t limit) override;
    Result<void> write_file(const std::string& path,
                            std::span<const std::byte> bytes,
                            bool durable) override;
    Result<void> make_directory(const std::string& path) override;
    Result<void> remove_file(const std::string& path) override;
    std::optional<FileIdentity> identify(const std::string& path) override;
    Result<std::unique_ptr<FileLock>> open_lock(const std::string& path) override;

  private:
    const std::shared_ptr<Environment> machine_ = system_environment();
    std::mutex mutex_;
    std::mt19937_64 draw_;
    Now now_{.wall = UnixTime(std::chrono::seconds{1'790'000'010}),
             .monotonic = Instant(std::chrono::hours{1000})};
    std::string machine_id_ = "machine-1";
    std::string boot_id_;
    std::string vfs_;
    std::vector<std::pair<std::string, errc>> refused_;
};

}  // namespace countersign::testing
