#include "channel/symmetric_state.h"

#include <algorithm>
#include <cassert>
#include <initializer_list>

#include <sodium.h>

namespace countersign::channel {
namespace {

static_assert(hash_size == crypto_hash_sha512_BYTES);
static_assert(hash_size == crypto_auth_hmacsha512_BYTES);

const unsigned char* input(std::span<const std::byte> bytes) noexcept {
    return reinterpret_cast<const unsigned char*>(bytes.data());
}

/// Outputs of a hash that are keys: gone from the stack when they go out of scope.
struct WipedHash {
    Hash bytes{};
    WipedHash() = default;
    WipedHash(const WipedHash&) = delete;
    WipedHash& operator=(const WipedHash&) = delete;
    ~WipedHash() { sodium_memzero(bytes.data(), bytes.size()); }

    std::span<const std::byte> key() const noexcept { return std::span(bytes).first(key_size); }
};

void hmac(std::span<const std::byte> key,
          std::initializer_list<std::span<const std::byte>> parts,
          Hash& result) {
    crypto_auth_hmacsha512_state state;
    crypto_auth_hmacsha512_init(&state, input(key), key.size());
    for (const auto part : parts) crypto_auth_hmacsha512_update(&state, input(part), part.size());
    crypto_auth_hmacsha512_final(&state, reinterpret_cast<unsigned char*>(result.data()));
    sodium_memzero(&state, sizeof state);
}

/// HKDF of section 4.3, with three outputs; a caller that wants two ignores the last.
struct Derived {
    WipedHash first, second, third;

    Derived(const Secret& chaining_key, std::span<const std::byte> input_key_material) {
        constexpr std::array one{std::byte{1}}, two{std::byte{2}}, three{std::byte{3}};
        WipedHash temporary;
        hmac(chaining_key.bytes(), {input_key_material}, temporary.bytes);
        hmac(temporary.bytes, {one}, first.bytes);
        hmac(temporary.bytes, {first.bytes, two}, second.bytes);
        hmac(temporary.bytes, {second.bytes, three}, third.bytes);
    }
};

}  // namespace

SymmetricState::SymmetricState(std::string_view protocol_name) {
    const auto name = std::as_bytes(std::span(protocol_name));
    if (name.size() <= hash_size) {
        std::ranges::copy(name, hash_.begin());
    } else {
        crypto_hash_sha512(
            reinterpret_cast<unsigned char*>(hash_.data()), input(name), name.size());
    }
    chaining_key_ = Secret(hash_);
}

void SymmetricState::mix_key(std::span<const std::byte> input_key_material) {
    const Derived derived(chaining_key_, input_key_material);
    std::ranges::copy(derived.first.bytes, chaining_key_.writable().begin());
    cipher_.emplace(Secret(derived.second.key()));
}

void SymmetricState::mix_hash(std::span<const std::byte> data) {
    crypto_hash_sha512_state state;
    crypto_hash_sha512_init(&state);
    crypto_hash_sha512_update(&state, input(hash_), hash_.size());
    crypto_hash_sha512_update(&state, input(data), data.size());
    crypto_hash_sha512_final(&state, reinterpret_cast<unsigned char*>(hash_.data()));
}

void SymmetricState::mix_key_and_hash(std::span<const std::byte> input_key_material) {
    const Derived derived(chaining_key_, input_key_material);
    std::ranges::copy(derived.first.bytes, chaining_key_.writable().begin());
    mix_hash(derived.second.bytes);
    cipher_.emplace(Secret(derived.third.key()));
}

Result<std::vector<std::byte>> SymmetricState::encrypt_and_hash(
    std::span<const std::byte> plaintext) {
    std::vector<std::byte> ciphertext(plaintext.size() + overhead());
    if (cipher_) {
        const auto done = cipher_->encrypt_with_ad(hash_, plaintext, ciphertext);
        if (!done) return done.error();
    } else {
        std::ranges::copy(plaintext, ciphertext.begin());
    }
    mix_hash(ciphertext);
    return ciphertext;
}

Result<std::vector<std::byte>> SymmetricState::decrypt_and_hash(
    std::span<const std::byte> ciphertext) {
    if (ciphertext.size() < overhead()) {
        return Error(errc::malformed, "a sealed message is shorter than its tag");
    }
    std::vector<std::byte> plaintext(ciphertext.size() - overhead());
    if (cipher_) {
        const auto done = cipher_->decrypt_with_ad(hash_, ciphertext, plaintext);
        if (!done) return done.error();
    } else {
        std::ranges::copy(ciphertext, plaintext.begin());
    }
    mix_hash(ciphertext);
    return plaintext;
}

std::pair<CipherState, CipherState> SymmetricState::split() && {
    const Derived derived(chaining_key_, {});
    chaining_key_ = Secret();
    cipher_.reset();
    return {CipherState(Secret(derived.first.key())), CipherState(Secret(derived.second.key()))};
}

}  // namespace countersign::channel
