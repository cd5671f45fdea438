#include "membership/members.h"

#include <algorithm>

#include <doctest/doctest.h>

#include "records/codec.h"
#include "support/pool.h"
#include "support/vectors.h"

using namespace countersign;
using namespace countersign::membership;
using countersign::testing::bytes_of;
using countersign::testing::changes;
using countersign::testing::Draw;
using countersign::testing::key_bytes;
using countersign::testing::Pool;
using countersign::testing::PoolNode;
using countersign::testing::put;
using records::AdmissionStatement;
using records::InvitationStatement;

namespace {

struct Joined {
    Pool pool;
    PoolNode& node = pool.add_node();
    sealing::SigningKey admission_key{key_bytes(50)};
    InvitationStatement invitation{.pool = pool.id,
                                   .admission_key = admission_key.public_key(),
                                   .name = "branch",
                                   .capabilities = Capability::serve | Capability::propose,
                                   .realms = {RealmId{1}, RealmId{4}},
                                   .created = pool.now,
                                   .expires = pool.now + std::chrono::days{1}};
    AdmissionStatement admission{.pool = pool.id,
                                 .node = node.id(),
                                 .channel_key = key_bytes(51),
                                 .token_key = key_bytes(52)};

    records::Membership membership() const {
        return {.invitation = sign(invitation, pool.root_key),
                .admission = sign(admission, admission_key),
                .addresses = {"branch.example.org:7700"},
                .joined = pool.now};
    }
    Result<Member> verified(const records::Membership& made) const {
        return verify(made, pool.id, pool.root_key.public_key());
    }
    records::RecordName name() const {
        return {records::RecordKind::membership, membership_id(node.id())};
    }
    records::Change change(const records::RecordName& as, const records::Membership& made) const {
        const auto sealed = pool.sealer.seal(
            as, RealmId::pool, records::encode(made), Draw(1).id<sealing::Nonce>());
        REQUIRE(sealed);
        return {.name = as, .put = records::Change::Put{*sealed, {}}};
    }
    Result<std::vector<Member>> members() {
        return read_members(node.ledger.reader, pool.sealer, pool.id, pool.root_key.public_key());
    }
};

}  // namespace

TEST_CASE("members: both links signed: a member, as its statements say") {
    const Joined joined;
    const auto member = joined.verified(joined.membership());
    REQUIRE(member);
    CHECK(member->id == joined.node.id());
    CHECK(member->channel_key == joined.admission.channel_key);
    CHECK(member->token_key == joined.admission.token_key);
    CHECK(member->name == "branch");
    CHECK(member->capabilities == joined.invitation.capabilities);
    CHECK(member->realms == joined.invitation.realms);
    CHECK(member->addresses == std::vector<std::string>{"branch.example.org:7700"});
    CHECK(member->joined == joined.pool.now);
    CHECK(member->holds(RealmId{4}));
    CHECK_FALSE(member->holds(RealmId{2}));
}

TEST_CASE("members: an invitation by another root key, or by a node: bad signature") {
    const Joined joined;
    auto forged = joined.membership();
    forged.invitation = sign(joined.invitation, joined.node.key);
    CHECK(joined.verified(forged).error() == errc::bad_signature);
    CHECK(verify(joined.membership(), joined.pool.id, joined.node.key.public_key()).error() ==
          errc::bad_signature);
}

TEST_CASE("members: node keys by another admission key, or by none: bad signature") {
    const Joined joined;
    auto forged = joined.membership();
    forged.admission = sign(joined.admission, joined.node.key);
    CHECK(joined.verified(forged).error() == errc::bad_signature);
    forged.admission = sign(joined.admission, joined.pool.root_key);
    CHECK(joined.verified(forged).error() == errc::bad_signature);
    forged.admission.signature = {};
    CHECK(joined.verified(forged).error() == errc::bad_signature);
}

TEST_CASE("members: an invitation and an admission that are not of each other: bad signature") {
    Joined joined;
    const auto membership = joined.membership();
    joined.invitation.admission_key = key_bytes(60);
    auto forged = joined.membership();
    forged.admission = membership.admission;
    CHECK(joined.verified(forged).error() == errc::bad_signature);
}

