#include "accounts/otpauth.h"

#include <string>

#include <doctest/doctest.h>

#include "countersign/ids.h"

#include "support/vectors.h"

using namespace countersign;
using namespace countersign::accounts;
using namespace std::chrono_literals;
using countersign::testing::bytes_of;
using countersign::testing::unhex;
using countersign::testing::vectors;

namespace {

std::string why(std::string_view uri) {
    const auto otpauth = parse_otpauth(uri);
    if (otpauth) return "accepted";
    CHECK(otpauth.error() == errc::invalid_totp);
    return otpauth.error().detail();
}

/// A URI with this secret and nothing else to object to.
std::string with_secret(const std::string& base32) {
    return "otpauth://totp/a?secret=" + base32;
}

Otpauth example() {
    return {.issuer = "ACME Co",
            .account = "zo\u00eb@example.com",
            .secret = Secret("12345678901234567890"),
            .parameters = {}};
}

const std::string good = "otpauth://totp/a?secret=GEZDGNBVGY3TQOJQ";

}  // namespace

TEST_CASE("otpauth: URIs of the format's description: read as it says, or refused") {
    for (const auto& file : vectors("totp", "otpauth")) {
        for (const auto& test : file.content) {
            CAPTURE(test.dump());
            const auto uri = test["uri"].get<std::string>();
            const auto& expect = test["expect"];
            const auto otpauth = parse_otpauth(uri);
            if (expect.contains("error")) {
                CHECK(why(uri) == "the URI has " + expect["error"].get<std::string>());
                continue;
            }
            REQUIRE(otpauth);
            CHECK(otpauth->issuer == expect["issuer"].get<std::string>());
            CHECK(otpauth->account == expect["account"].get<std::string>());
            CHECK(to_hex(otpauth->secret.bytes()) == expect["secret_hex"].get<std::string>());
            CHECK(expect["algorithm"] == "SHA1");
            CHECK(otpauth->parameters ==
                  TotpParameters{.digits = expect["digits"].get<unsigned>(),
                                 .period = std::chrono::seconds(expect["period"].get<int>())});
            // Writing gives all parameters, so only the whole URI comes back as it was.
            if (uri.contains("algorithm")) CHECK(format_otpauth(*otpauth)->text() == uri);
        }
    }
}

TEST_CASE("otpauth: written and read again: the same") {
    Otpauth otpauth = example();
    CHECK(format_otpauth(otpauth)->text() ==
          "otpauth://totp/ACME%20Co:zo%C3%AB@example.com?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
          "&issuer=ACME%20Co&algorithm=SHA1&digits=6&period=30");
    otpauth.issuer = "";
    otpauth.account = "a&b=c?d#e%f+g/h";
    otpauth.parameters = {.algorithm = TotpAlgorithm::sha512, .digits = 8, .period = 60s};
    const auto read = parse_otpauth(format_otpauth(otpauth)->text());
    REQUIRE(read);
    CHECK(read->issuer == "");
    CHECK(read->account == otpauth.account);
    CHECK(read->secret == otpauth.secret);
    CHECK(read->parameters == otpauth.parameters);
    otpauth.issuer = std::string(255, ' ');
    otpauth.account = std::string(255, '%');
    otpauth.secret = Secret::of_size(64);
    const auto longest = format_otpauth(otpauth);
    CHECK(parse_otpauth(longest->text())->account == otpauth.account);
}

TEST_CASE("otpauth: what cannot be read back: not written") {
    const auto refused = [](auto change) {
        Otpauth otpauth = example();
        change(otpauth);
        const auto uri = format_otpauth(otpauth);
        CHECK(uri.error() == errc::invalid_totp);
        return uri.error().detail();
    };
    CHECK(refused([](Otpauth& o) { o.issuer = "A:B"; }) == "the issuer holds a colon");
    CHECK(refused([](Otpauth& o) { o.account = "a:b"; }) == "the account holds a colon");
    CHECK(refused([](Otpauth& o) { o.account = ""; }) ==
          "the account is empty or begins with a space");
    CHECK(refused([](Otpauth& o) { o.account = "\xff"; }).starts_with("the account is not up to"));
    CHECK(refused([](Otpauth& o) { o.issuer = "a\nb"; }).starts_with("the issuer is not up to"));
    CHECK(refused([](Otpauth& o) {
              o.issuer = std::string(256, 'a');
          }).starts_with("the issuer is not up to"));
    CHECK(refused([](Otpauth& o) { o.secret = Secret("123456789"); }) ==
          "the secret is not 10 to 64 bytes long");
    CHECK(refused([](Otpauth& o) { o.parameters.digits = 10; }) == "a code has 6 to 8 digits");
}

