#include "log/accept.h"

#include <algorithm>

#include <doctest/doctest.h>

#include "log/verify.h"
#include "records/codec.h"
#include "support/pool.h"
#include "support/vectors.h"

using namespace countersign;
using namespace countersign::log;
using countersign::testing::changes;
using countersign::testing::Draw;
using countersign::testing::erase;
using countersign::testing::handle;
using countersign::testing::Pool;
using countersign::testing::PoolNode;
using countersign::testing::put;
using countersign::testing::user_name;

namespace {

/// A primary with some history, and a replica that knows who the primary is.
struct Two {
    Pool pool;
    PoolNode& primary = pool.add_node();
    PoolNode& replica = pool.add_node();
    std::vector<SignedBatch> batches;

    explicit Two(std::size_t number = 4) {
        pool.designate(primary);
        pool.tell_all(replica, primary);
        for (std::size_t i = 0; i < number; ++i) write();
    }
    void write() {
        const auto i = static_cast<std::uint8_t>(batches.size());
        batches.push_back(
            pool.append(primary,
                        changes(put(user_name(i), "content", {handle(i), handle(i + 1)}),
                                put(user_name(i + 1), "more", {handle(i + 7)}),
                                erase(user_name(i + 2)))));
    }

    /// That the replica refuses, and nothing in it changes.
    void refuses(std::span<const SignedBatch> run, errc expected) {
        const auto before = replica.content();
        const auto accepted = pool.accept(replica, run);
        REQUIRE_FALSE(accepted);
        CHECK(accepted.error() == expected);
        CHECK(replica.content() == before);
    }
    /// The same for a batch that the primary signs although it breaks a rule.
    template <class Break>
    void refuses_next(Break&& break_rule, errc expected) {
        REQUIRE(pool.accept(replica, batches));
        auto batch = pool.next_batch(primary);
        const auto fresh = static_cast<std::uint8_t>(100 + 2 * batches.size());
        batch.changes = changes(put(user_name(fresh), "a"), put(user_name(fresh + 1), "b"));
        auto right = replica.head().digest;
        for (const auto& change : batch.changes) {
            right.add(
                replica.ledger.hash_row(change.name, batch.place.seq, change.put->sealed, {}));
        }
        batch.digest = right.digest();
        auto broken = batch;
        break_rule(broken);
        refuses(std::vector{pool.sign(broken, primary)}, expected);
        batches.push_back(pool.sign(batch, primary));
        CHECK(pool.accept(replica, batches));
        CHECK(pool.accept(primary, batches));
    }
    /// Whether both hold the same, to the byte.
    bool equal() { return primary.content() == replica.content(); }
};

}  // namespace

TEST_CASE("accept: a run: the replica holds what the primary holds, to the byte") {
    Two two;
    const auto head = two.pool.accept(two.replica, two.batches);
    REQUIRE(head);
    CHECK(head->place == two.batches.back().place);
    CHECK(head->digest == two.primary.head().digest);
    CHECK(two.equal());
    CHECK(verify(two.replica.database, two.replica.ledger));
}

TEST_CASE("accept: random histories in runs of random lengths, with repeats: always the same") {
    for (std::uint64_t seed = 0; seed < 30; ++seed) {
        CAPTURE(seed);
        Draw draw(seed);
        Two two(0);
        for (std::uint64_t n = 1 + draw.below(12); n > 0; --n) {
            std::vector<records::Change> made;
            for (std::uint64_t c = 1 + draw.below(6); c > 0; --c) {
                const auto name = user_name(static_cast<std::uint8_t>(draw.below(8)));
                made.push_back(
                    draw.below(3) == 0
                        ? erase(name)
                        : put(name,
                              std::to_string(draw()),
                              {handle(static_cast<std::uint8_t>(draw.below(4))), handle(9)}));
            }
            two.batches.push_back(two.pool.append(two.primary, std::move(made)));
        }
        for (std::size_t at = 0; at < two.batches.size();) {
            const std::size_t from = draw.below(at + 1);  // some are held already
            const std::size_t to = at + 1 + draw.below(two.batches.size() - at);
            const auto run = std::span(two.batches).subspan(from, to - from);
            REQUIRE(two.pool.accept(two.replica, run));
            at = to;
        }
        CHECK(two.equal());
    }
}

