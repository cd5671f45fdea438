#include "membership/designations.h"

#include <doctest/doctest.h>

#include "records/codec.h"
#include "support/pool.h"

using namespace countersign;
using namespace countersign::membership;
using countersign::testing::Draw;
using countersign::testing::Pool;
using countersign::testing::PoolNode;
using records::Designation;
using records::SignedStatement;

namespace {

/// A pool of two nodes that may designate themselves, and the first designation, not yet told.
struct Two {
    Pool pool;
    PoolNode& node = pool.add_node();
    PoolNode& other = pool.add_node();
    Designations::Signers signers{.pool = pool.id,
                                  .root_key = pool.root_key.public_key(),
                                  .self_signers = {node.id(), other.id()}};
    Designation first{.pool = pool.id,
                      .root_term = RootTerm{1},
                      .epoch = Epoch{1},
                      .node = node.id(),
                      .base_seq = {},
                      .base_hash = {},
                      .previous = {},
                      .time = pool.now};

    Result<Designation> add(const SignedStatement& statement) {
        return node.write([&] { return node.ledger.designations.add(statement, signers); });
    }
    Result<Designation> add(const Designation& designation, const sealing::SigningKey& key) {
        return add(sign(designation, key));
    }
    /// Refused, and nothing stored.
    void refuses(const SignedStatement& statement, errc expected) {
        const auto before = node.content();
        const auto added = add(statement);
        REQUIRE_FALSE(added);
        CHECK(added.error() == expected);
        CHECK(node.content() == before);
    }
    /// What may follow `before`: by `author` itself, or raised by the root key.
    Designation after(const Designation& before, const PoolNode& author, bool raised = false) {
        Designation next = before;
        next.epoch = Epoch{value(before.epoch) + 1};
        next.root_term = RootTerm{value(before.root_term) + (raised ? 1 : 0)};
        next.node = author.id();
        next.base_seq = LogSeq{7};
        next.base_hash = Draw(1).id<sealing::Hash256>();
        next.previous = sealing::hash256(records::encode(before));
        return next;
    }
    Designation current() {
        const auto held = node.ledger.designations.current();
        REQUIRE(held);
        REQUIRE(*held);
        return **held;
    }
};

}  // namespace

TEST_CASE("designations: none heard of: none holds") {
    Two two;
    CHECK(*two.node.ledger.designations.current() == std::nullopt);
    CHECK(two.node.ledger.designations.all()->empty());
}

TEST_CASE("designations: the first, by the root key: holds, is found, and is stored once") {
    Two two;
    const auto statement = sign(two.first, two.pool.root_key);
    REQUIRE(two.add(statement));
    const auto content = two.node.content();
    REQUIRE(two.add(statement));
    CHECK(two.node.content() == content);
    CHECK(two.current().node == two.node.id());
    const auto all = two.node.ledger.designations.all();
    REQUIRE(all);
    REQUIRE(all->size() == 1);
    CHECK((*all)[0].bytes == statement.bytes);
    CHECK((*all)[0].signature == statement.signature);
    auto& designations = two.node.ledger.designations;
    CHECK(designations.find(RootTerm{1}, Epoch{1}, two.node.id())->has_value());
    CHECK_FALSE(designations.find(RootTerm{1}, Epoch{2}, two.node.id())->has_value());
    CHECK_FALSE(designations.find(RootTerm{1}, Epoch{1}, two.other.id())->has_value());
}

TEST_CASE("designations: the first, by a node itself: refused") {
    Two two;
    two.refuses(sign(two.first, two.node.key), errc::bad_signature);
}

TEST_CASE("designations: of another pool, or not a designation: refused") {
    Two two;
    auto foreign = two.first;
    foreign.pool.bytes[0] ^= std::byte{1};
    two.refuses(sign(foreign, two.pool.root_key), errc::wrong_pool);
    auto cut = sign(two.first, two.pool.root_key);
    cut.bytes.resize(cut.bytes.size() - 8);
    cut.signature =
        sealing::sign(sealing::SignatureKind::designation, cut.bytes, two.pool.root_key);
    two.refuses(cut, errc::malformed);
}

TEST_CASE("designations: any bit flipped: refused") {
    Two two;
    const auto statement = sign(two.first, two.pool.root_key);
    for (std::size_t bit = 0; bit < statement.bytes.size() * 8; bit += 5) {
        auto changed = statement;
        changed.bytes[bit / 8] ^= std::byte{1} << (bit % 8);
        CHECK_FALSE(two.add(changed));
    }
    for (std::size_t bit = 0; bit < 512; bit += 7) {
        auto changed = statement;
        changed.signature.bytes[bit / 8] ^= std::byte{1} << (bit % 8);
        two.refuses(changed, errc::bad_signature);
    }
    CHECK(*two.node.ledger.designations.current() == std::nullopt);
}

TEST_CASE("designations: a signature of another kind: refused") {
    Two two;
    SignedStatement statement{.bytes = records::encode(two.first), .signature = {}};
    statement.signature =
        sealing::sign(sealing::SignatureKind::invitation, statement.bytes, two.pool.root_key);
    two.refuses(statement, errc::bad_signature);
}

