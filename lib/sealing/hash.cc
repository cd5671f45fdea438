#include "sealing/hash.h"

#include <cassert>
#include <utility>

#include <sodium.h>

#include "sealing/sodium.h"

namespace countersign::sealing {
namespace {

static_assert(sizeof(crypto_generichash_state) == 384);
static_assert(key_size == crypto_kdf_KEYBYTES);
static_assert(crypto_kdf_CONTEXTBYTES == 8);

crypto_generichash_state* state_in(std::array<std::byte, 384>& bytes) {
    return reinterpret_cast<crypto_generichash_state*>(bytes.data());
}

void hash_parts(std::span<std::byte> out, std::span<const std::byte> key, Parts parts) {
    Hasher hasher(out.size(), key);
    for (const auto part : parts) hasher.update(part);
    hasher.finish(out);
}

}  // namespace

Hash256 hash256(std::span<const std::byte> bytes) {
    initialise_sodium();
    Hash256 hash;
    crypto_generichash(output(hash.bytes), Hash256::size, input(bytes), bytes.size(), nullptr, 0);
    return hash;
}

Hash256 hash256(Parts parts) {
    Hash256 hash;
    hash_parts(hash.bytes, {}, parts);
    return hash;
}

Mac128 mac128(KeyView key, Parts parts) {
    Mac128 mac;
    hash_parts(mac.bytes, key, parts);
    return mac;
}

Hash256 mac256(KeyView key, Parts parts) {
    Hash256 mac;
    hash_parts(mac.bytes, key, parts);
    return mac;
}

Hasher::Hasher(std::size_t output_size, std::span<const std::byte> key)
    : output_size_(output_size) {
    assert(output_size >= crypto_generichash_BYTES_MIN);
    assert(output_size <= crypto_generichash_BYTES_MAX);
    assert(key.empty() || (key.size() >= crypto_generichash_KEYBYTES_MIN &&
                           key.size() <= crypto_generichash_KEYBYTES_MAX));
    initialise_sodium();
    crypto_generichash_init(state_in(state_), input(key), key.size(), output_size);
}

Hasher::~Hasher() {
    sodium_memzero(state_.data(), state_.size());
}

Hasher& Hasher::update(std::span<const std::byte> bytes) {
    crypto_generichash_update(state_in(state_), input(bytes), bytes.size());
    return *this;
}

void Hasher::finish(std::span<std::byte> out) {
    assert(out.size() == output_size_);
    [[maybe_unused]] const int result =
        crypto_generichash_final(state_in(state_), output(out), out.size());
    assert(result == 0);  // fails only when called twice
}

Hash256 Hasher::finish() {
    Hash256 hash;
    finish(hash.bytes);
    return hash;
}

Key derive_key(KeyView master, std::uint64_t subkey_id, const char (&context)[9]) {
    initialise_sodium();
    Secret subkey = Secret::of_size(key_size);
    crypto_kdf_derive_from_key(
        output(subkey.writable()), key_size, subkey_id, context, input(master));
    return Key(std::move(subkey));
}

bool constant_time_equal(std::span<const std::byte> left,
                         std::span<const std::byte> right) noexcept {
    if (left.size() != right.size()) return false;
    return left.empty() || sodium_memcmp(left.data(), right.data(), left.size()) == 0;
}

}  // namespace countersign::sealing
