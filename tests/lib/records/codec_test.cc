#include "records/codec.h"

#include <chrono>
#include <functional>

#include <doctest/doctest.h>

#include "support/pool.h"
#include "support/vectors.h"

using namespace countersign;
using namespace countersign::records;
using countersign::testing::bytes_of;
using countersign::testing::Draw;
using countersign::testing::unhex;
using countersign::testing::vectors;

namespace {

UnixTime at(std::int64_t unix_ms) {
    return UnixTime(milliseconds(unix_ms));
}

Authenticator authenticator(std::uint64_t seed) {
    Draw draw(seed);
    Authenticator made;
    made.id = draw.id<TotpId>();
    made.label = "phone " + std::to_string(seed);
    made.secret = sealing::PlainBytes::copy_of(draw.bytes(10 + seed % 55));
    made.algorithm = TotpAlgorithm{static_cast<std::uint8_t>(1 + seed % 3)};
    made.digits = static_cast<std::uint8_t>(6 + seed % 3);
    made.period = 60;
    made.confirmed = seed % 2 == 0;
    made.created = at(1'700'000'000'001);
    return made;
}

User user(std::size_t authenticators = 3) {
    User made;
    made.login = "zoë";
    made.display_name = "Zoë Müller";
    made.email = "Zoe@Example.org";
    made.email_key = "zoe@example.org";
    made.disabled = true;
    made.password_hash = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA";
    made.password_version = PasswordVersion{7};
    made.password_changed = at(-5);
    for (std::size_t i = 0; i < authenticators; ++i) {
        made.authenticators.push_back(authenticator(i));
    }
    made.recovery_version = 2;
    Draw draw(1);
    for (int i = 0; i < 10; ++i) made.recovery_codes.push_back(draw.id<RecoveryDigest>());
    made.created = at(1'600'000'000'000);
    made.modified = at(std::numeric_limits<std::int64_t>::max());
    return made;
}

SignedStatement statement(std::uint64_t seed) {
    Draw draw(seed);
    return {.bytes = draw.bytes(100 + seed), .signature = draw.id<sealing::Signature>()};
}

Membership make_membership() {
    return {.invitation = statement(1),
            .admission = statement(2),
            .addresses = {"hq.example.org:7700", "[2001:db8::1]:7700"},
            .joined = at(3)};
}

InvitationStatement invitation_statement() {
    Draw draw(1);
    return {.pool = draw.id<PoolId>(),
            .admission_key = draw.id<NodeId>().bytes,
            .name = "branch-7",
            .capabilities = Capability::serve | Capability::propose,
            .realms = {RealmId{1}, RealmId{65535}},
            .created = at(1),
            .expires = at(2)};
}

AdmissionStatement admission_statement() {
    Draw draw(1);
    return {.pool = draw.id<PoolId>(),
            .node = draw.id<NodeId>(),
            .channel_key = draw.id<NodeId>().bytes,
            .token_key = draw.id<NodeId>().bytes};
}

KeyGrant key_grant() {
    Draw draw(1);
    return {.node = draw.id<NodeId>(),
            .realm = RealmId{3},
            .keys = {{KeyVersion{1}, draw.bytes(80)}, {KeyVersion{9}, draw.bytes(80)}},
            .granted = at(4)};
}

Departure departure() {
    Draw draw(1);
    return {.node = draw.id<NodeId>(),
            .rows = {{Incarnation{7}, RowSeq{900}}, {Incarnation{~0ULL}, RowSeq{1}}},
            .removed = at(5)};
}

Designation designation() {
    Draw draw(1);
    return {.pool = draw.id<PoolId>(),
            .root_term = RootTerm{2},
            .epoch = Epoch{3},
            .node = draw.id<NodeId>(),
            .base_seq = LogSeq{17},
            .base_hash = draw.id<sealing::Hash256>(),
            .previous = draw.id<sealing::Hash256>(),
            .time = at(5)};
}

PoolSettings pool_settings() {
    return {.issuer = "https://id.example.org",
            .unicode_version = "15.0.0",
            .unique_email = true,
            .password_minimum = 15,
            .password_maximum = 256,
            .hash_memory_kib = 47'104,
            .hash_passes = 1,
            .password_throttle = {5, milliseconds{1'000}, 3, milliseconds{60'000}},
            .code_throttle = {6, milliseconds{2'000}, 4, milliseconds{70'000}},
            .guess_budget = 99};
}

/// Each kind of struct: its bytes, and whether other bytes decode as it.
struct Kind {
    const char* name;
    Bytes bytes;
    std::function<Result<void>(BytesView)> decode;
};

template <class Decode>
Kind kind(const char* name, Bytes bytes, Decode decode) {
    return {name, std::move(bytes), [decode](BytesView view) -> Result<void> {
                const auto decoded = decode(view);
                if (!decoded) return decoded.error();
                return {};
            }};
}

std::vector<Kind> kinds() {
    const Invitation invitation{
        .statement = statement(1), .psk = Draw(1).bytes(32), .spent_by = Draw(2).id<NodeId>()};
    return {
        kind("user", encode(user()), decode_user),
        kind("settings", encode(pool_settings()), decode_pool_settings),
        kind("invitation", encode(invitation), decode_invitation),
        kind("membership", encode(make_membership()), decode_membership),
        kind("grant", encode(key_grant()), decode_key_grant),
        kind("departure", encode(departure()), decode_departure),
        kind("designation", encode(designation()), decode_designation),
        kind("admission", encode(admission_statement()), decode_admission_statement),
        kind("invitation statement", encode(invitation_statement()), decode_invitation_statement)};
}

}  // namespace

