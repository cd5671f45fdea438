#include "inquiry.h"

#include <doctest/doctest.h>

using namespace countersign;

namespace {

using enum Inquiry::Finding;

NodeId node(int number) {
    NodeId id;
    id.bytes[0] = static_cast<std::byte>(number);
    return id;
}

constexpr Instant until{milliseconds{5'000}};
constexpr Instant before{milliseconds{4'999}};
constexpr LogSeq own{7};

}  // namespace

TEST_CASE("inquiry: nobody is heard from: open until the time has passed") {
    const Inquiry inquiry({node(1), node(2)}, until);
    CHECK(inquiry.find(own, Instant{}) == open);
    CHECK(inquiry.find(own, before) == open);
    CHECK(inquiry.find(own, until) == over);
    CHECK(inquiry.unheard() == 2);
}

TEST_CASE("inquiry: all are heard from, and none holds more: answered at once") {
    Inquiry inquiry({node(1), node(2)}, until);
    inquiry.heard(node(1), own);
    CHECK(inquiry.find(own, before) == open);
    CHECK(inquiry.find(own, until) == over);
    inquiry.heard(node(2), LogSeq{0});
    CHECK(inquiry.find(own, before) == answered);
    CHECK(inquiry.find(own, until) == answered);
}

TEST_CASE("inquiry: one holds more: nothing but having that ends it") {
    Inquiry inquiry({node(1), node(2)}, until);
    inquiry.heard(node(1), LogSeq{9});
    CHECK(inquiry.find(own, before) == behind);
    CHECK(inquiry.find(own, until + std::chrono::hours{1}) == behind);
    inquiry.heard(node(2), own);
    inquiry.heard(node(1), own);  // what it said once it is held to
    CHECK(inquiry.find(LogSeq{8}, before) == behind);
    CHECK(inquiry.find(LogSeq{9}, before) == answered);
}

TEST_CASE("inquiry: who is no member: not heard") {
    Inquiry inquiry({node(1)}, until);
    inquiry.heard(node(3), LogSeq{99});
    CHECK(inquiry.find(own, before) == open);
    CHECK(inquiry.members() == 1);
}
