#include "countersign/secret.h"

#include <cstring>
#include <new>
#include <utility>

#include <sodium.h>

#include "sealing/secret_pages.h"
#include "sealing/sodium.h"

namespace countersign {
namespace {

std::byte* allocate(std::size_t size) {
    if (size == 0) return nullptr;
    return sealing::SecretPages::of_this_process().take(size);
}

}  // namespace

Secret::Secret(std::span<const std::byte> bytes)
    : data_(allocate(bytes.size())), size_(bytes.size()) {
    if (size_ != 0) std::memcpy(data_, bytes.data(), size_);
}

Secret::Secret(std::string_view text) : Secret(std::as_bytes(std::span(text))) {}

Secret::Secret(std::string&& text) : Secret(std::string_view(text)) {
    sodium_memzero(text.data(), text.size());
    text.clear();
}

Secret Secret::of_size(std::size_t size) {
    Secret secret;
    secret.data_ = allocate(size);
    secret.size_ = size;
    if (size != 0) std::memset(secret.data_, 0, size);
    return secret;
}

Secret::Secret(Secret&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

Secret& Secret::operator=(Secret&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
}

Secret::~Secret() {
    if (data_ != nullptr) sealing::SecretPages::of_this_process().give_back(data_, size_);
}

bool operator==(const Secret& left, const Secret& right) noexcept {
    return left.size_ == right.size_ &&
           (left.size_ == 0 || sodium_memcmp(left.data_, right.data_, left.size_) == 0);
}

}  // namespace countersign