TEST_CASE("codec: a user: comes back as it was") {
    const auto before = user();
    const auto after = decode_user(encode(before));
    REQUIRE(after);
    CHECK(after->login == before.login);
    CHECK(after->display_name == before.display_name);
    CHECK(after->email == before.email);
    CHECK(after->email_key == before.email_key);
    CHECK(after->disabled);
    CHECK(after->password_hash == before.password_hash);
    CHECK(after->password_version == before.password_version);
    CHECK(after->password_changed == before.password_changed);
    CHECK(after->recovery_version == 2);
    CHECK(after->recovery_codes == before.recovery_codes);
    CHECK(after->created == before.created);
    CHECK(after->modified == before.modified);
    REQUIRE(after->authenticators.size() == 3);
    for (std::size_t i = 0; i < 3; ++i) {
        const auto& is = after->authenticators[i];
        const auto& was = before.authenticators[i];
        CHECK(is.id == was.id);
        CHECK(is.label == was.label);
        CHECK(std::ranges::equal(is.secret.bytes(), was.secret.bytes()));
        CHECK(is.algorithm == was.algorithm);
        CHECK(is.digits == was.digits);
        CHECK(is.period == was.period);
        CHECK(is.confirmed == was.confirmed);
        CHECK(is.created == was.created);
    }
}

TEST_CASE("codec: a user without anything: comes back so") {
    const auto empty = decode_user(encode(User{}));
    REQUIRE(empty);
    CHECK(empty->login.empty());
    CHECK(empty->email_key.empty());
    CHECK(empty->authenticators.empty());
    CHECK(empty->recovery_codes.empty());
}

