// What a newer release put into a record stays when this one edits it.
#include <algorithm>

#include <capnp/any.h>
#include <capnp/message.h>
#include <capnp/serialize.h>
#include <doctest/doctest.h>

#include "records/codec.h"
#include "records/record.capnp.h"
#include "support/pool.h"
#include "support/vectors.h"

using namespace countersign;
using namespace countersign::records;
using countersign::testing::bytes_of;
using countersign::testing::Draw;

namespace {

constexpr std::uint64_t number = 0x0123456789abcdef;
constexpr const char* text = "of the future";

template <class Schema>
void fill_future(capnp::AnyStruct::Builder any) {
    using Private = typename Schema::_capnpPrivate;
    std::memcpy(any.getDataSection().begin() + 8 * Private::dataWordSize, &number, sizeof number);
    capnp::AnyPointer::Builder pointer = any.getPointerSection()[Private::pointerCount];
    pointer.setAs<capnp::Text>(text);
}

/// Makes the root of a release to come, one word and one pointer larger than `Schema`.
template <class Schema>
capnp::AnyStruct::Builder future_root(capnp::MallocMessageBuilder& message) {
    using Private = typename Schema::_capnpPrivate;
    auto root = message.getRoot<capnp::AnyPointer>().initAsAnyStruct(Private::dataWordSize + 1,
                                                                     Private::pointerCount + 1);
    fill_future<Schema>(root);
    return root;
}

template <class Schema>
bool holds_future(capnp::AnyStruct::Reader any) {
    using Private = typename Schema::_capnpPrivate;
    if (any.getDataSection().size() < 8 * (Private::dataWordSize + 1) ||
        any.getPointerSection().size() <= Private::pointerCount) {
        return false;
    }
    std::uint64_t found = 0;
    std::memcpy(&found, any.getDataSection().begin() + 8 * Private::dataWordSize, sizeof found);
    const capnp::AnyPointer::Reader pointer = any.getPointerSection()[Private::pointerCount];
    return found == number && pointer.getAs<capnp::Text>() == text;
}

Bytes bytes_of_message(capnp::MallocMessageBuilder& message) {
    const auto words = capnp::messageToFlatArray(message);
    const auto bytes = words.asBytes();
    const auto* first = reinterpret_cast<const std::byte*>(bytes.begin());
    return {first, first + bytes.size()};
}

/// Calls `look` with the root of encoded bytes, whatever their alignment.
template <class Look>
void with_root(const Bytes& bytes, Look&& look) {
    auto words = kj::heapArray<capnp::word>(bytes.size() / sizeof(capnp::word));
    std::memcpy(words.begin(), bytes.data(), bytes.size());
    capnp::FlatArrayMessageReader reader(words);
    look(reader.getRoot<capnp::AnyPointer>());
}

User user_with(const std::vector<TotpId>& ids) {
    User user;
    user.login = "alice";
    for (const auto& id : ids) {
        Authenticator made;
        made.id = id;
        made.secret = sealing::PlainBytes::of_size(20);
        std::ranges::fill(made.secret.writable(), std::byte{5});
        user.authenticators.push_back(std::move(made));
    }
    return user;
}

const TotpId first{Draw(1).id<TotpId>()};
const TotpId second{Draw(2).id<TotpId>()};
const TotpId third{Draw(3).id<TotpId>()};

/// A user of the future, with two authenticators of the future.
Bytes future_user() {
    using Private = schema::Authenticator::_capnpPrivate;
    capnp::MallocMessageBuilder lists;
    auto list = lists.getRoot<capnp::AnyPointer>().initAsListOfAnyStruct(
        Private::dataWordSize + 1, Private::pointerCount + 1, 2);
    for (unsigned i = 0; i < 2; ++i) {
        const auto& id = i == 0 ? first : second;
        auto each = list[i].as<schema::Authenticator>();
        each.setId({reinterpret_cast<const kj::byte*>(id.bytes.data()), id.bytes.size()});
        const kj::byte secret[20] = {};
        each.setSecret(kj::arrayPtr(secret, sizeof secret));
        each.setAlgorithm(1);
        each.setDigits(6);
        each.setPeriod(30);
        fill_future<schema::Authenticator>(list[i]);
    }
    capnp::MallocMessageBuilder message;
    auto root = future_root<schema::User>(message).as<schema::User>();
    root.setLogin("old");
    root.setPasswordHash("a hash that is longer than what comes after it");
    root.setAuthenticators(
        lists.getRoot<capnp::AnyPointer>().getAs<capnp::List<schema::Authenticator>>().asReader());
    return bytes_of_message(message);
}

}  // namespace

