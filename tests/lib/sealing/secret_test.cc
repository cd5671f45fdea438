#include "countersign/secret.h"

#include <string>
#include <type_traits>
#include <utility>

#include <doctest/doctest.h>

using namespace countersign;

static_assert(!std::is_copy_constructible_v<Secret>);
static_assert(!std::is_copy_assignable_v<Secret>);
static_assert(std::is_nothrow_move_constructible_v<Secret>);

TEST_CASE("secret: made from text: holds the text") {
    const Secret secret("correct horse");
    CHECK(secret.size() == 13);
    CHECK_FALSE(secret.empty());
    CHECK(secret.text() == "correct horse");
    CHECK(secret.bytes()[0] == std::byte{'c'});
}

TEST_CASE("secret: made from a string that is given away: the string is emptied and zeroed") {
    std::string text = "battery staple, long enough to live on the heap";
    const char* place = text.data();
    const Secret secret(std::move(text));
    CHECK(secret.text() == "battery staple, long enough to live on the heap");
    CHECK(text.empty());
    REQUIRE(text.data() == place);
    for (std::size_t i = 0; i < secret.size(); ++i) CHECK(place[i] == '\0');
}

TEST_CASE("secret: with zero bytes inside: they count") {
    const Secret secret(std::string_view("a\0b", 3));
    CHECK(secret.size() == 3);
    CHECK_FALSE(secret == Secret("a"));
}

TEST_CASE("secret: of a size: zero bytes that can be filled") {
    Secret secret = Secret::of_size(5);
    CHECK(secret == Secret(std::string_view("\0\0\0\0\0", 5)));
    secret.writable()[0] = std::byte{'x'};
    CHECK(secret.text()[0] == 'x');
}

TEST_CASE("secret: of nothing: empty, and equal to any other of nothing") {
    CHECK(Secret().empty());
    CHECK(Secret::of_size(0).empty());
    CHECK(Secret("") == Secret());
    CHECK_FALSE(Secret("a") == Secret());
}

TEST_CASE("secret: moved: the new object holds the same bytes, the old one nothing") {
    Secret first("pass phrase");
    const auto* place = first.bytes().data();
    Secret second = std::move(first);
    CHECK(first.empty());
    CHECK(second.bytes().data() == place);
    Secret third;
    third = std::move(second);
    CHECK(third.text() == "pass phrase");
}

TEST_CASE("secret: cloned: equal, and apart from the original") {
    const Secret first("pass phrase");
    Secret second = first.clone();
    CHECK(first == second);
    CHECK(first.bytes().data() != second.bytes().data());
    second.writable()[0] = std::byte{'P'};
    CHECK(first.text() == "pass phrase");
    CHECK_FALSE(first == second);
}

TEST_CASE("secret: compared: size and every byte count") {
    CHECK(Secret("same") == Secret("same"));
    CHECK_FALSE(Secret("same") == Secret("sane"));
    CHECK_FALSE(Secret("same") == Secret("samee"));
}
