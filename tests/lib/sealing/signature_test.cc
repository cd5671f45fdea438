#include "sealing/signature.h"

#include <doctest/doctest.h>

#include "support/vectors.h"

using namespace countersign;
using namespace countersign::sealing;
using countersign::testing::bytes_of;
using countersign::testing::unhex;

namespace {

using Bytes32 = Id<struct Bytes32Tag, 32>;

Bytes32 bytes32(std::string_view hex) {
    return Bytes32::from_bytes(unhex(hex)).value();
}

Bytes32 counting() {
    Bytes32 bytes;
    for (std::size_t i = 0; i < 32; ++i) bytes.bytes[i] = static_cast<std::byte>(i);
    return bytes;
}

}  // namespace

TEST_CASE("signature: RFC 8032 section 7.1: keys and signatures as published") {
    for (const auto& file : testing::vectors("rfc", "rfc8032")) {
        for (const auto& test : file.content) {
            CAPTURE(test.at("name").get<std::string>());
            const SigningKey key(bytes32(test.at("sk").get<std::string>()));
            const auto message = unhex(test.at("msg").get<std::string>());
            CHECK(to_hex(key.public_key()) == test.at("pk").get<std::string>());
            const Signature signature = sign_raw(message, key);
            CHECK(to_hex(signature.bytes) == test.at("sig").get<std::string>());
            CHECK(verify_raw(message, signature, key.public_key()));
        }
    }
}

TEST_CASE("signature: Ed25519 of Wycheproof: accepted and refused as published") {
    for (const auto& file : testing::vectors("wycheproof", "ed25519")) {
        std::size_t accepted = 0;
        std::size_t refused = 0;
        for (const auto& group : file.content.at("testGroups")) {
            const auto public_key = bytes32(group.at("publicKey").at("pk").get<std::string>());
            for (const auto& test : group.at("tests")) {
                CAPTURE(test.at("tcId").get<int>());
                const auto signature =
                    Signature::from_bytes(unhex(test.at("sig").get<std::string>()));
                // The type has no room for signatures of another size.
                const bool valid =
                    signature &&
                    verify_raw(unhex(test.at("msg").get<std::string>()), *signature, public_key);
                CHECK(valid == (test.at("result") == "valid"));
                ++(valid ? accepted : refused);
            }
        }
        CHECK(accepted > 0);
        CHECK(refused > 0);
    }
}

TEST_CASE("signature: the odd cases of speccheck: libsodium's answers, which all nodes share") {
    for (const auto& file : testing::vectors("ed25519")) {
        for (const auto& test : file.content.at("cases")) {
            const auto message = test.at("message").get<std::string>();
            CAPTURE(message);
            const bool valid = verify_raw(
                unhex(message),
                Signature::from_bytes(unhex(test.at("signature").get<std::string>())).value(),
                bytes32(test.at("pub_key").get<std::string>()));
            CHECK(valid == (test.at("expect_libsodium") == "valid"));
        }
    }
}

TEST_CASE("signature: a signed statement: the figure of another implementation") {
    // OpenSSL's Ed25519 over "countersign/batch/v1", a zero byte and hashlib.blake2b of the bytes.
    const SigningKey key(counting());
    CHECK(to_hex(key.public_key()) ==
          "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8");
    CHECK(to_hex(sign(SignatureKind::batch, bytes_of("the bytes of a batch"), key).bytes) ==
          "f82e748b14615764a199795b8a54f19d04acc47062ac5f2fed12701194c25a73"
          "b40b516d897439d84437092e196c875dd8017296ff8f0895bbf0a346efc03a08");
}

TEST_CASE("signature: of one kind: valid as that kind alone, for those bytes and that key alone") {
    using enum SignatureKind;
    constexpr SignatureKind kinds[] = {
        batch, designation, membership, tally, pulse, receipt, invitation, token, admission, spent};
    const SigningKey key(counting());
    const SigningKey other(bytes32(std::string(64, '7')));
    const auto bytes = bytes_of("a statement");
    for (const auto signed_as : kinds) {
        const Signature signature = sign(signed_as, bytes, key);
        for (const auto read_as : kinds) {
            CHECK(verify(read_as, bytes, signature, key.public_key()) == (read_as == signed_as));
        }
        CHECK_FALSE(verify(signed_as, bytes_of("a statemenu"), signature, key.public_key()));
        CHECK_FALSE(verify(signed_as, bytes, signature, other.public_key()));
        CHECK_FALSE(verify_raw(bytes, signature, key.public_key()));
        Signature changed = signature;
        changed.bytes[63] ^= std::byte{1};
        CHECK_FALSE(verify(signed_as, bytes, changed, key.public_key()));
    }
}
