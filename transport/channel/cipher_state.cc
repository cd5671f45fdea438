#include "channel/cipher_state.h"

#include <array>
#include <cassert>
#include <limits>
#include <utility>

#include <sodium.h>

namespace countersign::channel {
namespace {

static_assert(key_size == crypto_aead_chacha20poly1305_ietf_KEYBYTES);
static_assert(tag_size == crypto_aead_chacha20poly1305_ietf_ABYTES);

constexpr std::uint64_t rekey_nonce = std::numeric_limits<std::uint64_t>::max();

using Nonce = std::array<unsigned char, crypto_aead_chacha20poly1305_ietf_NPUBBYTES>;

/// Section 12.3: four zero bytes, then the counter, least significant byte first.
Nonce nonce_bytes(std::uint64_t counter) noexcept {
    Nonce nonce{};
    for (std::size_t i = 4; i < nonce.size(); ++i) {
        nonce[i] = static_cast<unsigned char>(counter);
        counter >>= 8;
    }
    return nonce;
}

const unsigned char* input(std::span<const std::byte> bytes) noexcept {
    return reinterpret_cast<const unsigned char*>(bytes.data());
}

unsigned char* output(std::span<std::byte> bytes) noexcept {
    return reinterpret_cast<unsigned char*>(bytes.data());
}

Error nonces_used_up() {
    return Error(errc::limit_reached, "the channel's key has no nonce left; connect again");
}

}  // namespace

CipherState::CipherState(Secret key) : key_(std::move(key)) {
    assert(key_.size() == key_size);
}

Result<void> CipherState::encrypt_with_ad(std::span<const std::byte> associated,
                                          std::span<const std::byte> plaintext,
                                          std::span<std::byte> ciphertext) {
    assert(key_.size() == key_size && "a moved-from CipherState");
    assert(ciphertext.size() == plaintext.size() + tag_size);
    if (nonce_ == rekey_nonce) return nonces_used_up();
    crypto_aead_chacha20poly1305_ietf_encrypt(output(ciphertext),
                                              nullptr,
                                              input(plaintext),
                                              plaintext.size(),
                                              input(associated),
                                              associated.size(),
                                              nullptr,
                                              nonce_bytes(nonce_).data(),
                                              input(key_.bytes()));
    ++nonce_;
    return {};
}

Result<void> CipherState::decrypt_with_ad(std::span<const std::byte> associated,
                                          std::span<const std::byte> ciphertext,
                                          std::span<std::byte> plaintext) {
    assert(key_.size() == key_size && "a moved-from CipherState");
    if (ciphertext.size() < tag_size) {
        return Error(errc::malformed, "a sealed message is shorter than its tag");
    }
    assert(plaintext.size() == ciphertext.size() - tag_size);
    if (nonce_ == rekey_nonce) return nonces_used_up();
    const int status = crypto_aead_chacha20poly1305_ietf_decrypt(output(plaintext),
                                                                 nullptr,
                                                                 nullptr,
                                                                 input(ciphertext),
                                                                 ciphertext.size(),
                                                                 input(associated),
                                                                 associated.size(),
                                                                 nonce_bytes(nonce_).data(),
                                                                 input(key_.bytes()));
    if (status != 0) {
        sodium_memzero(plaintext.data(), plaintext.size());
        return Error(errc::malformed, "a message of the channel did not decrypt; connect again");
    }
    ++nonce_;
    return {};
}

void CipherState::rekey() {
    assert(key_.size() == key_size && "a moved-from CipherState");
    const std::array<unsigned char, key_size> zeros{};
    std::array<unsigned char, key_size + tag_size> sealed{};
    crypto_aead_chacha20poly1305_ietf_encrypt(sealed.data(),
                                              nullptr,
                                              zeros.data(),
                                              zeros.size(),
                                              nullptr,
                                              0,
                                              nullptr,
                                              nonce_bytes(rekey_nonce).data(),
                                              input(key_.bytes()));
    for (std::size_t i = 0; i < key_size; ++i) key_.writable()[i] = std::byte{sealed[i]};
    sodium_memzero(sealed.data(), sealed.size());
}

}  // namespace countersign::channel