// Fuzzing found that such numbers reached the database, which cannot hold them.
TEST_CASE("accept: a root term or epoch above 2^63 - 1: wrong_epoch, as for any that nobody has") {
    Two two;
    for (const auto number : {std::uint64_t{1} << 63, ~std::uint64_t{0}}) {
        auto run = two.batches;
        run.back().place.root_term = RootTerm{number};
        two.refuses(run, errc::wrong_epoch);
        run = two.batches;
        run.back().place.epoch = Epoch{number};
        two.refuses(run, errc::wrong_epoch);
    }
}

TEST_CASE("accept: nothing, or only what is held: the head stays") {
    Two two;
    REQUIRE(two.pool.accept(two.replica, two.batches));
    const auto before = two.replica.content();
    CHECK(two.pool.accept(two.replica, {})->place == two.batches.back().place);
    CHECK(two.pool.accept(two.replica, two.batches)->place == two.batches.back().place);
    CHECK(two.pool.accept(two.replica, std::span(two.batches).first(2)));
    CHECK(two.replica.content() == before);
    // Retention may have let go of them.
    REQUIRE(two.replica.write([&] { return two.replica.ledger.batches.erase_to(LogSeq{3}, 9); }));
    two.write();
    CHECK(two.pool.accept(two.replica, two.batches)->place.seq == LogSeq{5});
}

TEST_CASE(
    "accept: any bit flipped in any batch of a run: refused, and nothing of the run is kept") {
    Two two(3);
    for (std::size_t i = 0; i < two.batches.size(); ++i) {
        for (std::size_t bit = i; bit < two.batches[i].bytes.size() * 8; bit += 11) {
            CAPTURE(i);
            CAPTURE(bit);
            auto run = two.batches;
            run[i].bytes[bit / 8] ^= std::byte{1} << (bit % 8);
            two.refuses(run, i + 1 == run.size() ? errc::bad_signature : errc::chain_gap);
        }
    }
    for (std::size_t bit = 0; bit < 512; bit += 3) {
        auto run = two.batches;
        run.back().signature.bytes[bit / 8] ^= std::byte{1} << (bit % 8);
        two.refuses(run, errc::bad_signature);
    }
    CHECK(two.pool.accept(two.replica, two.batches));
}

TEST_CASE("accept: an envelope that says what its batch does not: refused") {
    Two two(3);
    const auto with = [&](std::size_t i, errc expected, auto&& change) {
        auto run = two.batches;
        change(run[i].place);
        two.refuses(run, expected);
    };
    for (std::size_t i = 0; i < 3; ++i) {
        with(i, errc::wrong_epoch, [](Place& place) { place.root_term = RootTerm{2}; });
        with(i, errc::wrong_epoch, [](Place& place) { place.epoch = Epoch{7}; });
        with(i, errc::wrong_epoch, [](Place& place) { place.node.bytes[0] ^= std::byte{1}; });
        with(i, errc::chain_gap, [](Place& place) { place.seq = LogSeq{9}; });
    }
}

TEST_CASE("accept: a damaged signature within a run: proved by the next one, and told by verify") {
    Two two(3);
    auto run = two.batches;
    run[1].signature.bytes[3] ^= std::byte{1};
    REQUIRE(two.pool.accept(two.replica, run));
    const auto verified = verify(two.replica.database, two.replica.ledger);
    CHECK(verified.error() == errc::bad_signature);
    CHECK(verified.error().detail().find("batch 2") != std::string::npos);
}

TEST_CASE("accept: not the next batch, a hole, or the wrong order: a gap") {
    Two two;
    const auto& all = two.batches;
    two.refuses(std::vector{all[1]}, errc::chain_gap);
    two.refuses(std::vector{all[0], all[2]}, errc::chain_gap);
    two.refuses(std::vector{all[1], all[0]}, errc::chain_gap);
    two.refuses(std::vector{all[0], all[0]}, errc::chain_gap);
}

