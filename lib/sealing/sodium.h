#pragma once

#include <cstddef>
#include <span>

namespace countersign::sealing {

/// Must have run before any other call of libsodium; cheap when it has. Ends the program when
/// libsodium cannot start, because nothing would be safe after that.
void initialise_sodium() noexcept;

/// Bytes as libsodium's calls read them, and as they write them.
inline const unsigned char* input(std::span<const std::byte> bytes) noexcept {
    return reinterpret_cast<const unsigned char*>(bytes.data());
}
inline unsigned char* output(std::span<std::byte> bytes) noexcept {
    return reinterpret_cast<unsigned char*>(bytes.data());
}

}  // namespace countersign::sealing
