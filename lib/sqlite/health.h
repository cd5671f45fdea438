#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>

#include "countersign/error.h"

namespace countersign::sqlite {

struct OpenOptions;

/// Whether what one store's handles read can be believed. All handles of a process on one file
/// share one. After a failed sync the system may hold pages that the disk does not, so from then on
/// every read and write of every handle gives errc::outcome_unknown, until `recover()`.
class Health {
  public:
    bool sound() const noexcept { return state_.load(std::memory_order_acquire) == State::sound; }
    /// Recovery failed: nothing is read or written until the store is opened anew.
    bool stopped() const noexcept {
        return state_.load(std::memory_order_acquire) == State::stopped;
    }
    /// Errors: errc::outcome_unknown, and why.
    Result<void> check() const;
    void suspect(std::string why);

    /// How many handles are open.
    int handles() const noexcept { return handles_.load(std::memory_order_acquire); }

  private:
    friend class Connection;
    friend Result<void> recover(const std::string& path, const OpenOptions& options);

    enum class State { sound, suspect, stopped };
    std::atomic<State> state_{State::sound};
    std::atomic<int> handles_{0};
    mutable std::mutex mutex_;
    std::string why_;
};

/// Makes sure of what the disk holds after a sync failed: a new handle writes the write-ahead log
/// over itself (`Database::rewrite_log`), and `options.health` is sound again. What a checkpoint
/// could not sync is in that log still. The caller holds the directory's write lock and has closed
/// every other handle. Whether the write whose sync failed took effect is to be read from the
/// database afterwards. Nothing to do: success. Errors: errc::busy (handles are open here),
/// errc::disk_full (call again); errc::outcome_unknown (it failed too: stopped for good; open the
/// store anew once the disk is well).
Result<void> recover(const std::string& path, const OpenOptions& options);

}  // namespace countersign::sqlite
