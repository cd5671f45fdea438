#include "sealing/lthash.h"

#include <bit>
#include <cstring>

#include <sodium.h>

#include "sealing/sodium.h"

namespace countersign::sealing {
namespace {

static_assert(Hash256::size == crypto_stream_chacha20_ietf_KEYBYTES);

using Lanes = std::array<std::uint16_t, LtHash::lanes>;

void swap_bytes_on_big_endian(Lanes& lanes) {
    if constexpr (std::endian::native == std::endian::big) {
        for (auto& lane : lanes) lane = static_cast<std::uint16_t>((lane >> 8) | (lane << 8));
    }
}

void expand(const Hash256& member, Lanes& lanes) {
    initialise_sodium();
    constexpr unsigned char nonce[crypto_stream_chacha20_ietf_NONCEBYTES] = {};
    crypto_stream_chacha20_ietf(reinterpret_cast<unsigned char*>(lanes.data()),
                                LtHash::state_size,
                                nonce,
                                reinterpret_cast<const unsigned char*>(member.bytes.data()));
    swap_bytes_on_big_endian(lanes);
}

}  // namespace

LtHash::LtHash(std::span<const std::byte, state_size> state) noexcept {
    std::memcpy(lanes_.data(), state.data(), state_size);
    swap_bytes_on_big_endian(lanes_);
}

void LtHash::add(const Hash256& member) noexcept {
    alignas(64) Lanes other;
    expand(member, other);
    for (std::size_t i = 0; i < lanes; ++i) {
        lanes_[i] = static_cast<std::uint16_t>(lanes_[i] + other[i]);
    }
}

void LtHash::subtract(const Hash256& member) noexcept {
    alignas(64) Lanes other;
    expand(member, other);
    for (std::size_t i = 0; i < lanes; ++i) {
        lanes_[i] = static_cast<std::uint16_t>(lanes_[i] - other[i]);
    }
}

LtHash::State LtHash::state() const noexcept {
    Lanes little_endian = lanes_;
    swap_bytes_on_big_endian(little_endian);
    State state;
    std::memcpy(state.data(), little_endian.data(), state_size);
    return state;
}

Hash256 LtHash::digest() const {
    return hash256(state());
}

}  // namespace countersign::sealing
