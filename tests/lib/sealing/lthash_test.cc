#include "sealing/lthash.h"

#include <algorithm>
#include <vector>

#include <doctest/doctest.h>

#include "support/vectors.h"

using namespace countersign;
using namespace countersign::sealing;
using countersign::testing::bytes_of;

namespace {

Hash256 member(std::string_view name) {
    return hash256(bytes_of(name));
}

}  // namespace

TEST_CASE("lthash: three members added and another taken: the figure of a model") {
    // Figures of a model in Python: ChaCha20 written from RFC 8439 section 2.3 (checked against
    // appendix A.1), 32 blocks unpacked as 1,024 little-endian lanes per member, hashlib.blake2b.
    LtHash sum;
    CHECK(to_hex(sum.digest().bytes) ==
          "200823e5158b3774c11b5c61850ada762f8264144a9bebec3ebac5a2adde67b8");
    for (const char* name : {"one", "two", "three"}) sum.add(member(name));
    sum.subtract(member("four"));
    CHECK(to_hex(sum.state()).substr(0, 32) == "dbb971bedf006876ec09f5e197d4aa21");
    CHECK(to_hex(sum.digest().bytes) ==
          "e66e45cb3791a7a6eedaa657f3a4c183ef5baf5367e6d20c50eeb04ac37fe5c3");
}

TEST_CASE("lthash: the same members in every order: the same sum") {
    std::vector<Hash256> members;
    for (const char* name : {"one", "two", "three", "four", "five"}) {
        members.push_back(member(name));
    }
    std::ranges::sort(members);
    LtHash expected;
    for (const auto& each : members) expected.add(each);
    do {
        LtHash sum;
        for (const auto& each : members) sum.add(each);
        CHECK(sum == expected);
    } while (std::ranges::next_permutation(members).found);
}

TEST_CASE("lthash: a member added and taken, in either order: as if it had never been") {
    LtHash sum;
    sum.add(member("one"));
    const LtHash before = sum;
    sum.add(member("two"));
    CHECK_FALSE(sum == before);
    sum.subtract(member("two"));
    CHECK(sum == before);
    sum.subtract(member("three"));
    CHECK_FALSE(sum == before);
    sum.add(member("three"));
    CHECK(sum == before);
}

TEST_CASE("lthash: a member added twice: counts twice") {
    LtHash once;
    once.add(member("one"));
    LtHash twice = once;
    twice.add(member("one"));
    CHECK_FALSE(once == twice);
    twice.subtract(member("one"));
    CHECK(once == twice);
}

TEST_CASE("lthash: state written and read back: the same sum goes on") {
    LtHash sum;
    sum.add(member("one"));
    LtHash read(sum.state());
    CHECK(read == sum);
    sum.add(member("two"));
    read.add(member("two"));
    CHECK(read.digest() == sum.digest());
}
