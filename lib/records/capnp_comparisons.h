#pragma once

// Included before everything else when clang builds with Cap'n Proto 0.9: its own comparison of a
// StringPtr with a C string and the one that C++20 derives from it, reversed, are equally good.

#include <kj/string.h>

namespace kj {

inline bool operator==(const char* left, const StringPtr& right) {
    return right == StringPtr(left);
}
inline bool operator!=(const char* left, const StringPtr& right) {
    return !(left == right);
}

}  // namespace kj