TEST_CASE("otpauth: spellings that others use: read") {
    CHECK(why(good) == "accepted");
    CHECK(parse_otpauth(good)->secret == Secret("1234567890"));
    CHECK(parse_otpauth("OTPAUTH://TOTP/a?secret=gezdgnbvgy3tqojq")->secret ==
          Secret("1234567890"));
    CHECK(parse_otpauth(good + "&algorithm=sha256")->parameters.algorithm == TotpAlgorithm::sha256);
    CHECK(why(good + "&image=https%3A%2F%2Fx&counter=5&image=y&&=") == "accepted");
    CHECK(why(with_secret("GEZDGNBVGY3TQOJQGEZA%3D%3D%3D%3D")) == "accepted");
    CHECK(why(with_secret("GEZDGNBVGY3TQOJQGEZA====")) == "accepted");
    const auto spaced =
        parse_otpauth("otpauth://totp/Example%3A%20%20alice?secret=GEZDGNBVGY3TQOJQ");
    CHECK(spaced->issuer == "Example");
    CHECK(spaced->account == "alice");
    CHECK(parse_otpauth(good + "&issuer=A+B")->issuer == "A+B");
}

TEST_CASE("otpauth: bad URIs: errc::invalid_totp, each with its why") {
    CHECK(why("") == "the URI does not begin with otpauth://totp/");
    CHECK(why("https://totp/a?secret=GEZDGNBVGY3TQOJQ") ==
          "the URI does not begin with otpauth://totp/");
    CHECK(why("otpauth://hotp/a?secret=GEZDGNBVGY3TQOJQ&counter=0") ==
          "the URI is for codes by counter (hotp); only totp is supported");
    CHECK(why("otpauth://totp/a") == "the URI has no secret");
    CHECK(why("otpauth://totp/a?secret") == "the secret is not 10 to 64 bytes long");
    CHECK(why("otpauth://totp/?secret=GEZDGNBVGY3TQOJQ") ==
          "the account is empty or begins with a space");
    CHECK(why("otpauth://totp/Issuer:?secret=GEZDGNBVGY3TQOJQ") ==
          "the account is empty or begins with a space");
    CHECK(why("otpauth://totp/a:b:c?secret=GEZDGNBVGY3TQOJQ") == "the account holds a colon");
    CHECK(why("otpauth://totp/a%zz?secret=GEZDGNBVGY3TQOJQ") ==
          "the label is not percent-encoded as a URI is");
    CHECK(why("otpauth://totp/a%4?secret=GEZDGNBVGY3TQOJQ") ==
          "the label is not percent-encoded as a URI is");
    CHECK(why("otpauth://totp/a b?secret=GEZDGNBVGY3TQOJQ") ==
          "the label is not percent-encoded as a URI is");
    CHECK(why("otpauth://totp/zo\u00eb?secret=GEZDGNBVGY3TQOJQ") ==
          "the label is not percent-encoded as a URI is");
    CHECK(why("otpauth://totp/a%00b?secret=GEZDGNBVGY3TQOJQ").starts_with("the account is not"));
    CHECK(why("otpauth://totp/a%FFb?secret=GEZDGNBVGY3TQOJQ").starts_with("the account is not"));
    CHECK(why(good + "&issuer=%E2%80") ==
          "the issuer is not up to 255 bytes of UTF-8 without control characters");
    CHECK(why(good + "#fragment") == "the secret is not percent-encoded as a URI is");
    CHECK(why("otpauth://totp/A:b?secret=GEZDGNBVGY3TQOJQ&issuer=B") ==
          "the issuer in the label is not that of the issuer parameter");
    CHECK(why(good + "&secret=GEZDGNBVGY3TQOJQ") == "the parameter secret is there twice");
    CHECK(why(good + "&digits=6&digits=6") == "the parameter digits is there twice");
    CHECK(why(with_secret("GEZDGNBVGY3TQOJ1")) ==
          "the secret is not base32: a character is not one of base32");
    CHECK(why(with_secret("GEZDGNBVGY3TQOJ")) ==
          "the secret is not base32: the base32 text is cut short or mistyped");
    CHECK(why(with_secret("GEZDGNBVGY3TQ")) == "the secret is not 10 to 64 bytes long");
    CHECK(why(with_secret(std::string(104, 'A'))) == "the secret is not 10 to 64 bytes long");
    CHECK(why(good + "&algorithm=MD5") == "the algorithm is not SHA1, SHA256 or SHA512");
    CHECK(why(good + "&digits=six") == "the digits parameter is not a number");
    CHECK(why(good + "&digits=") == "the digits parameter is not a number");
    CHECK(why(good + "&digits=-6") == "the digits parameter is not a number");
    CHECK(why(good + "&digits=10") == "a code has 6 to 8 digits");
    CHECK(why(good + "&period=30s") == "the period parameter is not a number");
    CHECK(why(good + "&period=4294967326") == "the period parameter is not a number");
    CHECK(why(good + "&period=0") == "the period is 15 to 120 seconds");
    CHECK(why(good + "&x=" + std::string(4096, 'x')) == "the URI is longer than 4,096 bytes");
}
