#pragma once

#include <cerrno>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace countersign::testing {

/// The calls of a SQLite VFS that can fail. Combine them with `|`.
enum Io : unsigned {
    io_open = 1,
    io_read = 2,
    io_write = 4,
    io_truncate = 8,
    io_sync = 16,
    io_size = 32,
    io_remove = 64,
    io_lock = 128,
    io_shared_memory = 256,
    io_any = 511,
};

/// Which call fails, and how.
struct Fault {
    unsigned calls = io_any;    ///< of `Io`
    std::string file_suffix;    ///< only on files whose names end so: "-wal"; empty: on all
    int nth = 1;                ///< counted from the planning of the fault, from 1
    int code = 0;               ///< the SQLite result code that the call gives
    int system_errno = EIO;     ///< what the system seems to have said
    bool for_good = false;      ///< every later call of these fails too
    bool half_written = false;  ///< a failing write first writes the first half of its bytes
    bool done_before = false;   ///< the call takes effect, and then reports failure
};

/// SQLite's default VFS, but calls fail as planned. One object is one VFS with a name of its own;
/// it outlives every handle that was opened through it. Calls come from any thread.
class FaultyVfs {
  public:
    FaultyVfs();
    FaultyVfs(const FaultyVfs&) = delete;
    FaultyVfs& operator=(const FaultyVfs&) = delete;
    ~FaultyVfs();

    const std::string& name() const noexcept { return name_; }

    /// Plans one more fault.
    void plan(const Fault& fault);
    /// Forgets the plan, the counts, and the crash.
    void heal();
    /// From now on no call changes a file: each fails, as if the process were gone. Locks are still
    /// given back.
    void crash();
    /// Claims, or not, that a torn write leaves neighbouring bytes alone; the default VFS claims
    /// it.
    void claim_powersafe_overwrite(bool claimed);

    /// Calls of these kinds since the last `heal()`, on files whose names end so.
    int calls(unsigned of, std::string_view file_suffix = {}) const;
    /// Calls that failed as planned, since the last `heal()`.
    int fired() const;

    struct Verdict {
        int code = 0;  ///< 0: the call goes through
        int system_errno = 0;
        bool half_written = false;
        bool done_before = false;
    };
    /// For the VFS itself: counts the call and says what becomes of it.
    Verdict judge(Io call, std::string_view file);
    bool powersafe_overwrite() const;

  private:
    struct Planned {
        Fault fault;
        int seen = 0;
    };
    struct Counted {
        Io call;
        std::string file;
        int count;
    };

    mutable std::mutex mutex_;
    std::string name_;
    void* vfs_ = nullptr;
    std::vector<Planned> plan_;
    std::vector<Counted> counts_;
    int fired_ = 0;
    bool crashed_ = false;
    bool powersafe_ = true;
};

}  // namespace countersign::testing
