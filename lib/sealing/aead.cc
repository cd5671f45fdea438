#include "sealing/aead.h"

#include <cassert>
#include <cstring>
#include <utility>

#include <sodium.h>

#include "sealing/sodium.h"

namespace countersign::sealing {
namespace {

static_assert(key_size == crypto_aead_xchacha20poly1305_ietf_KEYBYTES);
static_assert(Nonce::size == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES);
static_assert(tag_size == crypto_aead_xchacha20poly1305_ietf_ABYTES);

}  // namespace

Key::Key(Secret bytes) : bytes_(std::move(bytes)) {
    assert(bytes_.size() == key_size);
}

Key::Key(KeyView bytes) : bytes_(std::span<const std::byte>(bytes)) {}

PlainBytes PlainBytes::of_size(std::size_t size) {
    PlainBytes plain;
    if (size != 0) {
        const std::size_t words =
            size / sizeof(std::uint64_t) + (size % sizeof(std::uint64_t) != 0 ? 1 : 0);
        plain.words_ = std::make_unique_for_overwrite<std::uint64_t[]>(words);
        plain.size_ = size;
    }
    return plain;
}

PlainBytes PlainBytes::copy_of(std::span<const std::byte> bytes) {
    PlainBytes copy = of_size(bytes.size());
    if (!bytes.empty()) std::memcpy(copy.writable().data(), bytes.data(), bytes.size());
    return copy;
}

PlainBytes::PlainBytes(PlainBytes&& other) noexcept
    : words_(std::move(other.words_)), size_(std::exchange(other.size_, 0)) {}

PlainBytes& PlainBytes::operator=(PlainBytes&& other) noexcept {
    std::swap(words_, other.words_);
    std::swap(size_, other.size_);
    return *this;
}

PlainBytes::~PlainBytes() {
    if (size_ != 0) sodium_memzero(words_.get(), size_);
}

std::vector<std::byte> seal(std::span<const std::byte> plaintext,
                            std::span<const std::byte> associated_data,
                            const Nonce& nonce,
                            KeyView key) {
    std::vector<std::byte> out;
    seal_onto(out, plaintext, associated_data, nonce, key);
    return out;
}

void seal_onto(std::vector<std::byte>& out,
               std::span<const std::byte> plaintext,
               std::span<const std::byte> associated_data,
               const Nonce& nonce,
               KeyView key) {
    initialise_sodium();
    const std::size_t begin = out.size();
    out.resize(begin + plaintext.size() + tag_size);
    crypto_aead_xchacha20poly1305_ietf_encrypt(output(std::span(out).subspan(begin)),
                                               nullptr,
                                               input(plaintext),
                                               plaintext.size(),
                                               input(associated_data),
                                               associated_data.size(),
                                               nullptr,
                                               input(nonce.bytes),
                                               input(key));
}

Result<PlainBytes> open(std::span<const std::byte> sealed,
                        std::span<const std::byte> associated_data,
                        const Nonce& nonce,
                        KeyView key) {
    if (sealed.size() < tag_size) return errc::wrong_key;
    initialise_sodium();
    PlainBytes plain = PlainBytes::of_size(sealed.size() - tag_size);
    // libsodium checks the tag before it writes a byte of plaintext.
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(output(plain.writable()),
                                                   nullptr,
                                                   nullptr,
                                                   input(sealed),
                                                   sealed.size(),
                                                   input(associated_data),
                                                   associated_data.size(),
                                                   input(nonce.bytes),
                                                   input(key)) != 0) {
        return errc::wrong_key;
    }
    return plain;
}

}  // namespace countersign::sealing
