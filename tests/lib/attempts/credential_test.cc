#include "attempts/credential.h"

#include <doctest/doctest.h>

#include "rows.h"

using namespace countersign;
using namespace countersign::attempts;
using namespace countersign::attempts::testing;

TEST_CASE("credential: a password's version or an authenticator: what was encoded is read back") {
    TotpId totp;
    totp.bytes[7] = std::byte{9};
    for (const CredentialId& credential :
         {CredentialId::password(user(3), PasswordVersion{0x0102030405060708}),
          CredentialId::totp(user(3), totp),
          CredentialId::totp(user(3), TotpId{})}) {
        const auto read = CredentialId::from_bytes(credential.bytes());
        REQUIRE(read);
        CHECK(*read == credential);
        CHECK(read->user() == user(3));
    }
    const auto bytes = CredentialId::password(user(3), PasswordVersion{0x0102}).bytes();
    CHECK(to_hex(bytes) ==
          "00000000000000000000000000000003"
          "01"
          "0201000000000000");
}

TEST_CASE("credential: a reset password, or another kind: another credential") {
    CHECK(CredentialId::password(user(1), PasswordVersion{1}) !=
          CredentialId::password(user(1), PasswordVersion{2}));
    TotpId one;
    one.bytes[0] = std::byte{1};
    CHECK(CredentialId::password(user(1), PasswordVersion{1}) != CredentialId::totp(user(1), one));
}

TEST_CASE("credential: bytes that no credential has: malformed") {
    auto bytes = password_of(1).bytes();
    CHECK(CredentialId::from_bytes(std::span(bytes).first(24)).error() == errc::malformed);
    CHECK(CredentialId::from_bytes({}).error() == errc::malformed);
    auto kind = bytes;
    kind[16] = std::byte{4};
    CHECK(CredentialId::from_bytes(kind).error() == errc::malformed);
    auto version = bytes;
    version[17] = std::byte{0};
    CHECK(CredentialId::from_bytes(version).error() == errc::malformed);
}
