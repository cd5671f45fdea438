#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "countersign/time.h"

#include "simulation/disk_environment.h"
#include "simulation/draw.h"
#include "simulation/schedule.h"

namespace countersign::simulation {

/// One machine: clocks that can be moved, numbers that follow from the seed, a disk.
class Machine {
  public:
    /// `true_start`: the wall clock's time when the schedule's is 0. The schedule outlives it.
    Machine(const Schedule& schedule, UnixTime true_start, std::string id, Draw draw);

    bool is_on() const { return disk_->is_on(); }
    void boot();
    void cut_power(Damage damage) { disk_->power_off(damage); }
    /// What a process that starts now sees of this machine. It outlives all of them.
    std::shared_ptr<DiskEnvironment> start_process();
    Disk& disk() const noexcept { return *disk_; }
    const std::string& id() const noexcept { return id_; }
    std::string boot_id() const { return id_ + " boot " + std::to_string(boots_); }

    Now now() const;
    void step_wall_clock(milliseconds by);
    void freeze_wall_clock(bool frozen);
    /// To true time.
    void set_wall_clock_right();
    Draw& draw() noexcept { return draw_; }

  private:
    UnixTime running_wall() const;

    const Schedule& schedule_;
    const UnixTime true_start_;
    const std::string id_;
    Draw draw_;
    const std::shared_ptr<Disk> disk_;
    std::uint64_t boots_ = 1;
    Instant booted_at_;
    milliseconds wall_offset_{};
    std::optional<UnixTime> frozen_at_;
};

}  // namespace countersign::simulation
