#include "attempts/clear_watch.h"

#include <doctest/doctest.h>

using namespace countersign;
using namespace countersign::attempts;
using namespace std::chrono_literals;

namespace {

NodeId node(int number) {
    NodeId id;
    id.bytes[0] = static_cast<std::byte>(number);
    return id;
}

UserId user(int number) {
    UserId id;
    id.bytes[0] = static_cast<std::byte>(number);
    return id;
}

constexpr Instant start{1000h};

}  // namespace

TEST_CASE("clear watch: the 21st clear of a day: told once, for that node and user") {
    ClearWatch watch;
    for (int i = 0; i < 20; ++i) CHECK_FALSE(watch.cleared(node(1), user(1), start));
    CHECK_FALSE(watch.cleared(node(2), user(1), start));
    CHECK_FALSE(watch.cleared(node(1), user(2), start));
    CHECK(watch.cleared(node(1), user(1), start + 24h - 1ns));
    CHECK_FALSE(watch.cleared(node(1), user(1), start + 24h - 1ns));
}

TEST_CASE("clear watch: a day later: counted anew, and told again") {
    ClearWatch watch;
    for (int i = 0; i < 20; ++i) watch.cleared(node(1), user(1), start);
    for (int i = 0; i < 20; ++i) CHECK_FALSE(watch.cleared(node(1), user(1), start + 24h));
    CHECK(watch.cleared(node(1), user(1), start + 25h));
    CHECK(watch.size() == 1);
}

TEST_CASE("clear watch: more pairs than fit: the one whose day began first leaves") {
    ClearWatch watch(2);
    for (int i = 0; i < 20; ++i) watch.cleared(node(1), user(1), start);
    for (int i = 0; i < 20; ++i) watch.cleared(node(1), user(2), start + 1s);
    watch.cleared(node(1), user(3), start + 2s);
    CHECK(watch.size() == 2);
    CHECK(watch.cleared(node(1), user(2), start + 3s));
    CHECK_FALSE(watch.cleared(node(1), user(1), start + 3s));
    CHECK(watch.size() == 2);
}
