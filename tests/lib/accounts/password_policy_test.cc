#include "accounts/password_policy.h"

#include <string>

#include <doctest/doctest.h>

using namespace countersign;
using namespace countersign::accounts;

namespace {

std::string verdict(std::string_view password,
                    const PasswordPolicy& policy = {},
                    std::string_view login = "alice.longname") {
    const auto result = check_new_password(policy, Secret(password), login, Blocklist());
    if (result) return "accepted";
    return std::string(name(result.error().code())) + ": " + result.error().detail();
}

std::string repeated(std::string_view text, int times) {
    std::string all;
    for (int i = 0; i < times; ++i) all += text;
    return all;
}

}  // namespace

TEST_CASE("password policy: lengths: counted in code points") {
    CHECK(verdict("k3-vw9x") == "invalid_password: it is shorter than 8 characters");
    CHECK(verdict("k3-vw9xq") == "accepted");
    CHECK(verdict(repeated("\u00e9", 7)) == "invalid_password: it is shorter than 8 characters");
    CHECK(verdict(repeated("\u00e9", 8)) == "accepted");
    CHECK(verdict(repeated("\U0001f40e", 128)) == "accepted");
    CHECK(verdict(repeated("\U0001f40e", 129)) ==
          "invalid_password: it is longer than 128 characters");
    CHECK(verdict("fourteen chars", {.minimum_length = 15}) ==
          "invalid_password: it is shorter than 15 characters");
    CHECK(verdict("fifteen  chars.", {.minimum_length = 15}) == "accepted");
}

TEST_CASE("password policy: no rules of composition: any kinds of characters pass") {
    CHECK(verdict("correct horse battery staple") == "accepted");
    CHECK(verdict("4815162342108") == "accepted");
    CHECK(verdict("\u043f\u0430\u0440\u043e\u043b\u044c \u0434\u043b\u044f") == "accepted");
}

TEST_CASE("password policy: a password on the list, or the login: errc::password_blocked") {
    CHECK(verdict("password") == "password_blocked: choose one that is not well known");
    CHECK(verdict("PASSWORD") == "password_blocked: choose one that is not well known");
    CHECK(verdict("Alice.LongName") == "password_blocked: it is the login name");
    CHECK(verdict("alice.longname!") == "accepted");
    const auto list = Blocklist::load("Alice was here\n");
    CHECK(check_new_password({}, Secret("alice was here"), "alice", *list).error() ==
          errc::password_blocked);
}

TEST_CASE("password policy: settings outside of the limits: errc::invalid_argument") {
    CHECK(check(PasswordPolicy{}));
    CHECK(check({.minimum_length = 64, .maximum_length = 64}));
    CHECK(check({.minimum_length = 7}).error() == errc::invalid_argument);
    CHECK(check({.minimum_length = 65}).error() == errc::invalid_argument);
    CHECK(check({.maximum_length = 63}).error() == errc::invalid_argument);
    CHECK(check({.maximum_length = 1025}).error() == errc::invalid_argument);
}
