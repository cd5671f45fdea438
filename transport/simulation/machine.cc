#include "simulation/machine.h"

#include <chrono>
#include <utility>

namespace countersign::simulation {
namespace {

/// A machine has been up for a moment when its first process starts.
constexpr std::chrono::seconds start_up_time{10};

class ProcessEnvironment final : public DiskEnvironment {
  public:
    ProcessEnvironment(Machine& machine, std::shared_ptr<Disk> disk)
        : DiskEnvironment(std::move(disk),
                          {.wall = [&machine] { return machine.now().wall; }, .sleep = {}}),
          machine_(machine),
          boot_id_(machine.boot_id()) {}

    Now now() override { return machine_.now(); }
    bool time_passes_in_calls() override { return false; }
    void random(std::span<std::byte> bytes) override { machine_.draw().fill(bytes); }
    std::string machine_id() override { return machine_.id(); }
    std::string boot_id() override { return boot_id_; }

  private:
    Machine& machine_;
    const std::string boot_id_;
};

}  // namespace

Machine::Machine(const Schedule& schedule, UnixTime true_start, std::string id, Draw draw)
    : schedule_(schedule),
      true_start_(true_start),
      id_(std::move(id)),
      draw_(draw),
      disk_(std::make_shared<Disk>(DiskOptions{.seed = draw_.next()})),
      booted_at_(schedule.now()) {}

void Machine::boot() {
    ++boots_;
    booted_at_ = schedule_.now();
    disk_->power_on();
}

std::shared_ptr<DiskEnvironment> Machine::start_process() {
    return std::make_shared<ProcessEnvironment>(*this, disk_);
}

UnixTime Machine::running_wall() const {
    return true_start_ + wall_offset_ +
           std::chrono::floor<milliseconds>(schedule_.now().time_since_epoch());
}

Now Machine::now() const {
    return {.wall = frozen_at_.value_or(running_wall()),
            .monotonic = Instant(start_up_time + (schedule_.now() - booted_at_))};
}

void Machine::step_wall_clock(milliseconds by) {
    wall_offset_ += by;
    if (frozen_at_) *frozen_at_ += by;
}

void Machine::set_wall_clock_right() {
    wall_offset_ = {};
    frozen_at_.reset();
}

void Machine::freeze_wall_clock(bool frozen) {
    if (frozen == frozen_at_.has_value()) return;
    if (frozen) {
        frozen_at_ = running_wall();
    } else {
        wall_offset_ += *frozen_at_ - running_wall();
        frozen_at_.reset();
    }
}

}  // namespace countersign::simulation
