#include "sealing/aead.h"

#include <algorithm>
#include <cstdint>

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

bool equal(std::span<const std::byte> left, std::span<const std::byte> right) {
    return std::ranges::equal(left, right);
}

}  // namespace

TEST_CASE("sealing: XChaCha20-Poly1305 of Wycheproof: sealed and opened as published") {
    for (const auto& file : testing::vectors("wycheproof", "xchacha20_poly1305")) {
        std::size_t opened = 0;
        std::size_t refused = 0;
        for (const auto& group : file.content.at("testGroups")) {
            for (const auto& test : group.at("tests")) {
                CAPTURE(test.at("tcId").get<int>());
                const auto nonce = Nonce::from_bytes(unhex(test.at("iv").get<std::string>()));
                if (!nonce) {  // the type has no room for other sizes
                    CHECK(test.at("result") == "invalid");
                    continue;
                }
                const Key key = key_of(test.at("key").get<std::string>());
                const auto associated = unhex(test.at("aad").get<std::string>());
                const auto plaintext = unhex(test.at("msg").get<std::string>());
                auto sealed = unhex(test.at("ct").get<std::string>());
                const auto tag = unhex(test.at("tag").get<std::string>());
                sealed.insert(sealed.end(), tag.begin(), tag.end());
                const auto result = open(sealed, associated, *nonce, key);
                if (test.at("result") == "valid") {
                    ++opened;
                    REQUIRE(result);
                    CHECK(equal(result->bytes(), plaintext));
                    CHECK(seal(plaintext, associated, *nonce, key) == sealed);
                } else {
                    ++refused;
                    REQUIRE_FALSE(result);
                    CHECK(result.error() == errc::wrong_key);
                }
            }
        }
        CHECK(opened > 0);
        CHECK(refused > 0);
    }
}

TEST_CASE("sealing: one bit of anything sealed is changed: wrong_key") {
    Key key = key_of("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f");
    Nonce nonce;
    auto associated = bytes_of("kind and id");
    auto sealed = seal(bytes_of("a record"), associated, nonce, key);
    REQUIRE(sealed.size() == 8 + tag_size);
    REQUIRE(open(sealed, associated, nonce, key));

    const auto refused = [&] {
        const auto result = open(sealed, associated, nonce, key);
        return !result && result.error() == errc::wrong_key;
    };
    for (auto& byte : sealed) {
        byte ^= std::byte{0x10};
        CHECK(refused());
        byte ^= std::byte{0x10};
    }
    associated[0] ^= std::byte{1};
    CHECK(refused());
    associated[0] ^= std::byte{1};
    nonce.bytes[23] ^= std::byte{1};
    CHECK(refused());
    nonce.bytes[23] ^= std::byte{1};
    CHECK_FALSE(open(sealed, associated, nonce, Key(Secret::of_size(key_size))));
    CHECK(open(sealed, associated, nonce, key));
}

TEST_CASE("sealing: fewer bytes than a tag: wrong_key") {
    const Key key(Secret::of_size(key_size));
    for (std::size_t size = 0; size < tag_size; ++size) {
        const auto result = open(std::vector<std::byte>(size), {}, Nonce{}, key);
        REQUIRE_FALSE(result);
        CHECK(result.error() == errc::wrong_key);
    }
}

TEST_CASE("sealing: sealed onto bytes that are there: they stay, the rest opens") {
    const Key key(Secret::of_size(key_size));
    const auto header = bytes_of("header");
    auto out = header;
    seal_onto(out, bytes_of("body"), header, Nonce{}, key);
    REQUIRE(out.size() == header.size() + 4 + tag_size);
    CHECK(equal(std::span(out).first(header.size()), header));
    const auto body = open(std::span(out).subspan(header.size()), header, Nonce{}, key);
    REQUIRE(body);
    CHECK(equal(body->bytes(), bytes_of("body")));
}

TEST_CASE("sealing: nothing is sealed: it opens as nothing") {
    const Key key(Secret::of_size(key_size));
    const auto plain = open(seal({}, {}, Nonce{}, key), {}, Nonce{}, key);
    REQUIRE(plain);
    CHECK(plain->empty());
}

TEST_CASE("sealing: opened bytes: aligned for words, and moved without a copy") {
    for (std::size_t size = 1; size < 20; ++size) {
        PlainBytes plain = PlainBytes::of_size(size);
        CHECK(plain.size() == size);
        CHECK(reinterpret_cast<std::uintptr_t>(plain.bytes().data()) % 8 == 0);
        plain.writable()[size - 1] = std::byte{7};
        const auto* place = plain.bytes().data();
        const PlainBytes moved = std::move(plain);
        CHECK(moved.bytes().data() == place);
        CHECK(moved.bytes()[size - 1] == std::byte{7});
    }
}
