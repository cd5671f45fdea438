#include "simulation/disk_vfs.h"

#include <atomic>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <new>
#include <utility>

#include <sqlite3.h>

namespace countersign::simulation {

namespace {

constexpr int sector_bytes = 4096;
constexpr int longest_path = 512;

/// What SQLite holds of an open file; in memory that it gives us.
struct Handle {
    sqlite3_file base;  ///< first, so that SQLite's pointer is ours
    DiskVfs* vfs;
    OpenFile* file;
    bool deletes_on_close;
    bool powersafe_overwrite;
};

Handle& ours(sqlite3_file* file) noexcept {
    return *reinterpret_cast<Handle*>(file);
}

Disk& disk_of(sqlite3_file* file) noexcept {
    return ours(file).vfs->disk();
}

DiskVfs& ours(sqlite3_vfs* vfs) noexcept {
    return *static_cast<DiskVfs*>(vfs->pAppData);
}

/// SQLite's code for a call that gave `error`; SQLite asks for `errno` afterwards.
int result(int error, int code) noexcept {
    if (error == 0) return SQLITE_OK;
    errno = error;
    return code;
}

int result_of_lock(int error, int code) noexcept {
    return error == EAGAIN ? SQLITE_BUSY : result(error, code);
}

int close_file(sqlite3_file* file) {
    Handle& handle = ours(file);
    const std::string path = handle.file->path;
    handle.vfs->disk().close(std::unique_ptr<OpenFile>(handle.file));
    if (handle.deletes_on_close && !path.empty()) {
        (void)handle.vfs->disk().remove(handle.vfs->process(), path);
    }
    return SQLITE_OK;
}

int read(sqlite3_file* file, void* into, int size, sqlite3_int64 at) {
    const std::span bytes(static_cast<std::byte*>(into), static_cast<std::size_t>(size));
    std::size_t got = 0;
    const int error =
        disk_of(file).read(*ours(file).file, static_cast<std::uint64_t>(at), bytes, got);
    if (error != 0) return result(error, SQLITE_IOERR_READ);
    if (got == bytes.size()) return SQLITE_OK;
    std::memset(bytes.data() + got, 0, bytes.size() - got);
    return SQLITE_IOERR_SHORT_READ;
}

int write(sqlite3_file* file, const void* from, int size, sqlite3_int64 at) {
    const std::span bytes(static_cast<const std::byte*>(from), static_cast<std::size_t>(size));
    const int error = disk_of(file).write(*ours(file).file, static_cast<std::uint64_t>(at), bytes);
    return result(error, error == ENOSPC ? SQLITE_FULL : SQLITE_IOERR_WRITE);
}

int truncate(sqlite3_file* file, sqlite3_int64 size) {
    return result(disk_of(file).truncate(*ours(file).file, static_cast<std::uint64_t>(size)),
                  SQLITE_IOERR_TRUNCATE);
}

int sync(sqlite3_file* file, int) {
    return result(disk_of(file).sync(*ours(file).file), SQLITE_IOERR_FSYNC);
}

int file_size(sqlite3_file* file, sqlite3_int64* size) {
    std::uint64_t bytes = 0;
    const int error = disk_of(file).size(*ours(file).file, bytes);
    *size = static_cast<sqlite3_int64>(bytes);
    return result(error, SQLITE_IOERR_FSTAT);
}

int lock(sqlite3_file* file, int level) {
    return result_of_lock(disk_of(file).lock(*ours(file).file, level), SQLITE_IOERR_LOCK);
}

int unlock(sqlite3_file* file, int level) {
    disk_of(file).unlock(*ours(file).file, level);
    return SQLITE_OK;
}

int check_reserved_lock(sqlite3_file* file, int* held) {
    *held = disk_of(file).is_reserved(*ours(file).file) ? 1 : 0;
    return SQLITE_OK;
}

int file_control(sqlite3_file* file, int operation, void* argument) {
    Handle& handle = ours(file);
    switch (operation) {
        case SQLITE_FCNTL_POWERSAFE_OVERWRITE: {
            int& on = *static_cast<int*>(argument);
            if (on < 0) {
                on = handle.powersafe_overwrite ? 1 : 0;
            } else {
                handle.powersafe_overwrite = on != 0;
            }
            return SQLITE_OK;
        }
        case SQLITE_FCNTL_LOCKSTATE:
            *static_cast<int*>(argument) = handle.file->level;
            return SQLITE_OK;
        default:
            return SQLITE_NOTFOUND;
    }
}

int sector_size(sqlite3_file*) {
    return sector_bytes;
}

int device_characteristics(sqlite3_file* file) {
    return ours(file).powersafe_overwrite ? SQLITE_IOCAP_POWERSAFE_OVERWRITE : 0;
}

int map_shared(sqlite3_file* file, int region, int size, int extend, void volatile** at) {
    const int error = disk_of(file).map_shared(*ours(file).file,
                                               static_cast<unsigned>(region),
                                               static_cast<std::size_t>(size),
                                               extend != 0,
                                               *at);
    return result(error, error == ENOSPC ? SQLITE_IOERR_SHMSIZE : SQLITE_IOERR_SHMMAP);
}

int lock_shared(sqlite3_file* file, int first, int count, int flags) {
    Handle& handle = ours(file);
    const auto from = static_cast<unsigned>(first);
    const auto many = static_cast<unsigned>(count);
    if ((flags & SQLITE_SHM_UNLOCK) != 0) {
        handle.vfs->disk().unlock_shared(*handle.file, from, many);
        return SQLITE_OK;
    }
    const bool exclusive = (flags & SQLITE_SHM_EXCLUSIVE) != 0;
    return result_of_lock(handle.vfs->disk().lock_shared(*handle.file, from, many, exclusive),
                          SQLITE_IOERR_SHMLOCK);
}

void shared_barrier(sqlite3_file*) {
    std::atomic_thread_fence(std::memory_order_seq_cst);
}

int unmap_shared(sqlite3_file* file, int) {
    disk_of(file).unmap_shared(*ours(file).file);
    return SQLITE_OK;
}

const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = close_file,
    .xRead = read,
    .xWrite = write,
    .xTruncate = truncate,
    .xSync = sync,
    .xFileSize = file_size,
    .xLock = lock,
    .xUnlock = unlock,
    .xCheckReservedLock = check_reserved_lock,
    .xFileControl = file_control,
    .xSectorSize = sector_size,
    .xDeviceCharacteristics = device_characteristics,
    .xShmMap = map_shared,
    .xShmLock = lock_shared,
    .xShmBarrier = shared_barrier,
    .xShmUnmap = unmap_shared,
    .xFetch = nullptr,
    .xUnfetch = nullptr,
};

int open(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* out_flags) {
    file->pMethods = nullptr;
    DiskVfs& mine = ours(vfs);
    const Disk::Opening how{
        .create = (flags & SQLITE_OPEN_CREATE) != 0,
        .exclusive = (flags & SQLITE_OPEN_EXCLUSIVE) != 0,
        .is_unnamed = !name,
        .syncs_directory =
            (flags & (SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_SUPER_JOURNAL)) != 0,
    };
    std::unique_ptr<OpenFile> opened;
    if (const int error =
            mine.disk().open(mine.process(), name ? normalised(name) : "", how, opened)) {
        return result(error, SQLITE_CANTOPEN);
    }
    new (file) Handle{.base = {.pMethods = &methods},
                      .vfs = &mine,
                      .file = opened.release(),
                      .deletes_on_close = (flags & SQLITE_OPEN_DELETEONCLOSE) != 0,
                      .powersafe_overwrite = mine.disk().powersafe_overwrite()};
    if (out_flags) *out_flags = flags;
    return SQLITE_OK;
}

int remove(sqlite3_vfs* vfs, const char* name, int sync_directory) {
    DiskVfs& mine = ours(vfs);
    const std::string path = normalised(name);
    const int error = mine.disk().remove(mine.process(), path);
    if (error == ENOENT) return result(error, SQLITE_IOERR_DELETE_NOENT);
    if (error != 0) return result(error, SQLITE_IOERR_DELETE);
    if (sync_directory == 0) return SQLITE_OK;
    return result(mine.disk().sync_directory_of(mine.process(), path), SQLITE_IOERR_DIR_FSYNC);
}

int access(sqlite3_vfs* vfs, const char* name, int flags, int* found) {
    DiskVfs& mine = ours(vfs);
    const auto status = mine.disk().status(mine.process(), normalised(name));
    // A file without bytes is as good as none: a log that was truncated.
    const bool exists = status && (status->is_directory || status->size > 0);
    *found = (flags == SQLITE_ACCESS_EXISTS ? exists : status.has_value()) ? 1 : 0;
    return SQLITE_OK;
}

int full_path(sqlite3_vfs*, const char* name, int size, char* out) {
    const std::string path = normalised(name);
    if (path.size() >= static_cast<std::size_t>(size)) return SQLITE_CANTOPEN;
    std::memcpy(out, path.c_str(), path.size() + 1);
    return SQLITE_OK;
}

int random_bytes(sqlite3_vfs* vfs, int size, char* out) {
    ours(vfs).disk().fill_randomly(
        std::as_writable_bytes(std::span(out, static_cast<std::size_t>(size))));
    return size;
}

int sleep(sqlite3_vfs* vfs, int time) {
    const auto& clock = ours(vfs).clock();
    if (clock.sleep) clock.sleep(std::chrono::microseconds(time));
    return time;
}

int current_time(sqlite3_vfs* vfs, sqlite3_int64* julian) {
    constexpr sqlite3_int64 unix_epoch = 210'866'760'000'000;  // ms of the Julian day
    const auto& clock = ours(vfs).clock();
    const UnixTime now = clock.wall ? clock.wall() : UnixTime{};
    *julian = unix_epoch + now.time_since_epoch().count();
    return SQLITE_OK;
}

}  // namespace

