#include "sealing/hmac.h"

#include <functional>
#include <span>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "countersign/ids.h"

#include "support/vectors.h"

using namespace countersign;
using namespace countersign::sealing;
using countersign::testing::bytes_of;
using countersign::testing::unhex;
using countersign::testing::vectors;

namespace {

using ByteSpan = std::span<const std::byte>;
using Hmac = std::function<std::string(ByteSpan key, ByteSpan message)>;

/// Every case of the files, whose tags may be cut short: the valid ones match, the others do not.
void check_all(std::string_view prefix, const Hmac& hmac) {
    for (const auto& file : vectors("wycheproof", prefix)) {
        CAPTURE(file.name);
        std::size_t checked = 0;
        for (const auto& group : file.content["testGroups"]) {
            const std::size_t tag_digits = group["tagSize"].get<std::size_t>() / 4;
            for (const auto& test : group["tests"]) {
                CAPTURE(test["tcId"].get<int>());
                const std::string mac = hmac(unhex(test["key"].get<std::string>()),
                                             unhex(test["msg"].get<std::string>()));
                const bool same = mac.substr(0, tag_digits) == test["tag"].get<std::string>();
                CHECK(same == (test["result"] == "valid"));
                ++checked;
            }
        }
        CHECK(checked == file.content["numberOfTests"].get<std::size_t>());
    }
}

}  // namespace

TEST_CASE("hmac: the cases of Wycheproof: valid tags match, modified ones do not") {
    check_all("hmac_sha1",
              [](ByteSpan key, ByteSpan message) { return to_hex(hmac_sha1(key, message)); });
    check_all("hmac_sha256",
              [](ByteSpan key, ByteSpan message) { return to_hex(hmac_sha256(key, message)); });
    check_all("hmac_sha512",
              [](ByteSpan key, ByteSpan message) { return to_hex(hmac_sha512(key, message)); });
}

TEST_CASE("hmac: test case 2 of RFC 2202 and RFC 4231: the figures printed there") {
    const auto key = bytes_of("Jefe");
    const auto message = bytes_of("what do ya want for nothing?");
    CHECK(to_hex(hmac_sha1(key, message)) == "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
    CHECK(to_hex(hmac_sha256(key, message)) ==
          "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    CHECK(to_hex(hmac_sha512(key, message)) ==
          "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f"
          "65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737");
}

TEST_CASE("hmac: a key longer than the block (RFC 2202 and RFC 4231, test case 6): hashed first") {
    const auto message = bytes_of("Test Using Larger Than Block-Size Key - Hash Key First");
    CHECK(to_hex(hmac_sha1(std::vector<std::byte>(80, std::byte{0xaa}), message)) ==
          "aa4ae5e15272d00e95705637ce8a3b55ed402112");
    CHECK(to_hex(hmac_sha256(std::vector<std::byte>(131, std::byte{0xaa}), message)) ==
          "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    CHECK(to_hex(hmac_sha512(std::vector<std::byte>(131, std::byte{0xaa}), message)) ==
          "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f3526b56d037e05f2598bd0fd2"
          "215d6a1e5295e64f73f63f0aec8b915a985d786598");
}

TEST_CASE("hmac: empty key and message: the figures of Python's hmac") {
    CHECK(to_hex(hmac_sha1({}, {})) == "fbdb1d1b18aa6c08324b7d64b71fb76370690e1d");
    CHECK(to_hex(hmac_sha256({}, {})) ==
          "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}
