#pragma once

#include <array>
#include <bit>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "simulation/disk_content.h"

namespace countersign::simulation {

/// What a disk is asked for. Combine them with `|`.
enum DiskCall : unsigned {
    disk_open = 1,
    disk_read = 2,
    disk_write = 4,
    disk_truncate = 8,
    disk_sync = 16,
    disk_sync_directory = 32,
    disk_create = 64,  ///< of a file's name; counted besides the opening
    disk_remove = 128,
    disk_rename = 256,
    disk_make_directory = 512,
    disk_size = 1024,
    disk_lock = 2048,
    disk_shared_memory = 4096,
    disk_any = 8191,
    /// What changes the disk, or what of it is durable.
    disk_changes = disk_write | disk_truncate | disk_sync | disk_sync_directory | disk_create |
                   disk_remove | disk_rename | disk_make_directory,
};
inline constexpr std::size_t disk_call_kinds = 13;
/// "open", "read", ... of one call.
const char* name(DiskCall call) noexcept;

/// How much of a failing call is done all the same. A failing sync does what
/// `FileContent::fail_sync` says, unless it is done whole.
enum class Effect : std::uint8_t { none, half, whole };

/// Which call fails, and how.
struct DiskFault {
    unsigned calls = disk_any;  ///< of `DiskCall`
    std::string path_suffix;    ///< only on paths that end so: "-wal"; empty: on all
    std::uint64_t nth = 1;      ///< counted from the planning of the fault, from 1
    int error = EIO;            ///< the system's: EIO, ENOSPC, EROFS, EACCES, ...
    bool for_good = false;      ///< every later call of these fails too
    Effect effect = Effect::none;
};

/// One call, as `Disk::watch` is told of it once it is done.
struct DiskEvent {
    DiskCall call{};
    std::string_view path;
    std::uint64_t offset = 0;
    std::uint64_t length = 0;
    int error = 0;  ///< the system's; 0: done
};

/// A copy of the files under one directory, as a backup or a clone of a machine has them.
struct DiskImage {
    struct Entry {
        std::string path;
        std::uint64_t inode = 0;
        bool is_directory = false;
        std::vector<std::byte> bytes;
    };
    std::string under;
    std::vector<Entry> entries;  ///< in the order of their paths
};

struct DiskOptions {
    std::uint64_t seed = 1;    ///< of all chances
    std::uint64_t device = 1;  ///< its number, as in `FileIdentity`
    /// Bytes that its files may have together; beyond: ENOSPC.
    std::uint64_t capacity = std::numeric_limits<std::uint64_t>::max();
    /// Whether it claims that a torn write leaves neighbouring bytes alone.
    bool powersafe_overwrite = true;
};

/// Identifies one life of a process among those that use a disk.
enum class ProcessId : std::uint64_t {};

struct OpenFile;
struct DiskFile;
struct SharedMemory;

/// What one machine's disk holds, in memory: files, what of them is durable, who has them open and
/// locked, and how all this fails. Nothing here reads a clock or depends on an address: the same
/// seed and calls, the same disk. Calls come from any thread.
///
/// Paths are absolute, as `normalised` gives them. Calls return 0 or the system's error.
class Disk {
  public:
    explicit Disk(const DiskOptions& options = {});
    ~Disk();
    Disk(const Disk&) = delete;
    Disk& operator=(const Disk&) = delete;

    // Faults.

    /// Plans one more fault.
    void plan(const DiskFault& fault);
    /// Forgets the plan, a planned stop and the counts.
    void heal();
    /// Calls that failed as planned, since the last `heal()`.
    std::uint64_t fired() const;
    /// Calls of these kinds since the last `heal()`.
    std::uint64_t calls(unsigned of) const;
    void set_capacity(std::uint64_t bytes);
    /// Turns one bit of a file over, durably. The file is at least `offset` + 1 bytes long.
    void flip(const std::string& path, std::uint64_t offset, unsigned bit);
    /// The system gives clean pages back: what failed syncs did not bring to the disk shows.
    void drop_caches();
    /// Told of each call, in their order, while the disk is locked: it must not call the disk.
    void watch(std::function<void(const DiskEvent&)> watcher);

