#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "countersign/error.h"
#include "countersign/time.h"

namespace countersign {

/// Which file a path names, so that a copied or restored directory can be told from the original.
struct FileIdentity {
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    friend bool operator==(const FileIdentity&, const FileIdentity&) = default;
};

/// An exclusive lock between processes, named by a file. Dropping the object unlocks it.
class FileLock {
  public:
    virtual ~FileLock() = default;
    /// Waits at most `patience`. Errors: errc::busy when another process holds it, errc::io_error.
    virtual Result<void> lock(milliseconds patience) = 0;
    virtual void unlock() noexcept = 0;
};

/// Where the library gets time, randomness and files from. Production uses the real ones; a
/// simulator brings its own, and then nothing else tells the two apart. Calls come from any thread.
class Environment {
  public:
    virtual ~Environment() = default;

    virtual Now now() = 0;
    /// False where time stands still as long as a call lasts, as in a simulation on one thread:
    /// what would wait for other nodes is then errc::timed_out at once.
    virtual bool time_passes_in_calls() { return true; }
    /// Fills `bytes` with random bytes fit for keys.
    virtual void random(std::span<std::byte> bytes) = 0;

    /// A name that this machine keeps for life and shares with no other. Empty: none is known.
    virtual std::string machine_id() = 0;
    /// A name of this run of the machine: processes with one name share one monotonic clock. Empty:
    /// none is known, and then no process relies on another's instants.
    virtual std::string boot_id() { return {}; }
    /// The name of a registered SQLite VFS; empty: SQLite's default.
    virtual std::string sqlite_vfs() = 0;

    /// No value when there is no such file. At most `limit` bytes: errc::too_large above.
    /// Errors: errc::io_error, errc::read_only (no permission).
    virtual Result<std::optional<std::vector<std::byte>>> read_file(const std::string& path,
                                                                    std::size_t limit) = 0;
    /// Replaces a file whole, mode 0600, through a temporary beside it; with `durable`, file and
    /// name are on disk on return.
    /// Errors: errc::disk_full, errc::read_only, errc::io_error; the old file then stays.
    virtual Result<void> write_file(const std::string& path,
                                    std::span<const std::byte> bytes,
                                    bool durable) = 0;
    /// Makes a directory, mode 0700 and on disk on return, unless there is one already.
    /// Errors: errc::not_found (its parent), errc::read_only, errc::disk_full, errc::io_error.
    virtual Result<void> make_directory(const std::string& path) = 0;
    /// Removes a file's name, durably; that there is none is success.
    /// Errors: errc::read_only, errc::io_error.
    virtual Result<void> remove_file(const std::string& path) = 0;
    /// No value when there is no such file.
    virtual std::optional<FileIdentity> identify(const std::string& path) = 0;
    /// A lock, not yet held, on a file that is made if need be and never removed.
    /// Errors: errc::read_only, errc::io_error.
    virtual Result<std::unique_ptr<FileLock>> open_lock(const std::string& path) = 0;
};

/// The machine's own clocks, random numbers and files.
std::shared_ptr<Environment> system_environment();

}  // namespace countersign
