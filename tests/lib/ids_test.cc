#include "countersign/ids.h"

#include <doctest/doctest.h>

using namespace countersign;

TEST_CASE("ids: a user id written and read: the same id, in the text form of RFC 9562") {
    // RFC 9562, appendix A.6: an example of a UUIDv7.
    const std::string text = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f";
    const auto id = parse_user_id(text);
    REQUIRE(id);
    CHECK(to_string(*id) == text);
    CHECK(parse_user_id("017F22E2-79B0-7CC3-98C4-DC0C0C07398F") == id);
}

TEST_CASE("ids: text that is not a user id: no value") {
    for (const char* text : {"",
                             "017f22e2",
                             "017f22e279b07cc398c4dc0c0c07398f0000",
                             "017f22e2-79b0-7cc3-98c4-dc0c0c07398g",
                             "017f22e2-79b0-7cc3-98c4-dc0c0c07398f ",
                             "017f22e27-9b0-7cc3-98c4-dc0c0c07398f"}) {
        CHECK_FALSE(parse_user_id(text));
    }
}

TEST_CASE("ids: hexadecimal of odd length or with other letters: no value") {
    CHECK_FALSE(from_hex("abc"));
    CHECK_FALSE(from_hex("zz"));
    CHECK(from_hex("")->empty());
}