TEST_CASE("accept: another signed batch for a place that is held: a fork; an unsigned one is not") {
    Two two;
    REQUIRE(two.pool.accept(two.replica, two.batches));
    auto other = decode(two.batches[2]);
    REQUIRE(other);
    other->time += milliseconds{1};
    const auto forked = two.pool.sign(*other, two.primary);
    two.refuses(std::vector{forked}, errc::fork);
    two.refuses(std::vector{two.pool.sign(*other, two.replica)}, errc::bad_signature);
    auto forged = two.batches[2];
    forged.bytes.back() ^= std::byte{1};
    two.refuses(std::vector{forged}, errc::bad_signature);
}

TEST_CASE("accept: a signed batch that continues another branch: a fork") {
    Two two;
    two.refuses_next([](Batch& batch) { batch.previous.bytes[0] ^= std::byte{1}; }, errc::fork);
}

TEST_CASE("accept: of another pool: wrong pool") {
    Two two;
    two.refuses_next([](Batch& batch) { batch.pool.bytes[0] ^= std::byte{1}; }, errc::wrong_pool);
}

TEST_CASE("accept: a designation that is not known: wrong epoch, until it is told") {
    Two two;
    auto& third = two.pool.add_node();
    CHECK(two.pool.accept(third, two.batches).error() == errc::wrong_epoch);
    CHECK(third.head().place.seq == LogSeq{0});
    two.pool.tell_all(third, two.primary);
    CHECK(two.pool.accept(third, two.batches));
    two.refuses_next([](Batch& batch) { batch.place.epoch = Epoch{2}; }, errc::wrong_epoch);
    two.refuses_next([](Batch& batch) { batch.place.root_term = RootTerm{2}; }, errc::wrong_epoch);
}

TEST_CASE("accept: a feature level above this release's: unsupported") {
    Two two;
    two.refuses_next([](Batch& batch) { ++batch.feature_level; }, errc::unsupported_version);
}

TEST_CASE("accept: time that goes back: malformed") {
    Two two;
    two.refuses_next([](Batch& batch) { batch.time -= milliseconds{1}; }, errc::malformed);
}

TEST_CASE("accept: signed changes out of order, or two of one record: malformed") {
    Two two;
    two.refuses_next([](Batch& batch) { std::swap(batch.changes[0], batch.changes[1]); },
                     errc::malformed);
    two.refuses_next([](Batch& batch) { batch.changes[1].name = batch.changes[0].name; },
                     errc::malformed);
}

TEST_CASE("accept: signed bytes with more behind them, or over a limit: refused") {
    Two two;
    REQUIRE(two.pool.accept(two.replica, two.batches));
    auto signed_batch = two.pool.sign(two.pool.next_batch(two.primary), two.primary);
    const auto sign_again = [&] {
        signed_batch.signature =
            sealing::sign(sealing::SignatureKind::batch, signed_batch.bytes, two.primary.key);
    };
    signed_batch.bytes.resize(signed_batch.bytes.size() + 8);
    sign_again();
    two.refuses(std::vector{signed_batch}, errc::malformed);
    signed_batch.bytes.resize(batch_bytes_limit + 8);
    sign_again();
    two.refuses(std::vector{signed_batch}, errc::too_large);
}

TEST_CASE("accept: a well-signed batch whose digest is wrong: digest mismatch") {
    Two two;
    two.refuses_next([](Batch& batch) { batch.digest.bytes[0] ^= std::byte{1}; },
                     errc::digest_mismatch);
    two.refuses_next([](Batch& batch) { batch.changes.pop_back(); }, errc::digest_mismatch);
}

TEST_CASE("accept: a row that was damaged here: digest mismatch when it is next written") {
    for (const char* sql : {
             "UPDATE record SET sealed = x'00' WHERE seq = 2 AND id = (SELECT max(id) FROM record)",
             "UPDATE record SET seq = 1 WHERE seq = 2 AND id = (SELECT max(id) FROM record)",
             "DELETE FROM record WHERE id = (SELECT max(id) FROM record)",
         }) {
        CAPTURE(sql);
        Two two(2);
        REQUIRE(two.pool.accept(two.replica, two.batches));
        two.replica.damage(sql);
        const auto next = two.pool.append(two.primary, changes(put(user_name(2), "x")));
        const auto accepted = two.pool.accept(two.replica, std::vector{next});
        REQUIRE_FALSE(accepted);
        // Its handles may be in the way before the digest is.
        CHECK((accepted.error() == errc::digest_mismatch || accepted.error() == errc::corrupt));
        CHECK(two.replica.head().place.seq == LogSeq{2});
    }
}

