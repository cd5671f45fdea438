#include "support/faulty_vfs.h"

#include <atomic>
#include <cassert>
#include <cerrno>
#include <new>
#include <utility>

#include <sqlite3.h>

namespace countersign::testing {

namespace {

/// One open file: ours in front, the default VFS's behind it in the same piece of memory.
struct File {
    sqlite3_file base;  ///< first, so that SQLite's pointer is ours
    FaultyVfs* faults;
    const char* name;
    sqlite3_file* real;
};

File& ours(sqlite3_file* file) noexcept {
    return *reinterpret_cast<File*>(file);
}

const sqlite3_io_methods& real_methods(sqlite3_file* file) noexcept {
    return *ours(file).real->pMethods;
}

FaultyVfs::Verdict judge(sqlite3_file* file, Io call) {
    return ours(file).faults->judge(call, ours(file).name);
}

/// SQLite asks for `errno` after a call that failed.
int failed(const FaultyVfs::Verdict& verdict) noexcept {
    errno = verdict.system_errno;
    return verdict.code;
}

/// Makes a call that either happens whole or not at all.
template <class Call>
int judged(sqlite3_file* file, Io kind, Call call) {
    const auto verdict = judge(file, kind);
    if (verdict.code == SQLITE_OK) return call(*ours(file).real, real_methods(file));
    if (verdict.done_before) (void)call(*ours(file).real, real_methods(file));
    return failed(verdict);
}

int close_file(sqlite3_file* file) {
    return real_methods(file).xClose(ours(file).real);
}

int read(sqlite3_file* file, void* into, int size, sqlite3_int64 at) {
    return judged(file, io_read, [&](sqlite3_file& real, const sqlite3_io_methods& methods) {
        return methods.xRead(&real, into, size, at);
    });
}

int write(sqlite3_file* file, const void* from, int size, sqlite3_int64 at) {
    const auto verdict = judge(file, io_write);
    if (verdict.code == SQLITE_OK || verdict.done_before || verdict.half_written) {
        const int part = verdict.half_written ? size / 2 : size;
        const int code = real_methods(file).xWrite(ours(file).real, from, part, at);
        if (verdict.code == SQLITE_OK) return code;
    }
    return failed(verdict);
}

int truncate(sqlite3_file* file, sqlite3_int64 size) {
    return judged(file, io_truncate, [&](sqlite3_file& real, const sqlite3_io_methods& methods) {
        return methods.xTruncate(&real, size);
    });
}

int sync(sqlite3_file* file, int flags) {
    return judged(file, io_sync, [&](sqlite3_file& real, const sqlite3_io_methods& methods) {
        return methods.xSync(&real, flags);
    });
}

int file_size(sqlite3_file* file, sqlite3_int64* size) {
    return judged(file, io_size, [&](sqlite3_file& real, const sqlite3_io_methods& methods) {
        return methods.xFileSize(&real, size);
    });
}

int lock(sqlite3_file* file, int level) {
    return judged(file, io_lock, [&](sqlite3_file& real, const sqlite3_io_methods& methods) {
        return methods.xLock(&real, level);
    });
}

int unlock(sqlite3_file* file, int level) {
    return real_methods(file).xUnlock(ours(file).real, level);
}

int check_reserved_lock(sqlite3_file* file, int* held) {
    return real_methods(file).xCheckReservedLock(ours(file).real, held);
}

int file_control(sqlite3_file* file, int operation, void* argument) {
    return real_methods(file).xFileControl(ours(file).real, operation, argument);
}

int sector_size(sqlite3_file* file) {
    return real_methods(file).xSectorSize(ours(file).real);
}

int device_characteristics(sqlite3_file* file) {
    const int real = real_methods(file).xDeviceCharacteristics(ours(file).real);
    return ours(file).faults->powersafe_overwrite() ? real
                                                    : real & ~SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

int map_shared(sqlite3_file* file, int region, int size, int extend, void volatile** at) {
    const auto verdict = judge(file, io_shared_memory);
    if (verdict.code != SQLITE_OK) {
        *at = nullptr;
        return failed(verdict);
    }
    return real_methods(file).xShmMap(ours(file).real, region, size, extend, at);
}

int lock_shared(sqlite3_file* file, int offset, int count, int flags) {
    const auto call = [&] {
        return real_methods(file).xShmLock(ours(file).real, offset, count, flags);
    };
    if ((flags & SQLITE_SHM_UNLOCK) != 0) return call();
    const auto verdict = judge(file, io_lock);
    return verdict.code == SQLITE_OK ? call() : failed(verdict);
}

void shared_barrier(sqlite3_file* file) {
    real_methods(file).xShmBarrier(ours(file).real);
}

int unmap_shared(sqlite3_file* file, int remove) {
    return real_methods(file).xShmUnmap(ours(file).real, remove);
}

// Version 2: memory-mapped reads, which would pass the faults by, are not offered.
const sqlite3_io_methods methods_in_front = {
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

sqlite3_vfs& default_vfs() {
    static sqlite3_vfs* const vfs = sqlite3_vfs_find(nullptr);
    assert(vfs);
    return *vfs;
}

FaultyVfs& faults_of(sqlite3_vfs* vfs) noexcept {
    return *static_cast<FaultyVfs*>(vfs->pAppData);
}

int open(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* out_flags) {
    file->pMethods = nullptr;
    const auto verdict = faults_of(vfs).judge(io_open, name ? name : "");
    if (verdict.code != SQLITE_OK) return failed(verdict);
    auto* const real =
        reinterpret_cast<sqlite3_file*>(reinterpret_cast<char*>(file) + sizeof(File));
    const int code = default_vfs().xOpen(&default_vfs(), name, real, flags, out_flags);
    if (real->pMethods) {
        new (file) File{.base = {.pMethods = &methods_in_front},
                        .faults = &faults_of(vfs),
                        .name = name ? name : "",
                        .real = real};
    }
    return code;
}

int remove(sqlite3_vfs* vfs, const char* name, int sync_directory) {
    const auto verdict = faults_of(vfs).judge(io_remove, name);
    if (verdict.code == SQLITE_OK || verdict.done_before) {
        const int code = default_vfs().xDelete(&default_vfs(), name, sync_directory);
        if (verdict.code == SQLITE_OK) return code;
    }
    return failed(verdict);
}

}  // namespace

FaultyVfs::FaultyVfs() {
    static std::atomic<int> made{0};
    name_ = "faulty-" + std::to_string(++made);
    auto* const vfs = new sqlite3_vfs(default_vfs());
    vfs->szOsFile = static_cast<int>(sizeof(File)) + default_vfs().szOsFile;
    vfs->pNext = nullptr;
    vfs->zName = name_.c_str();
    vfs->pAppData = this;
    vfs->xOpen = open;
    vfs->xDelete = remove;
    // The rest of the default VFS looks into its own pAppData not at all, or through `default_vfs`.
    vfs->xAccess = [](sqlite3_vfs*, const char* name, int flags, int* result) {
        return default_vfs().xAccess(&default_vfs(), name, flags, result);
    };
    vfs->xFullPathname = [](sqlite3_vfs*, const char* name, int size, char* out) {
        return default_vfs().xFullPathname(&default_vfs(), name, size, out);
    };
    [[maybe_unused]] const int code = sqlite3_vfs_register(vfs, 0);
    assert(code == SQLITE_OK);
    vfs_ = vfs;
}

FaultyVfs::~FaultyVfs() {
    auto* const vfs = static_cast<sqlite3_vfs*>(vfs_);
    sqlite3_vfs_unregister(vfs);
    delete vfs;
}

void FaultyVfs::plan(const Fault& fault) {
    assert(fault.code != SQLITE_OK && fault.nth > 0);
    const std::lock_guard guard(mutex_);
    plan_.push_back({.fault = fault});
}

void FaultyVfs::heal() {
    const std::lock_guard guard(mutex_);
    plan_.clear();
    counts_.clear();
    fired_ = 0;
    crashed_ = false;
}

void FaultyVfs::crash() {
    const std::lock_guard guard(mutex_);
    crashed_ = true;
}

void FaultyVfs::claim_powersafe_overwrite(bool claimed) {
    const std::lock_guard guard(mutex_);
    powersafe_ = claimed;
}

bool FaultyVfs::powersafe_overwrite() const {
    const std::lock_guard guard(mutex_);
    return powersafe_;
}

int FaultyVfs::calls(unsigned of, std::string_view file_suffix) const {
    const std::lock_guard guard(mutex_);
    int sum = 0;
    for (const Counted& counted : counts_) {
        if ((counted.call & of) != 0 && counted.file.ends_with(file_suffix)) sum += counted.count;
    }
    return sum;
}

int FaultyVfs::fired() const {
    const std::lock_guard guard(mutex_);
    return fired_;
}

FaultyVfs::Verdict FaultyVfs::judge(Io call, std::string_view file) {
    const std::lock_guard guard(mutex_);
    if (crashed_) return {.code = SQLITE_IOERR, .system_errno = EIO};
    bool counted = false;
    for (Counted& known : counts_) {
        if (known.call != call || known.file != file) continue;
        ++known.count;
        counted = true;
        break;
    }
    if (!counted) counts_.push_back({.call = call, .file = std::string(file), .count = 1});
    Verdict verdict;
    for (Planned& planned : plan_) {
        const Fault& fault = planned.fault;
        if ((fault.calls & call) == 0 || !file.ends_with(fault.file_suffix)) continue;
        ++planned.seen;
        const bool fires = fault.for_good ? planned.seen >= fault.nth : planned.seen == fault.nth;
        if (!fires || verdict.code != SQLITE_OK) continue;
        verdict = {.code = fault.code,
                   .system_errno = fault.system_errno,
                   .half_written = fault.half_written,
                   .done_before = fault.done_before};
    }
    if (verdict.code != SQLITE_OK) ++fired_;
    return verdict;
}

}  // namespace countersign::testing
