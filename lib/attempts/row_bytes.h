#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace countersign::attempts {

/// Puts the fields of a row one after the other; numbers little-endian.
class RowWriter {
  public:
    explicit RowWriter(std::size_t size) { bytes_.reserve(size); }

    /// The lowest `width` bytes of `number`.
    RowWriter& number(std::uint64_t number, std::size_t width);
    RowWriter& bytes(std::span<const std::byte> bytes);
    std::vector<std::byte> finish() { return std::move(bytes_); }

  private:
    std::vector<std::byte> bytes_;
};

/// Takes the fields of a row off its front. The row's size has been checked before: reading past
/// the end is a programmer's error.
class RowReader {
  public:
    explicit RowReader(std::span<const std::byte> bytes) noexcept : rest_(bytes) {}

    std::uint64_t number(std::size_t width);
    std::span<const std::byte> bytes(std::size_t size);
    template <class Id>
    Id id() {
        return *Id::from_bytes(bytes(Id::size));
    }
    bool empty() const noexcept { return rest_.empty(); }

  private:
    std::span<const std::byte> rest_;
};

}  // namespace countersign::attempts