TEST_CASE("accept: a run across two designations: each proved by its own author") {
    Two two(3);
    REQUIRE(two.pool.accept(two.replica, two.batches));
    auto& third = two.pool.add_node();
    two.pool.tell_all(third, two.primary);
    two.pool.designate_itself(two.replica);  // at batch 3
    two.batches.push_back(two.pool.append(two.replica, changes(put(user_name(50), "after"))));
    two.batches.push_back(two.pool.append(two.replica, changes(put(user_name(51), "after"))));

    const auto before = third.content();
    CHECK(two.pool.accept(third, two.batches).error() == errc::wrong_epoch);
    CHECK(third.content() == before);
    two.pool.tell_all(third, two.replica);
    auto forged = two.batches;
    forged[2].signature.bytes[0] ^= std::byte{1};  // the last of the first author's
    CHECK(two.pool.accept(third, forged).error() == errc::bad_signature);
    REQUIRE(two.pool.accept(third, two.batches));
    CHECK(third.content() == two.replica.content());
    CHECK(verify(third.database, third.ledger));
}

TEST_CASE("accept: of the former primary, beyond its successor's base: refused everywhere") {
    Two two(3);
    REQUIRE(two.pool.accept(two.replica, two.batches));
    auto& third = two.pool.add_node();
    two.pool.tell_all(third, two.primary);
    two.write();  // batch 4, which the replica has not seen when it is designated
    two.write();
    two.pool.designate_itself(two.replica);
    two.refuses(std::span(two.batches).subspan(3), errc::wrong_epoch);
    two.pool.tell_all(third, two.replica);
    CHECK(two.pool.accept(third, two.batches).error() == errc::wrong_epoch);
    CHECK(third.head().place.seq == LogSeq{0});
    REQUIRE(two.pool.accept(third, std::span(two.batches).first(3)));
    // And once the successor has written there, the former primary's batch is no proof of a fork.
    const auto next = two.pool.append(two.replica, changes(put(user_name(60), "x")));
    REQUIRE(two.pool.accept(third, std::vector{next}));
    CHECK(two.pool.accept(third, std::vector{two.batches[3]}).error() == errc::wrong_epoch);
    CHECK(two.pool.accept(third, std::vector{two.batches[4]}).error() == errc::wrong_epoch);
}

TEST_CASE("accept: a successor's first batch that is not at its base: wrong epoch") {
    Two two(3);
    REQUIRE(two.pool.accept(two.replica, std::span(two.batches).first(2)));
    // Based on batch 2, it continues at 4 after the former primary's 3.
    const auto statement = two.pool.designate_itself(two.replica);
    auto batch = two.pool.next_batch(two.replica, Epoch{2});
    auto& third = two.pool.add_node();
    two.pool.tell_all(third, two.primary);
    REQUIRE(two.pool.accept(third, two.batches));
    REQUIRE(two.pool.tell(third, statement));
    batch.place.seq = LogSeq{4};
    batch.previous = third.head().hash;
    batch.digest = third.head().digest.digest();
    const auto before = third.content();
    CHECK(two.pool.accept(third, std::vector{two.pool.sign(batch, two.replica)}).error() ==
          errc::wrong_epoch);
    CHECK(third.content() == before);
}

TEST_CASE("accept: handles that lie in the replica's table before their time: corrupt") {
    Two two(1);
    REQUIRE(two.replica.write([&] {
        return two.replica.database.execute(
            "INSERT INTO handle VALUES (x'01000000000000000000000000000000', 1,"
            " x'00000000000000000000000000000000')");
    }));
    two.refuses(two.batches, errc::corrupt);
}
