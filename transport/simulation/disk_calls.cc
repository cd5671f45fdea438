// What processes ask of a disk's files and names.

#include <algorithm>
#include <cassert>
#include <cstring>
#include <utility>

#include "simulation/disk_step.h"

namespace countersign::simulation {

int Disk::open(ProcessId process,
               const std::string& path,
               const Opening& how,
               std::unique_ptr<OpenFile>& opened) {
    const std::lock_guard guard(mutex_);
    const bool alive = lives(process);
    FilePointer file;
    bool made = false;
    if (const int error = step(disk_open, alive, path, 0, 0, [&](Effect) { return 0; })) {
        return error;
    }
    if (how.is_unnamed) {
        file = make_file(false);
        file->is_named = false;
    } else if (file = find(path); file) {
        if (file->is_directory) return EISDIR;
        if (how.create && how.exclusive) return EEXIST;
    } else {
        if (!how.create) return ENOENT;
        const auto parent = find(parent_of(path));
        if (!parent || !parent->is_directory) return ENOENT;
        const int error = step(disk_create, alive, path, 0, 0, [&](Effect effect) {
            if (effect == Effect::half) return 0;
            file = make_file(false);
            put(path, file);
            return 0;
        });
        if (error != 0) return error;
        made = true;
    }
    ++file->openings;
    opened = std::make_unique<OpenFile>(OpenFile{.file = std::move(file),
                                                 .path = path,
                                                 .process = process,
                                                 .syncs_directory = made && how.syncs_directory});
    open_files_.push_back(opened.get());
    return 0;
}

void Disk::close(std::unique_ptr<OpenFile> file) {
    const std::lock_guard guard(mutex_);
    end(*file);
    std::erase(open_files_, file.get());
    --file->file->openings;
    forget_if_gone(*file->file);
}

int Disk::read(OpenFile& file, std::uint64_t offset, std::span<std::byte> into, std::size_t& got) {
    const std::lock_guard guard(mutex_);
    got = 0;
    return step(disk_read, !file.is_dead, file.path, offset, into.size(), [&](Effect) {
        const auto bytes = file.file->content.bytes();
        if (offset < bytes.size()) {
            got = std::min<std::size_t>(into.size(), bytes.size() - offset);
            std::memcpy(into.data(), bytes.data() + offset, got);
        }
        return 0;
    });
}

int Disk::write(OpenFile& file, std::uint64_t offset, std::span<const std::byte> bytes) {
    const std::lock_guard guard(mutex_);
    return step(disk_write, !file.is_dead, file.path, offset, bytes.size(), [&](Effect effect) {
        if (effect == Effect::half) bytes = bytes.first(bytes.size() / 2);
        const std::uint64_t before = file.file->content.bytes().size();
        const std::uint64_t end = offset + bytes.size();
        const bool fits = end <= before || has_room(end - before);
        if (!fits) {  // as much as there is room for
            const std::uint64_t room = before + (used_ < capacity_ ? capacity_ - used_ : 0);
            bytes = bytes.first(room > offset ? room - offset : 0);
        }
        if (!bytes.empty()) file.file->content.write(offset, bytes);
        if (file.file->is_counted) used_ += file.file->content.bytes().size() - before;
        return fits ? 0 : ENOSPC;
    });
}

int Disk::truncate(OpenFile& file, std::uint64_t size) {
    const std::lock_guard guard(mutex_);
    return step(disk_truncate, !file.is_dead, file.path, size, 0, [&](Effect effect) {
        const std::uint64_t before = file.file->content.bytes().size();
        if (effect == Effect::half) return 0;
        if (size > before && !has_room(size - before)) return ENOSPC;
        file.file->content.resize(size);
        if (file.file->is_counted) used_ += size - before;  // modulo 2^64
        return 0;
    });
}

int Disk::sync(OpenFile& file) {
    const std::lock_guard guard(mutex_);
    const int error = step(disk_sync, !file.is_dead, file.path, 0, 0, [&](Effect effect) {
        if (effect == Effect::whole) {
            file.file->content.sync();
        } else {
            file.file->content.fail_sync(draw_);
        }
        return 0;
    });
    if (error == 0 && std::exchange(file.syncs_directory, false)) {
        // As SQLite's own VFS does it: whether this fails it does not ask. Gone power it notices.
        (void)sync_names(!file.is_dead, file.path);
        if (!on_) return EIO;
    }
    return error;
}

int Disk::size(OpenFile& file, std::uint64_t& bytes) {
    const std::lock_guard guard(mutex_);
    return step(disk_size, !file.is_dead, file.path, 0, 0, [&](Effect) {
        bytes = file.file->content.bytes().size();
        return 0;
    });
}

int Disk::remove(ProcessId process, const std::string& path) {
    const std::lock_guard guard(mutex_);
    if (on_ && lives(process) && !find(path)) return ENOENT;
    return step(disk_remove, lives(process), path, 0, 0, [&](Effect effect) {
        const auto file = find(path);
        if (file->is_directory) return EISDIR;
        if (effect != Effect::half) put(path, nullptr);
        return 0;
    });
}

int Disk::sync_names(bool alive, const std::string& path) {
    const std::string directory = parent_of(path);
    return step(disk_sync_directory, alive, directory, 0, 0, [&](Effect effect) {
        if (effect == Effect::half) return 0;
        std::erase_if(changed_names_, [&](const Change& change) {
            if (parent_of(change.name) != directory) return false;
            apply(durable_names_, change);
            return true;
        });
        return 0;
    });
}

int Disk::sync_directory_of(ProcessId process, const std::string& path) {
    const std::lock_guard guard(mutex_);
    return sync_names(lives(process), path);
}

int Disk::rename(ProcessId process, const std::string& from, const std::string& to) {
    assert(parent_of(from) == parent_of(to));
    const std::lock_guard guard(mutex_);
    return step(disk_rename, lives(process), to, 0, 0, [&](Effect effect) {
        const auto file = find(from);
        if (!file) return ENOENT;
        if (effect != Effect::half) put(to, file, from);
        return 0;
    });
}

int Disk::make_directory(ProcessId process, const std::string& path) {
    const std::lock_guard guard(mutex_);
    return step(disk_make_directory, lives(process), path, 0, 0, [&](Effect effect) {
        if (find(path)) return EEXIST;
        const auto parent = find(parent_of(path));
        if (!parent || !parent->is_directory) return ENOENT;
        if (effect != Effect::half) put(path, make_file(true));
        return 0;
    });
}

std::optional<Disk::Status> Disk::status(ProcessId process, const std::string& path) const {
    const std::lock_guard guard(mutex_);
    const auto file = on_ && lives(process) ? find(path) : nullptr;
    if (!file) return std::nullopt;
    return Status{.inode = file->inode,
                  .size = file->content.bytes().size(),
                  .is_directory = file->is_directory};
}

}  // namespace countersign::simulation
