#pragma once

#include <cstdint>

namespace countersign {

/// What a member may do, as its invitation said; a set, joined with `|`.
enum class Capability : std::uint32_t {
    none = 0,
    serve = 1,       ///< feed other nodes with copies and batches
    stand = 2,       ///< be designated primary; needs every realm; trusted like the primary
    propose = 4,     ///< forward what users change of their own
    administer = 8,  ///< forward any write, and unlock
    tokens = 16,     ///< sign access tokens
    all = 31,
};

constexpr Capability operator|(Capability left, Capability right) noexcept {
    return Capability{static_cast<std::uint32_t>(left) | static_cast<std::uint32_t>(right)};
}

/// Whether `held` has everything that `wanted` names.
constexpr bool includes(Capability held, Capability wanted) noexcept {
    return (static_cast<std::uint32_t>(held) & static_cast<std::uint32_t>(wanted)) ==
           static_cast<std::uint32_t>(wanted);
}

}  // namespace countersign
