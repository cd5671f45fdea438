#include <algorithm>
#include <functional>

#include <doctest/doctest.h>

#include "commands/execute.h"
#include "membership/members.h"
#include "records/codec.h"
#include "support/pool.h"
#include "support/vectors.h"

using namespace countersign;
using namespace countersign::commands;
using countersign::testing::bytes_of;
using countersign::testing::Draw;
using countersign::testing::key_bytes;
using countersign::testing::Pool;
using countersign::testing::PoolNode;
using records::RecordKind;

namespace {

/// A primary, and machines that would join.
struct Primary {
    Pool pool;
    PoolNode& node = pool.add_node();
    records::PoolSettings settings;
    sealing::Entropy entropy{key_bytes(77)};
    sealing::SigningKey admission_key{key_bytes(50)};
    sealing::SigningKey newcomer{key_bytes(51)};

    Primary() { pool.designate(node); }

    Result<std::vector<records::Change>> run(const Command& command) {
        return execute(command,
                       node.ledger.reader,
                       {.sealer = pool.sealer,
                        .index = pool.index,
                        .settings = settings,
                        .pool = pool.id,
                        .root_key = pool.root_key.public_key(),
                        .now = pool.now,
                        .entropy = entropy});
    }
    void does(const Command& command) {
        auto made = run(command);
        REQUIRE(made);
        pool.append(node, std::move(*made));
    }
    void refuses(const Command& command, errc expected) {
        const auto before = node.content();
        const auto made = run(command);
        REQUIRE_FALSE(made);
        CHECK(made.error() == expected);
        CHECK(node.content() == before);
    }
    commands::Invite invite(std::uint8_t number, std::string name) {
        const records::InvitationStatement statement{.pool = pool.id,
                                                     .admission_key = admission_key.public_key(),
                                                     .name = std::move(name),
                                                     .capabilities = Capability::propose,
                                                     .realms = {RealmId{1}},
                                                     .created = pool.now,
                                                     .expires = pool.now + std::chrono::days{1}};
        return {.id = countersign::testing::user_name(number).id,
                .invitation = {.statement = membership::sign(statement, pool.root_key),
                               .psk = Draw(number).bytes(32),
                               .spent_by = {}}};
    }
    Admit admit(std::uint8_t number, const sealing::SigningKey& who) {
        const records::AdmissionStatement statement{.pool = pool.id,
                                                    .node = {who.public_key()},
                                                    .channel_key = key_bytes(60),
                                                    .token_key = key_bytes(61)};
        const records::KeyGrant grant{.node = {who.public_key()},
                                      .realm = RealmId{1},
                                      .keys = {{KeyVersion{1}, Draw(number).bytes(80)}},
                                      .granted = pool.now};
        Admit command{.invitation = countersign::testing::user_name(number).id,
                      .admission = membership::sign(statement, admission_key),
                      .addresses = {"branch:7700"},
                      .grants = {}};
        command.grants.emplace_back(Draw(number).id<RecordId>(), grant);
        return command;
    }
    std::vector<membership::Member> members() {
        auto all = membership::read_members(
            node.ledger.reader, pool.sealer, pool.id, pool.root_key.public_key());
        REQUIRE(all);
        return std::move(*all);
    }
    std::uint64_t count(RecordKind kind) { return *node.ledger.reader.count(kind); }
};

}  // namespace

TEST_CASE(
    "commands: invite, admit: a member as the root key said, the invitation spent, keys granted") {
    Primary primary;
    primary.does(primary.invite(1, "branch"));
    CHECK(primary.members().empty());
    primary.does(primary.admit(1, primary.newcomer));
    const auto members = primary.members();
    REQUIRE(members.size() == 1);
    CHECK(members[0].id == NodeId{primary.newcomer.public_key()});
    CHECK(members[0].name == "branch");
    CHECK(members[0].capabilities == Capability::propose);
    CHECK(members[0].addresses == std::vector<std::string>{"branch:7700"});
    CHECK(primary.count(RecordKind::key_grant) == 1);

    const records::RecordName name{RecordKind::invitation, countersign::testing::user_name(1).id};
    const auto stored = primary.node.ledger.reader.get(name);
    const auto content = primary.pool.sealer.open(name, (*stored)->sealed);
    REQUIRE(content);
    const auto invitation = records::decode_invitation(content->bytes());
    REQUIRE(invitation);
    CHECK(invitation->spent_by == members[0].id);
}

