#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "countersign/simulation.h"

#include "simulation/draw.h"

namespace countersign::simulation {

/// The bytes of one file: what the running system shows, what the disk itself holds, and the writes
/// between the two. Writes and syncs cost a copy of their bytes.
class FileContent {
  public:
    std::span<const std::byte> bytes() const noexcept { return bytes_; }
    std::span<const std::byte> durable() const noexcept { return durable_; }
    bool synced() const noexcept { return pending_.empty(); }

    /// Beyond the end: what lies between is zero.
    void write(std::uint64_t offset, std::span<const std::byte> bytes);
    void resize(std::uint64_t size);
    /// Makes all of it durable; whole pages of 4 KiB around each write, as a page cache does.
    void sync();
    /// A sync that failed, as Linux has it: of each unsynced page chance decides whether it reached
    /// the disk, and it counts as clean from now on, so that no later sync writes it.
    void fail_sync(Draw& draw);
    /// The power went: from now on this is what the disk holds.
    void lose_power(Damage damage, Draw& draw);
    /// The system gives clean pages back: what a failed sync did not bring to the disk shows.
    void drop_cache();
    /// Turns one bit over, in what is shown and on the disk where it is that long.
    void flip(std::uint64_t offset, unsigned bit);
    /// This file as it is put there from outside, durable at once.
    void replace(std::span<const std::byte> bytes);

  private:
    struct Pending {
        std::uint64_t offset = 0;  ///< of a write; of a change of size: the new size
        std::size_t size = 0;      ///< of a write
        std::size_t kept_at = 0;   ///< of a write: where its bytes are in `kept_`
        bool resizes = false;
    };
    std::span<const std::byte> kept(const Pending& write) const noexcept;
    void apply_to_disk(const Pending& pending, std::size_t piece, Draw& draw);
    void put_on_disk(std::uint64_t offset, std::span<const std::byte> bytes);
    void forget_pending();

    std::vector<std::byte> bytes_;
    std::vector<std::byte> durable_;
    std::vector<Pending> pending_;
    std::vector<std::byte> kept_;
};

}  // namespace countersign::simulation
