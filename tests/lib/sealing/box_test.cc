#include "sealing/box.h"

#include <algorithm>

#include <doctest/doctest.h>

#include "support/vectors.h"

using namespace countersign;
using namespace countersign::sealing;
using countersign::testing::bytes_of;
using countersign::testing::unhex;

namespace {

Key key_of(std::string_view hex) {
    return Key(Secret(std::span<const std::byte>(unhex(hex))));
}

BoxKey box_key(std::string_view hex) {
    return BoxKey(key_of(hex));
}

const std::string_view counting =
    "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const std::string_view message = "a data key of a realm";

bool holds_message(const Result<PlainBytes>& plain) {
    return plain && std::ranges::equal(plain->bytes(), bytes_of(message));
}

}  // namespace

TEST_CASE("box: the keys of RFC 7748 section 6.1: their public keys as published") {
    CHECK(to_hex(box_key("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a")
                     .public_key()) ==
          "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a");
    CHECK(to_hex(box_key("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb")
                     .public_key()) ==
          "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
}

TEST_CASE("box: sealed by crypto_box_seal: opens") {
    const auto box = unhex(
        "e6a85cb7924935249c7d8a37477c3a3bfb30af74d6478a842b77194077ecaa05"
        "0ab0fe9ff5c4b96fd725351d34cb4858d7b8c8180e6a3eaae3ff2949a8eecdb6a205e6a7f1");
    CHECK(holds_message(open_sealed(box, box_key(counting))));
}

TEST_CASE("box: sealed from a known seed: the figure of a model, which opens") {
    // The model: hashlib's SHA-512 of the seed as the ephemeral key and BLAKE2b-192 of both public
    // keys (OpenSSL's X25519) as the nonce of crypto_box_easy.
    const BoxKey key = box_key(counting);
    const Key seed = key_of("6465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f80818283");
    const auto box = seal_to(key.public_key(), bytes_of(message), seed);
    REQUIRE(box);
    CHECK(to_hex(*box) ==
          "5bccd484527714f28eb6b6fa9e43feabae73eab192aef1e7d59d2111343d7b70"
          "ab41a73a5fc0e7efe5f8d99f8641698e3a6b4e900d35168b1773cce94b51596bf3720c8837");
    CHECK(holds_message(open_sealed(*box, key)));
}

TEST_CASE("box: changed, cut short or for another key: wrong_key") {
    const BoxKey key = box_key(counting);
    auto box = seal_to(key.public_key(), bytes_of(message), KeyView(key.secret())).value();
    const auto refused = [](const Result<PlainBytes>& plain) {
        return !plain && plain.error() == errc::wrong_key;
    };
    for (auto& byte : box) {
        byte ^= std::byte{1};
        CHECK(refused(open_sealed(box, key)));
        byte ^= std::byte{1};
    }
    for (std::size_t size = 0; size < box.size(); ++size) {
        CHECK(refused(open_sealed(std::span(box).first(size), key)));
    }
    CHECK(refused(open_sealed(box, box_key(std::string(64, '7')))));
    CHECK(holds_message(open_sealed(box, key)));
}

TEST_CASE("box: sealed to public keys of Wycheproof's X25519: refused where the secret is zero") {
    for (const auto& file : testing::vectors("wycheproof", "x25519")) {
        std::size_t refused = 0;
        std::size_t sealed = 0;
        for (const auto& group : file.content.at("testGroups")) {
            for (const auto& test : group.at("tests")) {
                CAPTURE(test.at("tcId").get<int>());
                BoxPublicKey public_key;
                std::ranges::copy(unhex(test.at("public").get<std::string>()), public_key.begin());
                const auto box = seal_to(public_key, bytes_of(message), key_of(counting));
                if (test.at("shared").get<std::string>() == std::string(64, '0')) {
                    ++refused;
                    REQUIRE_FALSE(box);
                    CHECK(box.error() == errc::invalid_argument);
                } else {
                    ++sealed;
                    CHECK(box);
                }
            }
        }
        CHECK(refused > 0);
        CHECK(sealed > 0);
    }
}
