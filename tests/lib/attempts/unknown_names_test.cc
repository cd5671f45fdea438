#include "attempts/unknown_names.h"

#include <set>
#include <string>

#include <doctest/doctest.h>

#include "rows.h"

using namespace countersign;
using namespace countersign::attempts;
using namespace countersign::attempts::testing;
using namespace std::chrono_literals;

namespace {

const sealing::Key& key() {
    static const sealing::Key made(Secret(std::string_view("0123456789abcdef0123456789abcdef")));
    return made;
}

constexpr Instant start(100s);

}  // namespace

TEST_CASE("unknown names: a name: the same id under one key, another under another") {
    const sealing::Key other(Secret::of_size(32));
    const UserId id = pseudo_user_id("mallory", key());
    CHECK(id == pseudo_user_id("mallory", key()));
    CHECK(id != pseudo_user_id("mallory", other));
    CHECK(is_pseudo_user_id(id, key()));
    CHECK_FALSE(is_pseudo_user_id(id, other));
    CHECK(pseudo_credential("mallory", key()) == CredentialId::password(id, PasswordVersion{1}));
}

TEST_CASE("unknown names: many names: no two share an id, and all look like users") {
    std::set<UserId> ids;
    for (int i = 0; i < 20'000; ++i) {
        const UserId id = pseudo_user_id("name" + std::to_string(i), key());
        REQUIRE(ids.insert(id).second);
        REQUIRE(is_pseudo_user_id(id, key()));
        // RFC 9562 section 5.7: version 7, variant 10, and a time that a user could have.
        const std::string text = to_string(id);
        REQUIRE(text[14] == '7');
        REQUIRE(std::string_view("89ab").contains(text[19]));
        REQUIRE(text.substr(0, 8) >= "018cc251");
        REQUIRE(text.substr(0, 8) <= "019cc251");
    }
}

TEST_CASE("unknown names: the id of a user, or one bit changed: not a pseudo-id") {
    // RFC 9562, appendix A.6.
    CHECK_FALSE(is_pseudo_user_id(*parse_user_id("017f22e2-79b0-7cc3-98c4-dc0c0c07398f"), key()));
    const UserId id = pseudo_user_id("mallory", key());
    for (std::size_t bit = 0; bit < 128; ++bit) {
        UserId changed = id;
        changed.bytes[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
        CHECK_FALSE(is_pseudo_user_id(changed, key()));
    }
}

TEST_CASE("unknown names: one too many: the one whose newest failure is oldest leaves") {
    UnknownNames names(3);
    CHECK_FALSE(names.failed(password_of(1), RowSeq{1}, start));
    CHECK_FALSE(names.failed(password_of(2), RowSeq{2}, start));
    CHECK_FALSE(names.failed(password_of(3), RowSeq{3}, start));
    CHECK_FALSE(names.failed(password_of(1), RowSeq{4}, start));
    const auto leaving = names.failed(password_of(4), RowSeq{5}, start);
    REQUIRE(leaving);
    CHECK(leaving->credential == password_of(2));
    CHECK(names.size() == 3);
    CHECK(names.failed(password_of(2), RowSeq{6}, start)->credential == password_of(3));
}

TEST_CASE("unknown names: cleared: it takes no room any more") {
    UnknownNames names(2);
    names.failed(password_of(1), RowSeq{1}, start);
    names.failed(password_of(2), RowSeq{2}, start);
    names.cleared(password_of(1));
    names.cleared(password_of(9));
    CHECK(names.size() == 1);
    CHECK_FALSE(names.failed(password_of(3), RowSeq{3}, start));
    CHECK(names.failed(password_of(4), RowSeq{4}, start)->credential == password_of(2));
}

TEST_CASE("unknown names: more than the limit within an hour: an overrun; more slowly: not") {
    UnknownNames names(2);
    names.failed(password_of(1), RowSeq{1}, start);
    names.failed(password_of(2), RowSeq{2}, start + 59min);
    CHECK(names.failed(password_of(3), RowSeq{3}, start + 59min)->is_overrun);
    CHECK_FALSE(names.failed(password_of(4), RowSeq{4}, start + 119min)->is_overrun);
}

TEST_CASE("unknown names: a flood: never more rows than the limit of an author") {
    UnknownNames names;
    std::size_t left = 0;
    for (std::uint64_t i = 1; i <= UnknownNames::max_names + 1'000; ++i) {
        const auto credential = pseudo_credential(std::to_string(i), key());
        if (names.failed(credential, RowSeq{i}, start)) ++left;
        REQUIRE(names.size() <= 65'536);
    }
    CHECK(left == 1'000);
}
