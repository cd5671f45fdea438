#pragma once

#include <memory>
#include <string>

#include "countersign/environment.h"

#include "simulation/disk.h"
#include "simulation/disk_vfs.h"

namespace countersign::simulation {

/// The files of one process, on a virtual disk: the half of an Environment that is about files. One
/// life: once `end()` was called or the machine lost power, everything fails for good, and the next
/// start makes another one. Locks never wait (errc::busy at once), since nobody else would get on
/// meanwhile. A process whose object goes has ended.
class DiskEnvironment : public Environment {
  public:
    DiskEnvironment(std::shared_ptr<Disk> disk, VfsClock clock);
    ~DiskEnvironment() override;

    /// As `Disk::kill`.
    void end();
    Disk& disk() const noexcept { return *disk_; }

    std::string sqlite_vfs() final { return vfs_.name(); }
    Result<std::optional<std::vector<std::byte>>> read_file(const std::string& path,
                                                            std::size_t limit) final;
    Result<void> write_file(const std::string& path,
                            std::span<const std::byte> bytes,
                            bool durable) final;
    Result<void> make_directory(const std::string& path) final;
    Result<void> remove_file(const std::string& path) final;
    std::optional<FileIdentity> identify(const std::string& path) final;
    Result<std::unique_ptr<FileLock>> open_lock(const std::string& path) final;

  private:
    const std::shared_ptr<Disk> disk_;
    const ProcessId process_;
    std::mutex replacing_;
    DiskVfs vfs_;
};

}  // namespace countersign::simulation
