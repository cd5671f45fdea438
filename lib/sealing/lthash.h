#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "sealing/hash.h"

namespace countersign::sealing {

/// The sum of a set: the same whatever the order in which its members came and went, and infeasible
/// to match with another set (LtHash with 1,024 lanes of 16 bits; Lewi, Kim, Maykov, Weis 2019).
/// A member is named by a keyed hash of what it is; adding or subtracting one costs about a
/// microsecond. A member added twice counts twice.
class LtHash {
  public:
    static constexpr std::size_t lanes = 1024;
    static constexpr std::size_t state_size = 2 * lanes;
    using State = std::array<std::byte, state_size>;

    /// The sum of nothing.
    LtHash() noexcept = default;
    /// Goes on from `state`, as `state()` gave it.
    explicit LtHash(std::span<const std::byte, state_size> state) noexcept;

    /// Adds, lane by lane modulo 2^16, the 2 KiB that ChaCha20 (RFC 8439; nonce and counter zero)
    /// gives under `member` as its key.
    void add(const Hash256& member) noexcept;
    /// Takes back one `add` of the same member.
    void subtract(const Hash256& member) noexcept;

    /// The lanes in order, each little-endian.
    State state() const noexcept;
    /// BLAKE2b-256 of the state.
    Hash256 digest() const;

    friend bool operator==(const LtHash&, const LtHash&) noexcept = default;

  private:
    alignas(64) std::array<std::uint16_t, lanes> lanes_{};
};

}  // namespace countersign::sealing