TEST_CASE("designations: by a node itself: only of itself, and only if it may") {
    Two two;
    REQUIRE(two.add(two.first, two.pool.root_key));
    const auto next = two.after(two.first, two.other);
    two.refuses(sign(next, two.node.key), errc::bad_signature);  // signed by another
    two.signers.self_signers = {two.node.id()};
    two.refuses(sign(next, two.other.key), errc::bad_signature);
    two.signers.self_signers.push_back(two.other.id());
    REQUIRE(two.add(next, two.other.key));
    CHECK(two.current().node == two.other.id());
}

TEST_CASE("designations: a node that raises its own root term: refused") {
    Two two;
    REQUIRE(two.add(two.first, two.pool.root_key));
    for (const std::uint64_t term : {2, 3, 1'000'000}) {
        auto next = two.after(two.first, two.other);
        next.root_term = RootTerm{term};
        two.refuses(sign(next, two.other.key), errc::malformed);
    }
}

TEST_CASE("designations: by the root key without raising the term: refused") {
    Two two;
    REQUIRE(two.add(two.first, two.pool.root_key));
    two.refuses(sign(two.after(two.first, two.other), two.pool.root_key), errc::malformed);
    REQUIRE(two.add(two.after(two.first, two.other, true), two.pool.root_key));
}

TEST_CASE("designations: an epoch that is skipped, or whose predecessor is not held: a gap") {
    Two two;
    const auto second = two.after(two.first, two.node);
    two.refuses(sign(second, two.node.key), errc::chain_gap);
    REQUIRE(two.add(two.first, two.pool.root_key));
    auto skipped = second;
    skipped.epoch = Epoch{3};
    two.refuses(sign(skipped, two.node.key), errc::chain_gap);
    auto stranger = second;
    stranger.previous.bytes[0] ^= std::byte{1};
    two.refuses(sign(stranger, two.node.key), errc::chain_gap);
    REQUIRE(two.add(second, two.node.key));
}

TEST_CASE("designations: impossible numbers: malformed") {
    Two two;
    const auto with = [&](auto&& change) {
        auto changed = two.first;
        change(changed);
        two.refuses(sign(changed, two.pool.root_key), errc::malformed);
    };
    with([](Designation& each) { each.epoch = Epoch{0}; });
    with([](Designation& each) { each.root_term = RootTerm{0}; });
    with([](Designation& each) { each.root_term = RootTerm{2}; });
    with([](Designation& each) { each.epoch = Epoch{std::uint64_t{1} << 63}; });
    with([](Designation& each) { each.root_term = RootTerm{std::uint64_t{1} << 63}; });
    with([](Designation& each) { each.base_seq = LogSeq{std::uint64_t{1} << 63}; });
    with([](Designation& each) { each.base_seq = LogSeq{1}; });
    with([](Designation& each) { each.base_hash.bytes[0] = std::byte{1}; });
    with([](Designation& each) { each.previous.bytes[0] = std::byte{1}; });
}

TEST_CASE("designations: two by one node of one term and epoch: a fork, and the first stays") {
    Two two;
    REQUIRE(two.add(two.first, two.pool.root_key));
    auto next = two.after(two.first, two.other);
    REQUIRE(two.add(next, two.other.key));
    next.base_seq = LogSeq{8};
    two.refuses(sign(next, two.other.key), errc::fork);
}

TEST_CASE("designations: the order: root term, then epoch, then node; all are kept") {
    Two two;
    REQUIRE(two.add(two.first, two.pool.root_key));
    const auto mine = two.after(two.first, two.node);
    const auto others = two.after(two.first, two.other);
    const bool mine_is_greater = two.node.id() > two.other.id();
    // Two of one epoch: the greater node, whichever was heard of first.
    REQUIRE(two.add(mine, two.node.key));
    REQUIRE(two.add(others, two.other.key));
    CHECK(two.current().node == (mine_is_greater ? two.node.id() : two.other.id()));
    // A later epoch of the lesser goes on from its own.
    const auto& lesser = mine_is_greater ? others : mine;
    auto& lesser_node = mine_is_greater ? two.other : two.node;
    const auto third = two.after(lesser, lesser_node);
    REQUIRE(two.add(third, lesser_node.key));
    CHECK(two.current().epoch == Epoch{3});
    // The root key outranks an epoch, even by a lower one.
    const auto root = two.after(two.first, two.node, true);
    REQUIRE(two.add(root, two.pool.root_key));
    CHECK(two.current().root_term == RootTerm{2});
    CHECK(two.current().epoch == Epoch{2});

    const auto all = two.node.ledger.designations.all();
    REQUIRE(all);
    REQUIRE(all->size() == 5);
    CHECK((*all)[0].bytes == records::encode(two.first));
    CHECK((*all)[3].bytes == records::encode(third));
    CHECK((*all)[4].bytes == records::encode(root));
    const auto after = two.node.ledger.designations.after(third.root_term, third.epoch, third.node);
    REQUIRE(after);
    REQUIRE(after->size() == 1);
    CHECK((*after)[0].root_term == RootTerm{2});
    // As they are listed, another store can take them one by one.
    two.pool.tell_all(two.other, two.node);
    CHECK(two.other.ledger.designations.all()->size() == 5);
}