TEST_CASE("codec: the pool's settings: come back as they were") {
    const auto before = pool_settings();
    const auto after = decode_pool_settings(encode(before));
    REQUIRE(after);
    CHECK(after->issuer == before.issuer);
    CHECK(after->unicode_version == before.unicode_version);
    CHECK(after->unique_email);
    CHECK(after->password_minimum == 15);
    CHECK(after->password_maximum == 256);
    CHECK(after->hash_memory_kib == 47'104);
    CHECK(after->hash_passes == 1);
    CHECK(after->guess_budget == 99);
    CHECK(after->password_throttle.max_failures == 5);
    CHECK(after->password_throttle.lock_for == milliseconds{1'000});
    CHECK(after->password_throttle.backoff == 3);
    CHECK(after->password_throttle.lock_cap == milliseconds{60'000});
    CHECK(after->code_throttle.max_failures == 6);
    CHECK(after->code_throttle.lock_cap == milliseconds{70'000});
}

TEST_CASE("codec: what the root key and the admission key sign: comes back as it was") {
    const auto invitation = invitation_statement();
    const auto decoded = decode_invitation_statement(encode(invitation));
    REQUIRE(decoded);
    CHECK(decoded->pool == invitation.pool);
    CHECK(decoded->admission_key == invitation.admission_key);
    CHECK(decoded->name == "branch-7");
    CHECK(decoded->capabilities == invitation.capabilities);
    CHECK(decoded->realms == invitation.realms);
    CHECK(decoded->created == at(1));
    CHECK(decoded->expires == at(2));

    const auto admission = admission_statement();
    const auto admitted = decode_admission_statement(encode(admission));
    REQUIRE(admitted);
    CHECK(admitted->pool == admission.pool);
    CHECK(admitted->node == admission.node);
    CHECK(admitted->channel_key == admission.channel_key);
    CHECK(admitted->token_key == admission.token_key);
}

TEST_CASE("codec: an invitation, open or spent: comes back as it was") {
    Invitation invitation{.statement = statement(1), .psk = Draw(1).bytes(32), .spent_by = {}};
    auto decoded = decode_invitation(encode(invitation));
    REQUIRE(decoded);
    CHECK(decoded->statement.bytes == invitation.statement.bytes);
    CHECK(decoded->statement.signature == invitation.statement.signature);
    CHECK(decoded->psk == invitation.psk);
    CHECK_FALSE(decoded->spent_by);
    const auto open = encode(invitation);
    invitation.spent_by = Draw(2).id<NodeId>();
    decoded = decode_invitation(encode(invitation, open));
    REQUIRE(decoded);
    CHECK(decoded->spent_by == invitation.spent_by);
    invitation.psk.pop_back();
    CHECK(decode_invitation(encode(invitation)).error() == errc::malformed);
}

TEST_CASE("codec: a membership, a grant, a designation: come back as they were") {
    const auto member = make_membership();
    const auto decoded = decode_membership(encode(member));
    REQUIRE(decoded);
    CHECK(decoded->invitation.bytes == member.invitation.bytes);
    CHECK(decoded->admission.bytes == member.admission.bytes);
    CHECK(decoded->admission.signature == member.admission.signature);
    CHECK(decoded->addresses == member.addresses);
    CHECK(decoded->joined == at(3));

    const auto grant = key_grant();
    const auto granted = decode_key_grant(encode(grant));
    REQUIRE(granted);
    CHECK(granted->node == grant.node);
    CHECK(granted->realm == RealmId{3});
    REQUIRE(granted->keys.size() == 2);
    CHECK(granted->keys[1].version == KeyVersion{9});
    CHECK(granted->keys[1].box == grant.keys[1].box);
    CHECK(granted->granted == at(4));

    const auto left = decode_departure(encode(departure()));
    REQUIRE(left);
    CHECK(left->node == departure().node);
    CHECK(left->rows == departure().rows);
    CHECK(left->removed == at(5));

    const auto designated = designation();
    const auto held = decode_designation(encode(designated));
    REQUIRE(held);
    CHECK(held->pool == designated.pool);
    CHECK(held->root_term == RootTerm{2});
    CHECK(held->epoch == Epoch{3});
    CHECK(held->node == designated.node);
    CHECK(held->base_seq == LogSeq{17});
    CHECK(held->base_hash == designated.base_hash);
    CHECK(held->previous == designated.previous);
    CHECK(held->time == at(5));
}

TEST_CASE("codec: every struct, cut short at every byte, or with bytes behind: malformed") {
    for (const auto& each : kinds()) {
        CAPTURE(each.name);
        REQUIRE(each.decode(each.bytes));
        for (std::size_t size = 0; size < each.bytes.size(); ++size) {
            CHECK(each.decode(BytesView(each.bytes).first(size)).error() == errc::malformed);
        }
        auto longer = each.bytes;
        for (int i = 0; i < 16; ++i) {
            longer.push_back({});
            CHECK(each.decode(longer).error() == errc::malformed);
        }
    }
}

TEST_CASE("codec: every struct, at an odd address: decodes") {
    for (const auto& each : kinds()) {
        Bytes shifted(1);
        shifted.insert(shifted.end(), each.bytes.begin(), each.bytes.end());
        CHECK(each.decode(BytesView(shifted).subspan(1)));
    }
}

TEST_CASE("codec: every struct, with any bit flipped: decodes or is malformed, and nothing else") {
    for (const auto& each : kinds()) {
        CAPTURE(each.name);
        for (std::size_t bit = 0; bit < each.bytes.size() * 8; ++bit) {
            auto flipped = each.bytes;
            flipped[bit / 8] ^= std::byte{1} << (bit % 8);
            const auto decoded = each.decode(flipped);
            if (!decoded) CHECK(decoded.error() == errc::malformed);
        }
    }
}

TEST_CASE("codec: messages made to hurt: refused, or empty, at once") {
    for (const auto& file : vectors("capnp", "malformed")) {
        for (const auto& test : file.content.at("tests")) {
            if (!test.contains("hex")) continue;
            CAPTURE(test.at("name").get<std::string>());
            const auto bytes = unhex(test.at("hex").get<std::string>());
            const auto begin = std::chrono::steady_clock::now();
            for (const auto& each : kinds()) {
                // Where the root happens to be a struct without fields, its strings are empty.
                const auto decoded = each.decode(bytes);
                if (!decoded) CHECK(decoded.error() == errc::malformed);
            }
            CHECK(std::chrono::steady_clock::now() - begin < std::chrono::milliseconds{500});
            CHECK(decode_designation(bytes).error() == errc::malformed);
        }
    }
}

TEST_CASE("codec: a list that claims half a billion elements of no size: malformed, at once") {
    // A user whose pointer section is one pointer each; authenticators is the fifth (record.capnp).
    auto bytes = unhex(
        "00000000"
        "08000000"          // one segment of eight words
        "0000000000000700"  // root: no data, seven pointers
        "0000000000000000"
        "0000000000000000"
        "0000000000000000"
        "0000000000000000"
        "01000000"
        "f8ffffff"  // authenticators: 2^29 - 1 elements of no size
        "0000000000000000"
        "0000000000000000");
    const auto begin = std::chrono::steady_clock::now();
    CHECK(decode_user(bytes).error() == errc::malformed);
    CHECK(std::chrono::steady_clock::now() - begin < std::chrono::milliseconds{100});
}

TEST_CASE("codec: more than a user may have: malformed") {
    CHECK(decode_user(encode(user(authenticators_limit))));
    CHECK(decode_user(encode(user(authenticators_limit + 1))).error() == errc::malformed);
    auto many = user();
    many.recovery_codes.resize(recovery_codes_limit);
    CHECK(decode_user(encode(many)));
    many.recovery_codes.resize(recovery_codes_limit + 1);
    CHECK(decode_user(encode(many)).error() == errc::malformed);
}

TEST_CASE("codec: settings of an authenticator by which no code can be made: malformed") {
    const auto with = [](auto&& change) {
        auto made = user();
        change(made.authenticators[1]);
        const auto decoded = decode_user(encode(made));
        return decoded ? std::optional<errc>() : decoded.error().code();
    };
    CHECK(with([](auto&) {}) == std::nullopt);
    CHECK(with([](auto& each) { each.algorithm = TotpAlgorithm{0}; }) == errc::malformed);
    CHECK(with([](auto& each) { each.algorithm = TotpAlgorithm{4}; }) == errc::malformed);
    CHECK(with([](auto& each) { each.digits = 5; }) == errc::malformed);
    CHECK(with([](auto& each) { each.digits = 9; }) == errc::malformed);
    CHECK(with([](auto& each) { each.period = 0; }) == errc::malformed);
    CHECK(with([](auto& each) { each.secret = sealing::PlainBytes::of_size(9); }) ==
          errc::malformed);
    CHECK(with([](auto& each) { each.secret = sealing::PlainBytes::of_size(65); }) ==
          errc::malformed);
}
