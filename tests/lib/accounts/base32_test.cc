#include "accounts/base32.h"

#include <array>
#include <string>
#include <utility>

#include <doctest/doctest.h>

#include "support/vectors.h"

using namespace countersign;
using namespace countersign::accounts;
using countersign::testing::bytes_of;
using countersign::testing::unhex;
using countersign::testing::vectors;

namespace {

std::string encoded(std::string_view text, Base32 alphabet = Base32::rfc4648) {
    return std::string(base32_encode(bytes_of(text), alphabet).text());
}

std::string decoded(std::string_view text, Base32 alphabet = Base32::rfc4648) {
    const auto bytes = base32_decode(text, alphabet);
    if (bytes) return std::string(bytes->text());
    CHECK(bytes.error() == errc::malformed);
    return "refused: " + bytes.error().detail();
}

constexpr std::pair<const char*, const char*> rfc4648_examples[] = {
    {"", ""},
    {"f", "MY======"},
    {"fo", "MZXQ===="},
    {"foo", "MZXW6==="},
    {"foob", "MZXW6YQ="},
    {"fooba", "MZXW6YTB"},
    {"foobar", "MZXW6YTBOI======"},
};

}  // namespace

TEST_CASE("base32: the examples of RFC 4648 section 10: written unpadded, read either way") {
    for (const auto& [text, padded] : rfc4648_examples) {
        const std::string_view with_padding = padded;
        const auto unpadded = with_padding.substr(0, with_padding.find('='));
        CHECK(encoded(text) == unpadded);
        CHECK(decoded(unpadded) == text);
        CHECK(decoded(with_padding) == text);
    }
    CHECK(decoded("mzxw6ytboi") == "foobar");
}

TEST_CASE("base32: the secrets of oathtool: same text") {
    for (const auto& file : vectors("totp", "totp_generated")) {
        for (const auto& test : file.content["tests"]) {
            const auto secret = unhex(test["secret_hex"].get<std::string>());
            CHECK(base32_encode(secret).text() == test["secret_base32"].get<std::string>());
            CHECK(base32_decode(test["secret_base32"].get<std::string>()).value() ==
                  Secret(secret));
        }
    }
}

TEST_CASE("base32: what is not base32: refused, each for its own reason") {
    CHECK(decoded("MZXW6YT1") == "refused: a character is not one of base32");
    CHECK(decoded("MZXW 6YTB") == "refused: the base32 text is cut short");  // nine characters
    CHECK(decoded("MZXW-YTB") == "refused: a character is not one of base32");
    CHECK(decoded("MZ=W6YTB") == "refused: a character is not one of base32");
    CHECK(decoded("M") == "refused: the base32 text is cut short");
    CHECK(decoded("MZX") == "refused: the base32 text is cut short");
    CHECK(decoded("MZXW6Y") == "refused: the base32 text is cut short");
    CHECK(decoded("MZ") == "refused: the base32 text is cut short or mistyped");  // bits left over
    CHECK(decoded("MY=") == "refused: the base32 padding is wrong; leave it out");
    CHECK(decoded("MZXW6YTB========") == "refused: the base32 padding is wrong; leave it out");
    CHECK(decoded("========") == "refused: the base32 padding is wrong; leave it out");
}

TEST_CASE("base32: Crockford's alphabet: confusable letters are read as digits") {
    CHECK(encoded("foobar", Base32::crockford) == "CSQPYRK1E8");
    CHECK(decoded("csqpyrk1e8", Base32::crockford) == "foobar");
    CHECK(decoded("CSQPYRKiE8", Base32::crockford) == "foobar");
    CHECK(decoded("CSQPYRKLE8", Base32::crockford) == "foobar");
    CHECK(decoded("oO", Base32::crockford) == std::string(1, '\0'));
    CHECK(decoded("CSQPYRKUE8", Base32::crockford) == "refused: a character is not one of base32");
    CHECK(decoded("CR======", Base32::crockford) == "refused: a character is not one of base32");
}