    // Power and processes.

    ProcessId start_process();
    /// Ends a process as `kill -9` does: what it wrote stays, its locks are gone, and each later
    /// call through what it opened fails. The system writes on.
    void kill(ProcessId process);
    /// The power goes: every process ends, and what was not synced is damaged. Until `power_on()`
    /// every call fails.
    void power_off(Damage damage);
    void power_on();
    /// The power goes during the n-th of `disk_changes` from now, counted from 1: that call is as
    /// much done as `damage` has it, and fails.
    void stop_at(std::uint64_t n, Damage damage);
    bool is_on() const;

    // What is on it, past all faults.

    /// Of the directory `under` and all in it. `durable`: what would be there after a power cut
    /// that drops everything; else what the running system shows.
    DiskImage image(const std::string& under, bool durable) const;
    /// Puts an image's files where they were, instead of what is there, durably. With
    /// `same_inodes` as the device itself rolled back would have them, else as new files. No
    /// process has a file of them open.
    void put_back(const DiskImage& image, bool same_inodes);
    /// Removes a file, or a directory and all in it, durably.
    void erase(const std::string& path);
    std::vector<std::string> paths() const;
    std::optional<std::vector<std::byte>> content(const std::string& path) const;
    /// Bytes of all files and of SQLite's shared memory, as the capacity counts them.
    std::uint64_t bytes_held() const;
    /// Files and locks that processes have open.
    std::size_t open_handles() const;
    std::uint64_t device() const noexcept { return options_.device; }
    bool powersafe_overwrite() const noexcept { return options_.powersafe_overwrite; }

    // What processes ask of it.

    struct Opening {
        bool create = false;
        bool exclusive = false;   ///< with `create`: EEXIST where there is one
        bool is_unnamed = false;  ///< a temporary file that nobody else can open
        bool syncs_directory =
            false;  ///< if this makes the file, its first sync syncs its name too
    };
    [[nodiscard]] int open(ProcessId process,
                           const std::string& path,
                           const Opening& how,
                           std::unique_ptr<OpenFile>& opened);
    void close(std::unique_ptr<OpenFile> file);
    /// `got`: how many of the bytes there are.
    [[nodiscard]] int read(OpenFile& file,
                           std::uint64_t offset,
                           std::span<std::byte> into,
                           std::size_t& got);
    [[nodiscard]] int write(OpenFile& file, std::uint64_t offset, std::span<const std::byte> bytes);
    [[nodiscard]] int truncate(OpenFile& file, std::uint64_t size);
    [[nodiscard]] int sync(OpenFile& file);
    [[nodiscard]] int size(OpenFile& file, std::uint64_t& bytes);
    /// ENOENT where there is none.
    [[nodiscard]] int remove(ProcessId process, const std::string& path);
    [[nodiscard]] int sync_directory_of(ProcessId process, const std::string& path);
    [[nodiscard]] int rename(ProcessId process, const std::string& from, const std::string& to);
    /// EEXIST where there is something of that name.
    [[nodiscard]] int make_directory(ProcessId process, const std::string& path);
    struct Status {
        std::uint64_t inode = 0;
        std::uint64_t size = 0;
        bool is_directory = false;
    };
    std::optional<Status> status(ProcessId process, const std::string& path) const;
    /// The disk's own random numbers, for whom it serves.
    void fill_randomly(std::span<std::byte> bytes);

    /// SQLite's levels of locks on a database file (sqlite3.h: SQLITE_LOCK_*). EAGAIN: another
    /// has it.
    [[nodiscard]] int lock(OpenFile& file, int level);
    void unlock(OpenFile& file, int level);
    bool is_reserved(OpenFile& file) const;
    /// `flock`. EAGAIN: another has it.
    [[nodiscard]] int lock_whole(OpenFile& file);
    void unlock_whole(OpenFile& file);