TEST_CASE("members: any bit of either statement flipped: bad signature") {
    const Joined joined;
    const auto membership = joined.membership();
    for (auto part : {&records::Membership::invitation, &records::Membership::admission}) {
        for (std::size_t bit = 0; bit < (membership.*part).bytes.size() * 8; bit += 5) {
            auto forged = membership;
            (forged.*part).bytes[bit / 8] ^= std::byte{1} << (bit % 8);
            CHECK(joined.verified(forged).error() == errc::bad_signature);
        }
        for (std::size_t bit = 0; bit < 512; bit += 7) {
            auto forged = membership;
            (forged.*part).signature.bytes[bit / 8] ^= std::byte{1} << (bit % 8);
            CHECK(joined.verified(forged).error() == errc::bad_signature);
        }
    }
}

TEST_CASE("members: one kind of statement in the place of the other: bad signature") {
    const Joined joined;
    auto forged = joined.membership();
    forged.invitation.signature = sealing::sign(
        sealing::SignatureKind::admission, forged.invitation.bytes, joined.pool.root_key);
    CHECK(joined.verified(forged).error() == errc::bad_signature);
}

TEST_CASE("members: statements of another pool: wrong pool") {
    Joined joined;
    auto other = joined.pool.id;
    other.bytes[0] ^= std::byte{1};
    joined.invitation.pool = other;
    CHECK(joined.verified(joined.membership()).error() == errc::wrong_pool);
    joined.invitation.pool = joined.pool.id;
    joined.admission.pool = other;
    CHECK(joined.verified(joined.membership()).error() == errc::wrong_pool);
}

TEST_CASE("members: what is signed but no statement, or names a node impossibly: malformed") {
    Joined joined;
    auto made = joined.membership();
    made.admission.bytes = bytes_of("not a message");
    made.admission.signature = sealing::sign(
        sealing::SignatureKind::admission, made.admission.bytes, joined.admission_key);
    CHECK(joined.verified(made).error() == errc::malformed);
    for (const auto* name : {"", "a b", "zoë", "a/b"}) {
        joined.invitation.name = name;
        CHECK(joined.verified(joined.membership()).error() == errc::malformed);
    }
    joined.invitation.name = std::string(64, 'x');
    CHECK(joined.verified(joined.membership()));
    joined.invitation.name += 'x';
    CHECK(joined.verified(joined.membership()).error() == errc::malformed);
}

TEST_CASE("members: of a store: by name, past other records, and found by id") {
    Joined joined;
    auto& [pool, node, admission_key, invitation, admission] = joined;
    pool.designate(node);
    CHECK(joined.members()->empty());
    auto made = changes(joined.change(joined.name(), joined.membership()),
                        put(countersign::testing::user_name(1), "a user"),
                        put({records::RecordKind::invitation, {}}, "an invitation"));
    auto& other = pool.add_node();
    admission.node = other.id();
    invitation.name = "a-first";
    made.push_back(joined.change({records::RecordKind::membership, membership_id(other.id())},
                                 joined.membership()));
    pool.append(node, std::move(made));
    const auto members = joined.members();
    REQUIRE(members);
    REQUIRE(members->size() == 2);
    CHECK((*members)[0].name == "a-first");
    CHECK((*members)[1].name == "branch");
    CHECK(find(*members, node.id()) == &(*members)[1]);
    CHECK(find(*members, NodeId{}) == nullptr);
}

TEST_CASE("members: one that does not verify, in a store: the reading ends with why") {
    Joined joined;
    joined.pool.designate(joined.node);
    auto forged = joined.membership();
    forged.admission.signature = {};
    joined.pool.append(joined.node, changes(joined.change(joined.name(), forged)));
    CHECK(joined.members().error() == errc::bad_signature);
    // And one that lies under another's name: the pool would have a node twice.
    joined.pool.append(
        joined.node,
        changes(joined.change(joined.name(), joined.membership()),
                joined.change({records::RecordKind::membership, {}}, joined.membership())));
    CHECK(joined.members().error() == errc::corrupt);
    joined.pool.append(joined.node,
                       changes(countersign::testing::erase({records::RecordKind::membership, {}})));
    CHECK(joined.members()->size() == 1);
}
