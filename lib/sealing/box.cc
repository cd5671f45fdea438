#include "sealing/box.h"

#include <sodium.h>

#include "sealing/hash.h"
#include "sealing/sodium.h"

namespace countersign::sealing {
namespace {

static_assert(sizeof(BoxPublicKey) == crypto_box_PUBLICKEYBYTES);
static_assert(key_size == crypto_box_SECRETKEYBYTES && key_size == crypto_box_SEEDBYTES);
static_assert(box_overhead == crypto_box_SEALBYTES);

}  // namespace

BoxKey::BoxKey(KeyView secret) : secret_(secret) {
    initialise_sodium();
    crypto_scalarmult_base(output(public_key_), input(secret));
}

Result<std::vector<std::byte>> seal_to(const BoxPublicKey& public_key,
                                       std::span<const std::byte> plaintext,
                                       KeyView ephemeral_seed) {
    initialise_sodium();
    BoxPublicKey ephemeral_public;
    Secret ephemeral_secret = Secret::of_size(key_size);
    crypto_box_seed_keypair(
        output(ephemeral_public), output(ephemeral_secret.writable()), input(ephemeral_seed));

    // As crypto_box_seal, which would draw the ephemeral key itself: the nonce is a hash of both
    // public keys.
    std::array<std::byte, crypto_box_NONCEBYTES> nonce;
    Hasher(nonce.size()).update(ephemeral_public).update(public_key).finish(nonce);

    std::vector<std::byte> box(ephemeral_public.begin(), ephemeral_public.end());
    box.resize(plaintext.size() + box_overhead);
    if (crypto_box_easy(output(std::span(box).subspan(ephemeral_public.size())),
                        input(plaintext),
                        plaintext.size(),
                        input(nonce),
                        input(public_key),
                        input(ephemeral_secret.bytes())) != 0) {
        return Error(errc::invalid_argument, "nothing can be sealed to this public key");
    }
    return box;
}

Result<PlainBytes> open_sealed(std::span<const std::byte> box, const BoxKey& key) {
    if (box.size() < box_overhead) return errc::wrong_key;
    PlainBytes plain = PlainBytes::of_size(box.size() - box_overhead);
    if (crypto_box_seal_open(output(plain.writable()),
                             input(box),
                             box.size(),
                             input(key.public_key()),
                             input(key.secret())) != 0) {
        return errc::wrong_key;
    }
    return plain;
}

}  // namespace countersign::sealing