    /// SQLite's shared memory beside a database file (sqlite3_io_methods: xShm...).
    static constexpr unsigned shared_locks = 8;
    /// `at`: null where there is no such region yet and `extend` is not set.
    [[nodiscard]] int map_shared(
        OpenFile& file, unsigned region, std::size_t size, bool extend, volatile void*& at);
    /// One or more of the eight locks, of both kinds. EAGAIN: another has one of them.
    [[nodiscard]] int lock_shared(OpenFile& file, unsigned first, unsigned count, bool exclusive);
    void unlock_shared(OpenFile& file, unsigned first, unsigned count);
    void unmap_shared(OpenFile& file);

  private:
    using FilePointer = std::shared_ptr<DiskFile>;
    using Names = std::map<std::string, FilePointer, std::less<>>;
    struct Change {
        std::string name;
        std::string from;  ///< of a renamed one
        FilePointer file;  ///< none: removed
    };
    struct Planned {
        DiskFault fault;
        std::uint64_t seen = 0;
    };
    struct Verdict {
        int error = 0;
        Effect effect = Effect::whole;
        bool fails_on_purpose = false;
        bool stops = false;
    };

    bool lives(ProcessId process) const noexcept;
    Verdict judge(DiskCall call, bool alive, std::string_view path);
    template <class Do>
    int step(DiskCall call,
             bool alive,
             std::string_view path,
             std::uint64_t offset,
             std::uint64_t length,
             Do act);
    void cut_power(Damage damage);
    void settle_names(Damage damage);
    void apply(Names& names, const Change& change);
    void put(const std::string& name, const FilePointer& file, const std::string& from = {});
    FilePointer find(std::string_view path) const;
    std::vector<FilePointer> all_files() const;
    FilePointer make_file(bool is_directory);
    int sync_names(bool alive, const std::string& path);
    bool has_room(std::uint64_t more) const noexcept;
    void end(OpenFile& file);
    void release_shared(OpenFile& file, unsigned locks);
    void leave_shared(OpenFile& file);
    void forget_if_gone(DiskFile& file);
    void count_used();

    const DiskOptions options_;
    mutable std::mutex mutex_;
    Draw draw_;
    Names names_;
    Names durable_names_;
    std::vector<Change> changed_names_;
    std::uint64_t next_inode_ = 2;
    std::uint64_t used_ = 0;
    std::uint64_t capacity_;

    std::vector<OpenFile*> open_files_;
    std::uint64_t next_process_ = 1;
    std::vector<ProcessId> processes_;

    bool on_ = true;
    std::uint64_t stop_in_ = 0;
    Damage stop_damage_{};
    std::vector<Planned> plan_;
    std::uint64_t fired_ = 0;
    std::array<std::uint64_t, disk_call_kinds> counts_{};
    std::function<void(const DiskEvent&)> watcher_;
};

/// Absolute, with single slashes and none at the end.
std::string normalised(std::string_view path);
/// The directory that a normalised path's name is in.
std::string parent_of(const std::string& path);

/// SQLite's `-shm`: made by the first who maps it, gone with the last.
struct SharedMemory {
    std::vector<std::unique_ptr<std::byte[]>> regions;
    std::size_t bytes = 0;
    std::array<int, Disk::shared_locks> holders{};  ///< -1: exclusively
};

/// What a name of the disk stands for; `Disk`'s own.
struct DiskFile {
    std::uint64_t inode = 0;
    bool is_directory = false;
    FileContent content;
    bool is_named = true;
    bool is_counted = true;  ///< its bytes are among `Disk::used_`
    unsigned openings = 0;
    const OpenFile* whole_holder = nullptr;
    unsigned readers = 0;  ///< SQLite's shared locks
    const OpenFile* reserved = nullptr;
    const OpenFile* pending = nullptr;
    const OpenFile* exclusive = nullptr;
    std::shared_ptr<SharedMemory> shared;
};

/// A handle of one process; its owner gives it back with `Disk::close`.
struct OpenFile {
    std::shared_ptr<DiskFile> file;
    std::string path;
    ProcessId process{};
    bool is_dead = false;
    bool is_unnamed = false;
    bool syncs_directory = false;
    int level = 0;  ///< SQLITE_LOCK_*
    std::shared_ptr<SharedMemory> shared;
    unsigned shared_held = 0;     ///< bits of the eight locks
    unsigned exclusive_held = 0;  ///< bits of the eight locks
};

}  // namespace countersign::simulation
