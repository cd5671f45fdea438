#include <algorithm>
#include <cassert>

#include "countersign/link.h"

namespace countersign {

Backoff::Backoff(milliseconds first, milliseconds cap) : first_(first), cap_(cap), ceiling_(first) {
    assert(first.count() > 0 && first <= cap);
}

milliseconds Backoff::next(std::uint64_t random) noexcept {
    const auto below = static_cast<std::uint64_t>(ceiling_.count());
    ceiling_ = ceiling_ > cap_ / 2 ? cap_ : ceiling_ * 2;
    return milliseconds{static_cast<std::int64_t>(random % below)};
}

}  // namespace countersign