DiskVfs::DiskVfs(std::shared_ptr<Disk> disk, ProcessId process, VfsClock clock)
    : disk_(std::move(disk)), process_(process), clock_(std::move(clock)) {
    static std::atomic<std::uint64_t> made{0};
    name_ = "countersign-disk-" + std::to_string(++made);
    auto* const vfs = new sqlite3_vfs{};
    vfs->iVersion = 2;
    vfs->szOsFile = static_cast<int>(sizeof(Handle));
    vfs->mxPathname = longest_path;
    vfs->zName = name_.c_str();
    vfs->pAppData = this;
    vfs->xOpen = open;
    vfs->xDelete = remove;
    vfs->xAccess = access;
    vfs->xFullPathname = full_path;
    vfs->xRandomness = random_bytes;
    vfs->xSleep = sleep;
    vfs->xCurrentTime = [](sqlite3_vfs* self, double* days) {
        sqlite3_int64 julian = 0;
        const int code = current_time(self, &julian);
        *days = static_cast<double>(julian) / 86'400'000.0;
        return code;
    };
    vfs->xGetLastError = [](sqlite3_vfs*, int, char*) { return errno; };
    vfs->xCurrentTimeInt64 = current_time;
    [[maybe_unused]] const int code = sqlite3_vfs_register(vfs, 0);
    assert(code == SQLITE_OK);
    vfs_ = vfs;
}

DiskVfs::~DiskVfs() {
    auto* const vfs = static_cast<sqlite3_vfs*>(vfs_);
    sqlite3_vfs_unregister(vfs);
    delete vfs;
}

}  // namespace countersign::simulation
