#include "sealing/signature.h"

#include <cassert>
#include <string>
#include <vector>

#include <sodium.h>

#include "sealing/hash.h"
#include "sealing/sodium.h"

namespace countersign::sealing {
namespace {

static_assert(Signature::size == crypto_sign_BYTES);
static_assert(sizeof(PublicKey) == crypto_sign_PUBLICKEYBYTES);
static_assert(crypto_sign_SEEDBYTES == 32);

std::vector<std::byte> message_of(SignatureKind kind, std::span<const std::byte> bytes) {
    std::string context = "countersign/";
    context += name(kind);
    context += "/v1";
    const auto prefix = std::as_bytes(std::span(context.c_str(), context.size() + 1));
    std::vector<std::byte> message(prefix.begin(), prefix.end());
    const Hash256 hash = hash256(bytes);
    message.insert(message.end(), hash.bytes.begin(), hash.bytes.end());
    return message;
}

}  // namespace

std::string_view name(SignatureKind kind) noexcept {
    switch (kind) {
        case SignatureKind::batch:
            return "batch";
        case SignatureKind::designation:
            return "designation";
        case SignatureKind::membership:
            return "membership";
        case SignatureKind::tally:
            return "tally";
        case SignatureKind::pulse:
            return "pulse";
        case SignatureKind::receipt:
            return "receipt";
        case SignatureKind::invitation:
            return "invitation";
        case SignatureKind::token:
            return "token";
        case SignatureKind::admission:
            return "admission";
        case SignatureKind::spent:
            return "spent";
        case SignatureKind::challenge:
            return "challenge";
    }
    assert(false);
    return {};
}

SigningKey::SigningKey(std::span<const std::byte, 32> seed)
    : expanded_(Secret::of_size(crypto_sign_SECRETKEYBYTES)) {
    initialise_sodium();
    crypto_sign_seed_keypair(output(public_key_), output(expanded_.writable()), input(seed));
}

Signature sign(SignatureKind kind, std::span<const std::byte> bytes, const SigningKey& key) {
    return sign_raw(message_of(kind, bytes), key);
}

bool verify(SignatureKind kind,
            std::span<const std::byte> bytes,
            const Signature& signature,
            std::span<const std::byte, 32> public_key) {
    return verify_raw(message_of(kind, bytes), signature, public_key);
}

Signature sign_raw(std::span<const std::byte> message, const SigningKey& key) {
    Signature signature;
    crypto_sign_detached(output(signature.bytes),
                         nullptr,
                         input(message),
                         message.size(),
                         input(key.expanded_.bytes()));
    return signature;
}

bool verify_raw(std::span<const std::byte> message,
                const Signature& signature,
                std::span<const std::byte, 32> public_key) {
    initialise_sodium();
    return crypto_sign_verify_detached(
               input(signature.bytes), input(message), message.size(), input(public_key)) == 0;
}

}  // namespace countersign::sealing
