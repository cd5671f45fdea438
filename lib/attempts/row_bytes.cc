#include "attempts/row_bytes.h"

#include <cassert>

namespace countersign::attempts {

RowWriter& RowWriter::number(std::uint64_t number, std::size_t width) {
    assert(width == 8 || number >> (8 * width) == 0);
    for (std::size_t i = 0; i < width; ++i) {
        bytes_.push_back(static_cast<std::byte>(number >> (8 * i)));
    }
    return *this;
}

RowWriter& RowWriter::bytes(std::span<const std::byte> bytes) {
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    return *this;
}

std::span<const std::byte> RowReader::bytes(std::size_t size) {
    assert(size <= rest_.size());
    const auto taken = rest_.first(size);
    rest_ = rest_.subspan(size);
    return taken;
}

std::uint64_t RowReader::number(std::size_t width) {
    std::uint64_t number = 0;
    const auto taken = bytes(width);
    for (std::size_t i = 0; i < width; ++i) {
        number |= std::to_integer<std::uint64_t>(taken[i]) << (8 * i);
    }
    return number;
}

}  // namespace countersign::attempts
