#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "countersign/environment.h"
#include "countersign/error.h"

namespace countersign::sqlite {

/// A store's directory: `store.db` (and SQLite's `-wal` and `-shm` beside it), the locks `lock` and
/// `serving`, `marker`, and `links` while a process serves.
class Directory {
  public:
    /// How long a writer waits for another process.
    static constexpr milliseconds default_patience{10'000};

    /// Held for every write transaction and checkpoint, taken before SQLite's own lock: before its
    /// release 3.51.3 a checkpoint that races with a reset of the log can corrupt the file.
    class WriteLock {
      public:
        WriteLock(WriteLock&&) noexcept = default;
        WriteLock& operator=(WriteLock&&) = delete;
        ~WriteLock() {
            if (mutex_.owns_lock()) file_->unlock();
        }

      private:
        friend class Directory;
        WriteLock(std::unique_lock<std::mutex> mutex, FileLock* file)
            : mutex_(std::move(mutex)), file_(file) {}
        std::unique_lock<std::mutex> mutex_;
        FileLock* file_;
    };

    /// Makes the directory, mode 0700, or takes one without a store. To be alone in making the
    /// store's file, take the write lock and ask `holds_store()` again. Errors: errc::store_exists,
    /// errc::not_found (its parent), errc::read_only, errc::disk_full, errc::io_error.
    static Result<Directory> create(const std::string& path, Environment& environment);
    /// `environment` outlives the directory, here and in `create`. Errors: errc::not_a_store,
    /// errc::read_only, errc::io_error.
    static Result<Directory> open(const std::string& path, Environment& environment);

    /// Waits for this process's other writers, then at most `patience` for another's. Errors:
    /// errc::busy, errc::io_error.
    Result<WriteLock> write_lock(milliseconds patience = default_patience);
    /// Held by the one process that keeps the directory's links. Errors: errc::already_served,
    /// errc::read_only, errc::io_error.
    Result<std::unique_ptr<FileLock>> serve();

    bool holds_store() const { return identity().has_value(); }
    /// The identity of `store.db`, for the marker.
    std::optional<FileIdentity> identity() const { return environment_->identify(database_path()); }

    const std::string& path() const noexcept { return path_; }
    std::string database_path() const { return path_ + "/store.db"; }
    std::string lock_path() const { return path_ + "/lock"; }
    std::string serving_path() const { return path_ + "/serving"; }
    std::string marker_path() const { return path_ + "/marker"; }
    std::string links_path() const { return path_ + "/links"; }
    Environment& environment() const noexcept { return *environment_; }

  private:
    struct Locks {
        std::mutex mutex;
        std::unique_ptr<FileLock> file;
    };
    Directory(std::string path, Environment& environment)
        : path_(std::move(path)), environment_(&environment), locks_(std::make_unique<Locks>()) {}
    Result<void> open_lock();

    std::string path_;
    Environment* environment_;
    std::unique_ptr<Locks> locks_;
};

}  // namespace countersign::sqlite