TEST_CASE("commands: invite with a forged statement, a taken name or id: refused") {
    Primary primary;
    auto forged = primary.invite(1, "branch");
    forged.invitation.statement.signature = {};
    primary.refuses(forged, errc::bad_signature);
    primary.does(primary.invite(1, "branch"));
    primary.refuses(primary.invite(1, "other"), errc::already_exists);
    primary.does(primary.admit(1, primary.newcomer));
    primary.refuses(primary.invite(2, "branch"), errc::already_exists);
    primary.does(primary.invite(2, "edge"));
}

TEST_CASE(
    "commands: admit by no invitation, one that expired, or keys that it did not sign: refused") {
    Primary primary;
    primary.refuses(primary.admit(1, primary.newcomer), errc::invalid_invitation);
    primary.does(primary.invite(1, "branch"));
    auto forged = primary.admit(1, primary.newcomer);
    forged.admission.signature = {};
    primary.refuses(forged, errc::bad_signature);
    primary.pool.now += std::chrono::days{1};
    primary.refuses(primary.admit(1, primary.newcomer), errc::invitation_expired);
    primary.pool.now -= milliseconds{5'000};
    primary.does(primary.admit(1, primary.newcomer));
}

TEST_CASE("commands: admit with grants of another node's or realm's keys: refused") {
    Primary primary;
    primary.does(primary.invite(1, "branch"));
    auto command = primary.admit(1, primary.newcomer);
    command.grants[0].second.node = primary.node.id();
    primary.refuses(command, errc::invalid_argument);
    command = primary.admit(1, primary.newcomer);
    command.grants[0].second.realm = RealmId{2};
    primary.refuses(command, errc::invalid_argument);
}

TEST_CASE("commands: admit again: the same keys change nothing, others find the invitation spent") {
    Primary primary;
    primary.does(primary.invite(1, "branch"));
    primary.does(primary.admit(1, primary.newcomer));
    const auto again = primary.run(primary.admit(1, primary.newcomer));
    REQUIRE(again);
    CHECK(again->empty());
    primary.refuses(primary.admit(1, sealing::SigningKey(key_bytes(52))), errc::invitation_spent);
    // The same node, with another channel key.
    const records::AdmissionStatement other{.pool = primary.pool.id,
                                            .node = {primary.newcomer.public_key()},
                                            .channel_key = key_bytes(70),
                                            .token_key = key_bytes(61)};
    auto changed = primary.admit(1, primary.newcomer);
    changed.admission = membership::sign(other, primary.admission_key);
    primary.refuses(changed, errc::invitation_spent);
}

TEST_CASE("commands: admit two invitations of one name: the second finds it taken") {
    Primary primary;
    primary.does(primary.invite(1, "branch"));
    primary.does(primary.invite(2, "branch"));
    primary.does(primary.admit(1, primary.newcomer));
    primary.refuses(primary.admit(2, sealing::SigningKey(key_bytes(52))), errc::already_exists);
}

TEST_CASE("commands: remove a node: its membership and grants go, and its invitation stays spent") {
    Primary primary;
    const sealing::SigningKey other(key_bytes(52));
    primary.does(primary.invite(1, "branch"));
    primary.does(primary.invite(2, "edge"));
    primary.does(primary.admit(1, primary.newcomer));
    primary.does(primary.admit(2, other));
    CHECK(primary.count(RecordKind::key_grant) == 2);
    primary.refuses(RemoveNode{.node = primary.node.id(), .rows = {}}, errc::not_found);
    primary.does(RemoveNode{.node = {primary.newcomer.public_key()},
                            .rows = {{Incarnation{3}, RowSeq{12}}}});
    REQUIRE(primary.members().size() == 1);
    CHECK(primary.members()[0].name == "edge");
    CHECK(primary.count(RecordKind::key_grant) == 1);
    CHECK(primary.count(RecordKind::departure) == 1);
    primary.refuses(RemoveNode{.node = {primary.newcomer.public_key()}, .rows = {}},
                    errc::not_found);
    primary.refuses(primary.admit(1, primary.newcomer), errc::invitation_spent);
}
