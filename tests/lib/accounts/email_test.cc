#include "accounts/email.h"

#include <string>

#include <doctest/doctest.h>

using namespace countersign;
using namespace countersign::accounts;

namespace {

std::string key(std::string_view text) {
    const auto email = normalise_email(text);
    if (email) return email->key;
    CHECK(email.error() == errc::invalid_email);
    return "refused: " + email.error().detail();
}

const std::string label63(63, 'd');

}  // namespace

TEST_CASE("email: good addresses: the local part's case kept to send to, folded to compare") {
    const auto email = normalise_email("Jane.Doe+x@Example.COM");
    REQUIRE(email);
    CHECK(email->address == "Jane.Doe+x@example.com");
    CHECK(email->key == "jane.doe+x@example.com");
    CHECK(key("root@localhost") == "root@localhost");
    CHECK(key("!#$%&'*+-/=?^_`{|}~@a-b.c1") == "!#$%&'*+-/=?^_`{|}~@a-b.c1");
    CHECK(key("a@xn--bcher-kva.example") == "a@xn--bcher-kva.example");
}

TEST_CASE("email: internationalised addresses: NFC, lower case") {
    CHECK(key("Ju\u0308rgen@B\u00dcCHER.example") == "j\u00fcrgen@b\u00fccher.example");
    CHECK(key("\u7528\u6237@\u4f8b\u5b50.\u5e7f\u544a") ==
          "\u7528\u6237@\u4f8b\u5b50.\u5e7f\u544a");
    CHECK(key("\u05d0\u05d1\u05d2@\u05d3\u05d4.example") ==
          "\u05d0\u05d1\u05d2@\u05d3\u05d4.example");
    CHECK(normalise_email("Ju\u0308rgen@b\u00fccher.example")->address ==
          "J\u00fcrgen@b\u00fccher.example");
}

TEST_CASE("email: lengths of RFC 5321: the longest pass, one more does not") {
    const std::string local(64, 'l');
    CHECK_FALSE(key(local + "@example.com").starts_with("refused"));
    CHECK(key("l" + local + "@example.com") ==
          "refused: the part before the @ is longer than 64 bytes");
    CHECK_FALSE(key("a@" + label63 + ".com").starts_with("refused"));
    CHECK(key("a@d" + label63 + ".com") ==
          "refused: a label of the domain is longer than 63 bytes");
    const std::string domain = label63 + "." + label63 + "." + std::string(61, 'e');  // 189
    CHECK(key(local + "@" + domain).size() == 254);
    CHECK(key(local + "@" + domain + "e") == "refused: it is longer than 254 bytes");
    CHECK(key(std::string(2000, 'a')) == "refused: it is longer than 254 bytes");
}

TEST_CASE("email: bad addresses: errc::invalid_email, each with its why") {
    CHECK(key("") == "refused: it has no @");
    CHECK(key("alice") == "refused: it has no @");
    CHECK(key("@example.com") == "refused: nothing stands before the @");
    CHECK(key("alice@") == "refused: the domain is empty or has an empty label");
    CHECK(key("alice@example.com.") == "refused: the domain is empty or has an empty label");
    CHECK(key("alice@.com") == "refused: the domain is empty or has an empty label");
    CHECK(key("a@b@c") == "refused: a character before the @ does not belong in an address");
    CHECK(key("a\uff20b@c") == "refused: a character before the @ does not belong in an address");
    CHECK(key("a,b@c") == "refused: a character before the @ does not belong in an address");
    CHECK(key("\"a b\"@example.com") == "refused: quoted local parts are not supported");
    CHECK(key("a b@example.com") == "refused: U+0020: spaces are not allowed");
    CHECK(key("a\r\nBcc: b@example.com").starts_with("refused: U+000D: control characters"));
    CHECK(key("a@exam\nple.com").starts_with("refused: U+000A: control characters"));
    CHECK(key("\xff@example.com") == "refused: it is not UTF-8");
    CHECK(key(".a@example.com") ==
          "refused: before the @ a dot stands at an end or beside another");
    CHECK(key("a.@example.com") ==
          "refused: before the @ a dot stands at an end or beside another");
    CHECK(key("a..b@c") == "refused: before the @ a dot stands at an end or beside another");
    CHECK(key("a@[192.0.2.1]") == "refused: the domain is an address literal; use a name");
    CHECK(key("a@b_c") == "refused: a character of the domain does not belong in one");
    CHECK(key("a@b\uff0ec") == "refused: a character of the domain does not belong in one");
    CHECK(key("a@-b") == "refused: a label of the domain begins or ends with a hyphen");
    CHECK(key("a@b-.c") == "refused: a label of the domain begins or ends with a hyphen");
}
