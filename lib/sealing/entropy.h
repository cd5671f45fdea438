#pragma once

#include <array>
#include <span>

#include "countersign/mutants.h"

#include "sealing/aead.h"

namespace countersign::sealing {

/// Random bytes for code that must be a function of its arguments: everything it gives follows from
/// 32 truly random ones (ChaCha20 of RFC 8439 under the seed, in blocks numbered by the nonce).
/// Two objects must never share a seed. Fit for nonces and ids, which are public; keys come from
/// the environment itself.
class Entropy {
  public:
    static constexpr std::size_t seed_size = 32;
    using Seed = std::array<std::byte, seed_size>;
    explicit Entropy(const Seed& seed) noexcept : seed_(seed) {}

    void fill(std::span<std::byte> bytes);
    template <std::size_t Size>
    std::array<std::byte, Size> take() {
        std::array<std::byte, Size> bytes;
        fill(bytes);
        return bytes;
    }
    Nonce nonce() {
        return is_planted(Mutant::constant_nonce) ? Nonce{} : Nonce{take<Nonce::size>()};
    }

  private:
    Seed seed_;
    std::uint64_t taken_ = 0;  ///< how often `fill` was called: each call has a stream of its own
};

}  // namespace countersign::sealing
