#include "sealing/base64url.h"

#include <doctest/doctest.h>

using namespace countersign;
using namespace countersign::sealing;

TEST_CASE("base64url: any two bytes: three characters, which alone give them back") {
    Bytes bytes(2);
    for (int first = 0; first < 256; ++first) {
        bytes = {static_cast<std::byte>(first), static_cast<std::byte>(first * 7)};
        const auto text = to_base64url(bytes);
        CHECK(text.size() == 3);
        CHECK(from_base64url(text, 2) == bytes);
        CHECK_FALSE(from_base64url(text, 1));
        CHECK_FALSE(from_base64url(text + "=", 2));
    }
}

TEST_CASE("base64url: a character that is not of the alphabet: refused") {
    constexpr std::string_view alphabet =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    // Fuzzing found that libsodium 1.0.18 reads bytes above ASCII as letters.
    for (int character = 0; character < 256; ++character) {
        std::string text = "AAAA";
        text[2] = static_cast<char>(character);
        CAPTURE(character);
        CHECK(from_base64url(text, 3).has_value() == alphabet.contains(text[2]));
    }
}

TEST_CASE("base64url: bits left over, or a length that no bytes give: refused") {
    CHECK_FALSE(from_base64url("AB", 1));
    CHECK_FALSE(from_base64url("AAB", 2));
    CHECK_FALSE(from_base64url("A", 1));
    CHECK_FALSE(from_base64url("AAAAA", 4));
    CHECK(from_base64url("", 1) == Bytes{});
}