TEST_CASE("unknown fields: of a user and of each authenticator: stay through an edit") {
    const auto before = future_user();
    REQUIRE(decode_user(before));
    const auto after = encode(user_with({third, second}), before);
    const auto decoded = decode_user(after);
    REQUIRE(decoded);
    CHECK(decoded->login == "alice");
    CHECK(decoded->password_hash.empty());
    REQUIRE(decoded->authenticators.size() == 2);
    CHECK(decoded->authenticators[0].id == third);
    CHECK(decoded->authenticators[1].id == second);
    CHECK(decoded->authenticators[1].secret.bytes()[0] == std::byte{5});
    with_root(after, [](capnp::AnyPointer::Reader root) {
        CHECK(holds_future<schema::User>(root.getAs<capnp::AnyStruct>()));
        const auto list = root.getAs<schema::User>().getAuthenticators();
        CHECK_FALSE(holds_future<schema::Authenticator>(capnp::toAny(list[0])));  // a new one
        CHECK(holds_future<schema::Authenticator>(capnp::toAny(list[1])));
    });
}

TEST_CASE("unknown fields: edit after edit: the record does not grow") {
    auto bytes = encode(user_with({first, second}), future_user());
    const auto size = bytes.size();
    for (int i = 0; i < 5; ++i) {
        bytes = encode(user_with({first, second}), bytes);
        CHECK(bytes.size() == size);
    }
    // And nothing of what was replaced is left in it.
    auto other = user_with({});
    other.password_hash = "a secret string";
    bytes = encode(user_with({}), encode(other));
    const auto needle = bytes_of("a secret string");
    CHECK(std::ranges::search(bytes, needle).empty());
    CHECK(bytes.size() == encode(user_with({})).size());
}

TEST_CASE("unknown fields: of the settings and their throttles: stay through an edit") {
    capnp::MallocMessageBuilder throttles;
    auto throttle = future_root<schema::Throttle>(throttles).as<schema::Throttle>();
    throttle.setMaxFailures(3);
    capnp::MallocMessageBuilder message;
    auto root = future_root<schema::PoolSettings>(message).as<schema::PoolSettings>();
    root.setPasswordThrottle(throttle.asReader());
    const auto before = bytes_of_message(message);

    const auto after = encode(PoolSettings{.issuer = "here"}, before);
    const auto decoded = decode_pool_settings(after);
    REQUIRE(decoded);
    CHECK(decoded->issuer == "here");
    CHECK(decoded->password_throttle.max_failures == 10);
    with_root(after, [](capnp::AnyPointer::Reader read) {
        CHECK(holds_future<schema::PoolSettings>(read.getAs<capnp::AnyStruct>()));
        CHECK(holds_future<schema::Throttle>(
            capnp::toAny(read.getAs<schema::PoolSettings>().getPasswordThrottle())));
        CHECK_FALSE(holds_future<schema::Throttle>(
            capnp::toAny(read.getAs<schema::PoolSettings>().getCodeThrottle())));
    });
}

TEST_CASE("unknown fields: of an invitation and a membership: stay through an edit") {
    const SignedStatement statement{.bytes = bytes_of("signed"), .signature = {}};
    capnp::MallocMessageBuilder invitations;
    future_root<schema::Invitation>(invitations);
    const auto invitation =
        encode(Invitation{.statement = statement, .psk = Bytes(32), .spent_by = {}},
               bytes_of_message(invitations));
    CHECK(decode_invitation(invitation));
    with_root(invitation, [](capnp::AnyPointer::Reader root) {
        CHECK(holds_future<schema::Invitation>(root.getAs<capnp::AnyStruct>()));
    });

    capnp::MallocMessageBuilder memberships;
    future_root<schema::Membership>(memberships);
    const auto membership = encode(
        Membership{
            .invitation = statement, .admission = statement, .addresses = {"a:1"}, .joined = {}},
        bytes_of_message(memberships));
    const auto decoded = decode_membership(membership);
    REQUIRE(decoded);
    CHECK(decoded->addresses == std::vector<std::string>{"a:1"});
    with_root(membership, [](capnp::AnyPointer::Reader root) {
        CHECK(holds_future<schema::Membership>(root.getAs<capnp::AnyStruct>()));
    });
}

TEST_CASE("unknown fields: a record of an older release, with fewer: edited to the present form") {
    using Private = schema::User::_capnpPrivate;
    capnp::MallocMessageBuilder message;
    auto root = message.getRoot<capnp::AnyPointer>().initAsAnyStruct(Private::dataWordSize - 1,
                                                                     Private::pointerCount - 2);
    root.getPointerSection()[0].setAs<capnp::Text>("old");
    const auto before = bytes_of_message(message);
    REQUIRE(decode_user(before));
    CHECK(decode_user(before)->login == "old");
    const auto after = decode_user(encode(user_with({first}), before));
    REQUIRE(after);
    CHECK(after->login == "alice");
    CHECK(after->authenticators.size() == 1);
}
