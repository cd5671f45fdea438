#include "countersign/error.h"

#include <doctest/doctest.h>

using namespace countersign;

TEST_CASE("error: a code compared with what can be done about it: the remedy matches") {
    CHECK(Error(errc::overloaded) == Remedy::retry);
    CHECK(Error(errc::chain_gap) == Remedy::reconnect);
    CHECK(Error(errc::invalid_login) == Remedy::report);
    CHECK(Error(errc::corrupt) == Remedy::stop);
    CHECK(std::error_code(errc::corrupt) == Remedy::stop);
    CHECK_FALSE(Error(errc::corrupt) == Remedy::retry);
}

TEST_CASE("error: a failure with a detail: its message is the code's sentence, then the detail") {
    CHECK(Error(errc::not_primary, "write at hq").message() ==
          "this node does not write: write at hq");
    CHECK(Error(errc::not_primary).message() == "this node does not write");
}

TEST_CASE("error: a code that no release knows: still has a message") {
    CHECK(std::error_code(9999, error_category()).message() == "unknown error 9999");
    CHECK(name(static_cast<errc>(9999)) == std::string("unknown"));
}
