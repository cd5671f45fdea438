#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace countersign::simulation {

/// Pseudo-random numbers that follow from a seed alone, the same with every compiler and library
/// (splitmix64, Steele et al. 2014). For simulations only.
class Draw {
  public:
    explicit Draw(std::uint64_t seed) : state_(seed) {}

    std::uint64_t next() noexcept {
        std::uint64_t mixed = state_ += 0x9e3779b97f4a7c15;
        mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
        mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
        return mixed ^ (mixed >> 31);
    }
    /// 0 to `bound` - 1; 0 where `bound` is 0. Favours small numbers by less than 2^-32.
    std::uint64_t below(std::uint64_t bound) noexcept {
        return bound == 0 ? 0 : (next() >> 32) * bound >> 32;
    }
    /// `least` to `most`, both included. Both below 2^31.
    std::int64_t between(std::int64_t least, std::int64_t most) noexcept {
        return least +
               static_cast<std::int64_t>(below(static_cast<std::uint64_t>(most - least) + 1));
    }
    bool coin() noexcept { return (next() & 1) != 0; }
    /// True `probability` of the times; 0 is never, 1 is always.
    bool chance(double probability) noexcept {
        return static_cast<double>(next() >> 11) * 0x1p-53 < probability;
    }
    template <class Range>
    auto& pick(Range& range) noexcept {
        return range[below(range.size())];
    }
    void fill(std::span<std::byte> bytes) noexcept {
        for (std::size_t i = 0; i < bytes.size();) {
            const std::uint64_t number = next();
            for (int shift = 0; shift < 64 && i < bytes.size(); shift += 8) {
                bytes[i++] = static_cast<std::byte>(number >> shift);
            }
        }
    }
    /// Numbers of their own for one purpose: drawing more of them changes nobody else's.
    Draw fork(std::string_view purpose) const noexcept {
        std::uint64_t mark = 0xcbf29ce484222325;  // FNV-1a
        for (const char letter : purpose) {
            mark = (mark ^ static_cast<unsigned char>(letter)) * 0x100000001b3;
        }
        return Draw(Draw(state_ ^ mark).next());
    }

  private:
    std::uint64_t state_;
};

}  // namespace countersign::simulation
