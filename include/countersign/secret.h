#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace countersign {

/// Bytes that must not leak: a password, a key. They live in locked, guarded memory (where the
/// system's limit on locked memory is too low they are still guarded and zeroed, but may be
/// swapped), are zeroed when the object goes, are never copied unasked and cannot be printed.
/// Comparison takes the same time wherever two secrets of one size differ.
class Secret {
  public:
    Secret() noexcept = default;
    /// Takes a copy; the original stays the caller's to erase.
    explicit Secret(std::string_view text);
    explicit Secret(const char* text) : Secret(std::string_view(text)) {}
    /// Takes a copy and zeroes the original.
    explicit Secret(std::string&& text);
    explicit Secret(std::span<const std::byte> bytes);
    /// `size` zero bytes, to be filled through `writable()`.
    static Secret of_size(std::size_t size);

    Secret(Secret&& other) noexcept;
    Secret& operator=(Secret&& other) noexcept;
    Secret(const Secret&) = delete;
    Secret& operator=(const Secret&) = delete;
    ~Secret();

    /// The copy that the deleted copy constructor does not make silently.
    Secret clone() const { return Secret(bytes()); }

    std::span<const std::byte> bytes() const noexcept { return {data_, size_}; }
    std::span<std::byte> writable() noexcept { return {data_, size_}; }
    std::string_view text() const noexcept { return {reinterpret_cast<const char*>(data_), size_}; }
    std::size_t size() const noexcept { return size_; }
    bool empty() const noexcept { return size_ == 0; }

    friend bool operator==(const Secret& left, const Secret& right) noexcept;

  private:
    std::byte* data_ = nullptr;
    std::size_t size_ = 0;
};

}  // namespace countersign
