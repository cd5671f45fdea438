#include "sealing/base64url.h"

#include <algorithm>

#include <sodium.h>

namespace countersign::sealing {
namespace {

constexpr int variant = sodium_base64_VARIANT_URLSAFE_NO_PADDING;

}  // namespace

std::string to_base64url(BytesView bytes) {
    std::string text(sodium_base64_encoded_len(bytes.size(), variant), '\0');
    sodium_bin2base64(text.data(),
                      text.size(),
                      reinterpret_cast<const unsigned char*>(bytes.data()),
                      bytes.size(),
                      variant);
    text.pop_back();  // libsodium writes and counts a terminating zero
    return text;
}

std::optional<Bytes> from_base64url(std::string_view text, std::size_t limit) {
    if (text.size() > (limit * 4 + 2) / 3) return std::nullopt;
    // libsodium 1.0.18 takes bytes above ASCII for letters.
    if (std::ranges::any_of(text, [](unsigned char c) { return c > 0x7f; })) return std::nullopt;
    Bytes bytes(limit);
    std::size_t size = 0;
    const char* end = nullptr;
    const int failed = sodium_base642bin(reinterpret_cast<unsigned char*>(bytes.data()),
                                         bytes.size(),
                                         text.data(),
                                         text.size(),
                                         nullptr,
                                         &size,
                                         &end,
                                         variant);
    if (failed != 0 || end != text.data() + text.size()) return std::nullopt;
    bytes.resize(size);
    return bytes;
}

}  // namespace countersign::sealing
