#pragma once

#include <functional>
#include <memory>
#include <string>

#include "countersign/time.h"

#include "simulation/disk.h"

namespace countersign::simulation {

/// What SQLite asks of its system besides files. A function that is not given: time stands still at
/// 1970, and waiting takes none.
struct VfsClock {
    std::function<UnixTime()> wall;
    std::function<void(std::chrono::microseconds)> sleep;
};

/// A SQLite VFS, registered under a name of its own: what one process sees of a disk. Write-ahead
/// logs work, memory-mapped files do not. It behaves as SQLite's own for Unix does where they can
/// be told apart: it syncs the name of a new log with the log's first sync, and no other name.
///
/// It outlives every handle that was opened through it.
class DiskVfs {
  public:
    DiskVfs(std::shared_ptr<Disk> disk, ProcessId process, VfsClock clock);
    DiskVfs(const DiskVfs&) = delete;
    DiskVfs& operator=(const DiskVfs&) = delete;
    ~DiskVfs();

    const std::string& name() const noexcept { return name_; }
    Disk& disk() const noexcept { return *disk_; }
    ProcessId process() const noexcept { return process_; }
    const VfsClock& clock() const noexcept { return clock_; }

  private:
    const std::shared_ptr<Disk> disk_;
    const ProcessId process_;
    const VfsClock clock_;
    std::string name_;
    void* vfs_ = nullptr;
};

}  // namespace countersign::simulation
