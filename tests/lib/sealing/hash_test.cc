#include "sealing/hash.h"

#include <array>

#include <doctest/doctest.h>

#include "support/vectors.h"

using namespace countersign;
using namespace countersign::sealing;
using countersign::testing::bytes_of;

namespace {

std::array<std::byte, 64> counting_bytes() {
    std::array<std::byte, 64> bytes;
    for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i);
    return bytes;
}

const auto counting = counting_bytes();
const KeyView counting_key = std::span(counting).first<32>();

}  // namespace

// The figures are those of `b2sum -l 256` and of Python's hashlib.blake2b.

TEST_CASE("hash: BLAKE2b-256 whole, in parts and in pieces: the figure of b2sum") {
    const std::string figure = "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319";
    CHECK(to_hex(hash256(bytes_of("abc")).bytes) == figure);
    CHECK(to_hex(hash256({bytes_of("a"), {}, bytes_of("bc")}).bytes) == figure);
    Hasher hasher;
    hasher.update(bytes_of("ab")).update(bytes_of("c"));
    CHECK(to_hex(hasher.finish().bytes) == figure);
}

TEST_CASE("hash: a copied hasher: both go on alone") {
    Hasher first;
    first.update(bytes_of("ab"));
    Hasher second = first;
    second.update(bytes_of("x"));
    first.update(bytes_of("c"));
    CHECK(first.finish() == hash256(bytes_of("abc")));
    CHECK(second.finish() == hash256(bytes_of("abx")));
}

TEST_CASE("hash: keyed, of 16, 32 and 64 bytes: the figures of hashlib") {
    const auto message = bytes_of(std::string_view("scope\0value", 11));
    CHECK(to_hex(mac128(counting_key, {message}).bytes) == "56f635c4ad4e65477b290a635ff80ce9");
    CHECK(to_hex(mac128(counting_key,
                        {bytes_of("scope"), bytes_of(std::string_view("\0", 1)), bytes_of("value")})
                     .bytes) == "56f635c4ad4e65477b290a635ff80ce9");
    CHECK(to_hex(mac256(counting_key, {message}).bytes) ==
          "5e7e9eadd4cd6b6798307f2956a3d6bbfe4f1875937a55fbfd93fc61ccfcf90a");
    std::array<std::byte, 64> out;
    Hasher(64, counting).update(message).finish(out);
    CHECK(to_hex(out) ==
          "2e1a5c8a3b24ff2cf89f4c96f345e7323da3dc28eea527e536526ac959f3ec7c"
          "3941a23b4f01d7a34c0e8e3157aa75c4edf3c80f9c2fba0f9a5748dd06f1e891");
}

TEST_CASE("hash: a key derived from another: the figure of hashlib, another for each purpose") {
    const Key seventh = derive_key(counting_key, 7, "examples");
    CHECK(to_hex(seventh.view()) ==
          "ae137cfc3703f962b8eb8974417ac5c7a53259c6e49d07a852097deaebd6081b");
    CHECK_FALSE(seventh == derive_key(counting_key, 8, "examples"));
    CHECK_FALSE(seventh == derive_key(counting_key, 7, "examplez"));
    CHECK(seventh == derive_key(counting_key, 7, "examples"));
}

TEST_CASE("hash: byte strings compared: equal only when every byte and the size are") {
    CHECK(constant_time_equal({}, {}));
    CHECK(constant_time_equal(bytes_of("abc"), bytes_of("abc")));
    CHECK_FALSE(constant_time_equal(bytes_of("abc"), bytes_of("abd")));
    CHECK_FALSE(constant_time_equal(bytes_of("abc"), bytes_of("ab")));
    CHECK_FALSE(constant_time_equal(bytes_of("abc"), {}));
}
