#include "attempts/remembered.h"

#include <string>

#include <doctest/doctest.h>

#include "rows.h"

using namespace countersign;
using namespace countersign::attempts;
using namespace countersign::attempts::testing;
using namespace std::chrono_literals;

namespace {

constexpr Instant start(100s);

RememberedPasswords memory(std::size_t pairs = 10) {
    auto made = RememberedPasswords::make(
        sealing::Key(Secret(std::string_view("0123456789abcdef0123456789abcdef"))),
        {.pairs = pairs});
    REQUIRE(made);
    return std::move(*made);
}

Secret old(int number = 0) {
    return Secret("an old password " + std::to_string(number));
}

}  // namespace

TEST_CASE("remembered: the same wrong password from the same source: recalled") {
    auto phone = memory();
    CHECK_FALSE(phone.recall(password_of(1), "phone", old(), start));
    CHECK_FALSE(phone.recall(password_of(1), "phone", old(), start));  // asking is not remembering
    phone.remember(password_of(1), "phone", old(), start);
    CHECK(phone.recall(password_of(1), "phone", old(), start));
    CHECK(phone.recall(password_of(1), "phone", old(), start + 23h));
}

TEST_CASE("remembered: another password, source or credential: not recalled") {
    auto phone = memory();
    phone.remember(password_of(1), "phone", old(), start);
    CHECK_FALSE(phone.recall(password_of(1), "phone", old(1), start));
    CHECK_FALSE(phone.recall(password_of(1), "phone", Secret(), start));
    CHECK_FALSE(phone.recall(password_of(1), "desk", old(), start));
    CHECK_FALSE(phone.recall(password_of(2), "phone", old(), start));
    CHECK_FALSE(
        phone.recall(CredentialId::password(user(1), PasswordVersion{2}), "phone", old(), start));
}

TEST_CASE("remembered: without a source: nothing is remembered") {
    auto phone = memory();
    phone.remember(password_of(1), "", old(), start);
    CHECK_FALSE(phone.recall(password_of(1), "", old(), start));
    CHECK(phone.pairs() == 0);
}

TEST_CASE("remembered: a fifth wrong password: the one tried longest ago is forgotten") {
    auto phone = memory();
    for (int i = 0; i < 4; ++i) {
        phone.remember(password_of(1), "phone", old(i), start + std::chrono::seconds(i));
    }
    for (int i = 1; i < 4; ++i) CHECK(phone.recall(password_of(1), "phone", old(i), start + 4s));
    CHECK(phone.recall(password_of(1), "phone", old(0), start + 5s));
    phone.remember(password_of(1), "phone", old(2), start + 6s);  // known: takes no other's place
    phone.remember(password_of(1), "phone", old(4), start + 7s);
    CHECK_FALSE(phone.recall(password_of(1), "phone", old(1), start + 8s));
    for (int i : {0, 2, 3, 4}) CHECK(phone.recall(password_of(1), "phone", old(i), start + 8s));
}

TEST_CASE("remembered: not tried for 24 h: forgotten; tried again in between: not") {
    auto phone = memory();
    phone.remember(password_of(1), "phone", old(1), start);
    phone.remember(password_of(1), "phone", old(2), start);
    CHECK(phone.recall(password_of(1), "phone", old(1), start + 12h));
    CHECK_FALSE(phone.recall(password_of(1), "phone", old(2), start + 24h));
    CHECK(phone.recall(password_of(1), "phone", old(1), start + 24h));
    CHECK_FALSE(phone.recall(password_of(1), "phone", old(1), start + 48h));
}

TEST_CASE("remembered: more pairs than there is room for: the one used longest ago leaves") {
    auto phones = memory(3);
    for (std::uint8_t i = 1; i <= 3; ++i) phones.remember(password_of(i), "phone", old(), start);
    CHECK(phones.recall(password_of(1), "phone", old(), start));
    phones.remember(password_of(4), "phone", old(), start);
    CHECK(phones.pairs() == 3);
    CHECK(phones.recall(password_of(1), "phone", old(), start));
    CHECK_FALSE(phones.recall(password_of(2), "phone", old(), start));
    CHECK(phones.recall(password_of(3), "phone", old(), start));
    CHECK(phones.recall(password_of(4), "phone", old(), start));
    // Nothing of the one before is found in the place it left.
    phones.remember(password_of(5), "desk", old(1), start);
    CHECK_FALSE(phones.recall(password_of(5), "desk", old(), start));
    for (int i = 0; i < 1'000; ++i) {
        phones.remember(password_of(1), std::to_string(i), old(), start);
        REQUIRE(phones.pairs() == 3);
    }
}

TEST_CASE("remembered: no room at all, or too much: refused") {
    const auto make = [](std::size_t pairs) {
        return RememberedPasswords::make(sealing::Key(Secret::of_size(32)), {.pairs = pairs});
    };
    CHECK(make(0).error() == errc::invalid_argument);
    CHECK(make((1U << 20) + 1).error() == errc::invalid_argument);
}
