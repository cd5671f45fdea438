#include "simulation/disk_content.h"

#include <algorithm>
#include <cassert>
#include <cstring>

namespace countersign::simulation {

namespace {

constexpr std::size_t page = 4096;
/// Room that a burst of writes took and that is worth keeping for the next one.
constexpr std::size_t kept_room = std::size_t{1} << 20;

void put(std::vector<std::byte>& file, std::uint64_t offset, std::span<const std::byte> bytes) {
    const std::size_t end = offset + bytes.size();
    if (file.size() < end) file.resize(end);
    if (!bytes.empty()) std::memcpy(file.data() + offset, bytes.data(), bytes.size());
}

}  // namespace

const char* name(Damage damage) noexcept {
    switch (damage) {
        case Damage::drop:
            return "drop";
        case Damage::keep:
            return "keep";
        case Damage::scatter:
            return "scatter";
        case Damage::tear_512:
            return "tear 512";
        case Damage::tear_4096:
            return "tear 4096";
    }
    return "";
}

void FileContent::write(std::uint64_t offset, std::span<const std::byte> bytes) {
    put(bytes_, offset, bytes);
    pending_.push_back({.offset = offset, .size = bytes.size(), .kept_at = kept_.size()});
    kept_.insert(kept_.end(), bytes.begin(), bytes.end());
}

void FileContent::resize(std::uint64_t size) {
    if (size == bytes_.size()) return;
    bytes_.resize(size);
    pending_.push_back({.offset = size, .resizes = true});
}

std::span<const std::byte> FileContent::kept(const Pending& write) const noexcept {
    return std::span(kept_).subspan(write.kept_at, write.size);
}

void FileContent::forget_pending() {
    pending_.clear();
    kept_.clear();
    if (kept_.capacity() > kept_room) kept_.shrink_to_fit();
}

void FileContent::sync() {
    if (pending_.empty()) return;
    std::size_t shortest = durable_.size();
    for (const Pending& pending : pending_) {
        if (pending.resizes) shortest = std::min<std::size_t>(shortest, pending.offset);
    }
    durable_.resize(shortest);
    durable_.resize(bytes_.size());
    for (const Pending& pending : pending_) {
        if (pending.resizes) continue;
        const std::size_t begin = pending.offset / page * page;
        const std::size_t end =
            std::min((pending.offset + pending.size + page - 1) / page * page, bytes_.size());
        if (begin < end) std::memcpy(durable_.data() + begin, bytes_.data() + begin, end - begin);
    }
    forget_pending();
}

void FileContent::fail_sync(Draw& draw) {
    for (const Pending& pending : pending_) apply_to_disk(pending, page, draw);
    forget_pending();
}

void FileContent::put_on_disk(std::uint64_t offset, std::span<const std::byte> bytes) {
    put(durable_, offset, bytes);
}

void FileContent::apply_to_disk(const Pending& pending, std::size_t piece, Draw& draw) {
    if (pending.resizes) {
        if (draw.coin()) durable_.resize(pending.offset);
        return;
    }
    // Bit by bit from one draw: a write of a page has eight sectors.
    std::uint64_t chances = 0;
    unsigned left = 0;
    const std::uint64_t end = pending.offset + pending.size;
    for (std::uint64_t at = pending.offset; at < end;) {
        const std::uint64_t next = std::min((at / piece + 1) * piece, end);
        if (left == 0) {
            chances = draw.next();
            left = 64;
        }
        if ((chances & 1) != 0) {
            put_on_disk(at, kept(pending).subspan(at - pending.offset, next - at));
        }
        chances >>= 1;
        --left;
        at = next;
    }
    // The file's length may have reached the disk without what it counts.
    if (durable_.size() < end && draw.coin()) durable_.resize(end);
}

void FileContent::lose_power(Damage damage, Draw& draw) {
    for (const Pending& pending : pending_) {
        switch (damage) {
            case Damage::drop:
                break;
            case Damage::keep:
                if (pending.resizes) {
                    durable_.resize(pending.offset);
                } else {
                    put_on_disk(pending.offset, kept(pending));
                }
                break;
            case Damage::scatter:
                if (!draw.coin()) break;
                if (pending.resizes) {
                    durable_.resize(pending.offset);
                } else {
                    put_on_disk(pending.offset, kept(pending));
                }
                break;
            case Damage::tear_512:
                apply_to_disk(pending, 512, draw);
                break;
            case Damage::tear_4096:
                apply_to_disk(pending, page, draw);
                break;
        }
    }
    forget_pending();
    bytes_ = durable_;
}

void FileContent::drop_cache() {
    bytes_ = durable_;
    for (const Pending& pending : pending_) {
        if (pending.resizes) {
            bytes_.resize(pending.offset);
        } else {
            put(bytes_, pending.offset, kept(pending));
        }
    }
}

void FileContent::flip(std::uint64_t offset, unsigned bit) {
    assert(offset < bytes_.size() && bit < 8);
    const auto mask = static_cast<std::byte>(1U << bit);
    bytes_[offset] ^= mask;
    if (offset < durable_.size()) durable_[offset] ^= mask;
}

void FileContent::replace(std::span<const std::byte> bytes) {
    bytes_.assign(bytes.begin(), bytes.end());
    durable_ = bytes_;
    forget_pending();
}

}  // namespace countersign::simulation
