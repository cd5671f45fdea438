// Who may use a disk's file: SQLite's locks and shared memory, and `flock`.

#include <algorithm>
#include <cassert>

#include <sqlite3.h>

#include "simulation/disk_step.h"

namespace countersign::simulation {

namespace {

unsigned bits(unsigned first, unsigned count) noexcept {
    return ((1U << count) - 1U) << first;
}

}  // namespace

int Disk::lock(OpenFile& file, int level) {
    const std::lock_guard guard(mutex_);
    if (file.level >= level) return file.is_dead || !on_ ? EIO : 0;
    return step(disk_lock, !file.is_dead, file.path, 0, 0, [&](Effect effect) {
        if (effect == Effect::half) return 0;
        DiskFile& on = *file.file;
        const auto others = [&](const OpenFile* holder) { return holder && holder != &file; };
        if (level == SQLITE_LOCK_SHARED) {
            if (others(on.pending) || others(on.exclusive)) return EAGAIN;
            ++on.readers;
        } else if (level == SQLITE_LOCK_RESERVED) {
            assert(file.level == SQLITE_LOCK_SHARED);
            if (others(on.reserved) || others(on.pending) || others(on.exclusive)) return EAGAIN;
            on.reserved = &file;
        } else {  // pending first: it keeps new readers away while we wait for the last
            assert(level == SQLITE_LOCK_EXCLUSIVE && file.level >= SQLITE_LOCK_SHARED);
            if (others(on.reserved) || others(on.pending) || others(on.exclusive)) return EAGAIN;
            on.pending = &file;
            if (on.readers > 1) {
                file.level = SQLITE_LOCK_PENDING;
                return EAGAIN;
            }
            on.exclusive = &file;
        }
        file.level = level;
        return 0;
    });
}

void Disk::unlock(OpenFile& file, int level) {
    const std::lock_guard guard(mutex_);
    if (file.is_dead || file.level <= level) return;
    DiskFile& on = *file.file;
    if (on.reserved == &file) on.reserved = nullptr;
    if (on.pending == &file) on.pending = nullptr;
    if (on.exclusive == &file) on.exclusive = nullptr;
    if (level == SQLITE_LOCK_NONE) --on.readers;
    file.level = level;
}

bool Disk::is_reserved(OpenFile& file) const {
    const std::lock_guard guard(mutex_);
    const DiskFile& on = *file.file;
    return on.reserved || on.pending || on.exclusive;
}

int Disk::lock_whole(OpenFile& file) {
    const std::lock_guard guard(mutex_);
    return step(disk_lock, !file.is_dead, file.path, 0, 0, [&](Effect effect) {
        DiskFile& on = *file.file;
        if (effect == Effect::half) return 0;
        if (on.whole_holder && on.whole_holder != &file) return EAGAIN;
        on.whole_holder = &file;
        return 0;
    });
}

void Disk::unlock_whole(OpenFile& file) {
    const std::lock_guard guard(mutex_);
    if (file.file->whole_holder == &file) file.file->whole_holder = nullptr;
}

int Disk::map_shared(
    OpenFile& file, unsigned region, std::size_t size, bool extend, volatile void*& at) {
    const std::lock_guard guard(mutex_);
    at = nullptr;
    return step(disk_shared_memory, !file.is_dead, file.path, region, size, [&](Effect effect) {
        if (effect == Effect::half) return 0;
        if (!file.shared) {
            if (!file.file->shared) file.file->shared = std::make_shared<SharedMemory>();
            file.shared = file.file->shared;
        }
        SharedMemory& memory = *file.shared;
        while (memory.regions.size() <= region) {
            if (!extend) return 0;
            if (!has_room(size)) return ENOSPC;
            memory.regions.push_back(std::make_unique<std::byte[]>(size));
            memory.bytes += size;
            used_ += size;
        }
        at = memory.regions[region].get();
        return 0;
    });
}

int Disk::lock_shared(OpenFile& file, unsigned first, unsigned count, bool exclusive) {
    const std::lock_guard guard(mutex_);
    return step(disk_lock, !file.is_dead, file.path, first, count, [&](Effect effect) {
        if (effect == Effect::half || !file.shared) return effect == Effect::half ? 0 : EIO;
        auto& holders = file.shared->holders;
        const unsigned wanted = bits(first, count);
        if (!exclusive) {
            assert(count == 1);
            if ((file.shared_held & wanted) != 0) return 0;
            if (holders[first] < 0) return EAGAIN;
            ++holders[first];
            file.shared_held |= wanted;
            return 0;
        }
        for (unsigned i = first; i < first + count; ++i) {
            const bool ours = (file.exclusive_held >> i & 1) != 0;
            if (!ours && holders[i] != 0) return EAGAIN;
        }
        for (unsigned i = first; i < first + count; ++i) holders[i] = -1;
        file.exclusive_held |= wanted;
        return 0;
    });
}

void Disk::release_shared(OpenFile& file, unsigned locks) {
    if (!file.shared) return;
    for (unsigned i = 0; i < shared_locks; ++i) {
        if ((locks >> i & 1) == 0) continue;
        if ((file.exclusive_held >> i & 1) != 0) file.shared->holders[i] = 0;
        if ((file.shared_held >> i & 1) != 0) --file.shared->holders[i];
    }
    file.exclusive_held &= ~locks;
    file.shared_held &= ~locks;
}

void Disk::unlock_shared(OpenFile& file, unsigned first, unsigned count) {
    const std::lock_guard guard(mutex_);
    if (!file.is_dead) release_shared(file, bits(first, count));
}

void Disk::leave_shared(OpenFile& file) {
    if (!file.shared) return;
    release_shared(file, bits(0, shared_locks));
    DiskFile& on = *file.file;
    const bool others = std::ranges::any_of(open_files_, [&](const OpenFile* other) {
        return other != &file && !other->is_dead && other->shared == file.shared;
    });
    if (!others && on.shared == file.shared) {
        used_ -= std::min<std::uint64_t>(used_, on.shared->bytes);
        on.shared.reset();
    }
}

void Disk::unmap_shared(OpenFile& file) {
    const std::lock_guard guard(mutex_);
    if (file.is_dead) return;
    leave_shared(file);
    file.shared.reset();
}

}  // namespace countersign::simulation
