#include "simulation/disk_environment.h"

#include <cerrno>
#include <cstring>
#include <utility>

namespace countersign::simulation {

namespace {

Error failure(int error, std::string_view doing, const std::string& path) {
    errc code = errc::io_error;
    switch (error) {
        case EACCES:
        case EPERM:
        case EROFS:
            code = errc::read_only;
            break;
        case ENOSPC:
        case EDQUOT:
            code = errc::disk_full;
            break;
        default:
            break;
    }
    return Error(code,
                 std::string(doing) + " " + path + " failed (" + std::strerror(error) +
                     "); it was a simulated disk");
}

/// A handle that closes itself.
class Opened {
  public:
    explicit Opened(Disk& disk) : disk_(disk) {}
    Opened(const Opened&) = delete;
    Opened& operator=(const Opened&) = delete;
    ~Opened() {
        if (file_) disk_.close(std::move(file_));
    }
    int open(ProcessId process, const std::string& path, const Disk::Opening& how) {
        return disk_.open(process, path, how, file_);
    }
    OpenFile& operator*() const noexcept { return *file_; }

  private:
    Disk& disk_;
    std::unique_ptr<OpenFile> file_;
};

class DiskLock final : public FileLock {
  public:
    DiskLock(std::shared_ptr<Disk> disk, std::unique_ptr<OpenFile> file)
        : disk_(std::move(disk)), file_(std::move(file)) {}
    ~DiskLock() override { disk_->close(std::move(file_)); }

    Result<void> lock(milliseconds) override {
        const int error = disk_->lock_whole(*file_);
        if (error == EAGAIN) {
            return Error(errc::busy, "another process holds " + file_->path + "; try again");
        }
        if (error != 0) return failure(error, "locking", file_->path);
        return {};
    }
    void unlock() noexcept override { disk_->unlock_whole(*file_); }

  private:
    const std::shared_ptr<Disk> disk_;
    std::unique_ptr<OpenFile> file_;
};

}  // namespace

DiskEnvironment::DiskEnvironment(std::shared_ptr<Disk> disk, VfsClock clock)
    : disk_(std::move(disk)),
      process_(disk_->start_process()),
      vfs_(disk_, process_, std::move(clock)) {}

DiskEnvironment::~DiskEnvironment() {
    end();
}

void DiskEnvironment::end() {
    disk_->kill(process_);
}

Result<std::optional<std::vector<std::byte>>> DiskEnvironment::read_file(const std::string& name,
                                                                         std::size_t limit) {
    const std::string path = normalised(name);
    Opened file(*disk_);
    int error = file.open(process_, path, {});
    if (error == ENOENT) return std::nullopt;
    std::vector<std::byte> bytes(4096);
    std::size_t size = 0;
    while (error == 0) {
        std::size_t got = 0;
        error = disk_->read(*file, size, std::span(bytes).subspan(size), got);
        if (error != 0 || got == 0) break;
        size += got;
        if (size > limit) {
            return Error(errc::too_large,
                         path + " has more than " + std::to_string(limit) + " bytes");
        }
        bytes.resize(size + 4096);
    }
    if (error != 0) return failure(error, "reading", path);
    bytes.resize(size);
    return bytes;
}

Result<void> DiskEnvironment::write_file(const std::string& name,
                                         std::span<const std::byte> bytes,
                                         bool durable) {
    const std::string path = normalised(name);
    const std::string temporary = path + ".new";
    const std::lock_guard guard(replacing_);
    {
        Opened file(*disk_);
        if (const int error = file.open(process_, temporary, {.create = true})) {
            return failure(error, "making", temporary);
        }
        if (const int error = disk_->truncate(*file, 0)) {
            return failure(error, "emptying", temporary);
        }
        if (const int error = disk_->write(*file, 0, bytes)) {
            return failure(error, "writing", temporary);
        }
        const int error = durable ? disk_->sync(*file) : 0;
        if (error != 0) return failure(error, "syncing", temporary);
    }
    if (const int error = disk_->rename(process_, temporary, path)) {
        return failure(error, "renaming to", path);
    }
    const int error = durable ? disk_->sync_directory_of(process_, path) : 0;
    if (error != 0) return failure(error, "syncing the directory of", path);
    return {};
}

Result<void> DiskEnvironment::make_directory(const std::string& name) {
    const std::string path = normalised(name);
    const int error = disk_->make_directory(process_, path);
    if (error == EEXIST) {
        const auto status = disk_->status(process_, path);
        if (status && status->is_directory) return {};
    }
    if (error == ENOENT) return Error(errc::not_found, "there is no directory above " + path);
    if (error != 0) return failure(error, "making the directory", path);
    if (const int failed = disk_->sync_directory_of(process_, path)) {
        return failure(failed, "syncing the directory of", path);
    }
    return {};
}

Result<void> DiskEnvironment::remove_file(const std::string& name) {
    const std::string path = normalised(name);
    const int error = disk_->remove(process_, path);
    if (error == ENOENT) return {};
    if (error != 0) return failure(error, "removing", path);
    if (const int failed = disk_->sync_directory_of(process_, path)) {
        return failure(failed, "syncing the directory of", path);
    }
    return {};
}

std::optional<FileIdentity> DiskEnvironment::identify(const std::string& name) {
    const auto status = disk_->status(process_, normalised(name));
    if (!status) return std::nullopt;
    return FileIdentity{.device = disk_->device(), .inode = status->inode};
}

Result<std::unique_ptr<FileLock>> DiskEnvironment::open_lock(const std::string& name) {
    const std::string path = normalised(name);
    std::unique_ptr<OpenFile> file;
    if (const int error = disk_->open(process_, path, {.create = true}, file)) {
        return failure(error, "making the lock", path);
    }
    return std::make_unique<DiskLock>(disk_, std::move(file));
}

}  // namespace countersign::simulation
