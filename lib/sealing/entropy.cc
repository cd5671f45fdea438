#include "sealing/entropy.h"

#include <cstring>

#include <sodium.h>

namespace countersign::sealing {

void Entropy::fill(std::span<std::byte> bytes) {
    unsigned char nonce[crypto_stream_chacha20_NONCEBYTES] = {};
    static_assert(sizeof nonce == sizeof taken_);
    std::memcpy(nonce, &taken_, sizeof taken_);
    ++taken_;
    crypto_stream_chacha20(reinterpret_cast<unsigned char*>(bytes.data()),
                           bytes.size(),
                           nonce,
                           reinterpret_cast<const unsigned char*>(seed_.data()));
}

}  // namespace countersign::sealing
