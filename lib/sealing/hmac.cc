#include "sealing/hmac.h"

#include <nettle/hmac.h>
#include <sodium.h>

#include "sealing/sodium.h"

namespace countersign::sealing {
namespace {

/// The libraries declare that they take no null pointer, which is what an empty span may hold.
const unsigned char* never_null(std::span<const std::byte> bytes) {
    static constexpr unsigned char nothing = 0;
    return bytes.empty() ? &nothing : input(bytes);
}

}  // namespace

// libsodium has no SHA-1.
std::array<std::byte, 20> hmac_sha1(std::span<const std::byte> key,
                                    std::span<const std::byte> message) {
    static_assert(SHA1_DIGEST_SIZE == 20);
    std::array<std::byte, 20> mac;
    hmac_sha1_ctx state;
    hmac_sha1_set_key(&state, key.size(), never_null(key));
    hmac_sha1_update(&state, message.size(), never_null(message));
    hmac_sha1_digest(&state, mac.size(), output(mac));
    sodium_memzero(&state, sizeof state);
    return mac;
}

std::array<std::byte, 32> hmac_sha256(std::span<const std::byte> key,
                                      std::span<const std::byte> message) {
    static_assert(crypto_auth_hmacsha256_BYTES == 32);
    initialise_sodium();
    std::array<std::byte, 32> mac;
    crypto_auth_hmacsha256_state state;
    crypto_auth_hmacsha256_init(&state, never_null(key), key.size());
    crypto_auth_hmacsha256_update(&state, never_null(message), message.size());
    crypto_auth_hmacsha256_final(&state, output(mac));
    sodium_memzero(&state, sizeof state);
    return mac;
}

std::array<std::byte, 64> hmac_sha512(std::span<const std::byte> key,
                                      std::span<const std::byte> message) {
    static_assert(crypto_auth_hmacsha512_BYTES == 64);
    initialise_sodium();
    std::array<std::byte, 64> mac;
    crypto_auth_hmacsha512_state state;
    crypto_auth_hmacsha512_init(&state, never_null(key), key.size());
    crypto_auth_hmacsha512_update(&state, never_null(message), message.size());
    crypto_auth_hmacsha512_final(&state, output(mac));
    sodium_memzero(&state, sizeof state);
    return mac;
}

}  // namespace countersign::sealing
