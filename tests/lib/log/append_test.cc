#include "log/append.h"

#include <algorithm>
#include <functional>
#include <set>

#include <doctest/doctest.h>

#include "log/verify.h"
#include "records/codec.h"
#include "support/pool.h"
#include "support/vectors.h"

using namespace countersign;
using namespace countersign::log;
using countersign::testing::bytes_of;
using countersign::testing::changes;
using countersign::testing::Draw;
using countersign::testing::erase;
using countersign::testing::handle;
using countersign::testing::Pool;
using countersign::testing::PoolNode;
using countersign::testing::put;
using countersign::testing::user_name;
using records::Change;

namespace {

using Made = Result<std::vector<Change>>;

/// One group: the transaction, and what its callers asked for.
class Group {
  public:
    explicit Group(Pool& pool, PoolNode& node) : pool_(pool) {
        auto transaction = sqlite::Transaction::begin(node.database);
        REQUIRE(transaction);
        transaction_.emplace(std::move(*transaction));
        auto appender = Appender::begin(node.ledger, node.key, node.ledger.head.read().value());
        REQUIRE(appender);
        appender_.emplace(std::move(*appender));
    }

    Appender::Added add(const Appender::Execute& execute) {
        failure.reset();
        const auto added = appender_->add(execute, failure, consents);
        REQUIRE(added);
        return *added;
    }
    Appender::Added add(std::vector<Change> made) {
        return add([&](records::Reader&, LogSeq) -> Made { return std::move(made); });
    }
    std::optional<SignedBatch> close() {
        pool_.now += milliseconds{1};
        auto batch = appender_->close(pool_.now);
        REQUIRE(batch);
        REQUIRE(transaction_->commit());
        return std::move(*batch);
    }

    std::optional<Error> failure;
    std::function<Result<void>()> consents;  ///< each caller's own
    bool concerns_pool() const { return appender_->concerns_pool(); }

  private:
    Pool& pool_;
    std::optional<sqlite::Transaction> transaction_;
    std::optional<Appender> appender_;
};

Batch decoded(const std::optional<SignedBatch>& batch) {
    REQUIRE(batch);
    auto inside = decode(*batch);
    REQUIRE(inside);
    return std::move(*inside);
}

/// What all records add up to, recomputed from the rows.
sealing::Hash256 digest_of(PoolNode& node) {
    Digest sum;
    REQUIRE(node.ledger.reader.each(
        std::nullopt, [&](const records::RecordName& name, const records::StoredRecord& record) {
            sum.add(node.ledger.hash_row(name, record.seq, record.sealed, record.handles));
            return true;
        }));
    return sum.digest();
}

struct Primary {
    Pool pool;
    PoolNode& node = pool.add_node();
    Primary() { pool.designate(node); }
};

}  // namespace

TEST_CASE("append: a group of callers: one batch, signed, with every change in order of names") {
    Primary primary;
    auto& [pool, node] = primary;
    Group group(pool, node);
    CHECK(group.add(changes(put(user_name(3), "c", {handle(3)}))) == Appender::Added::in_group);
    CHECK(group.add(changes(put(user_name(1), "a"), put(user_name(2), "b"))) ==
          Appender::Added::in_group);
    const auto batch = group.close();
    const auto inside = decoded(batch);
    CHECK(inside.pool == pool.id);
    CHECK(inside.place ==
          Place{.root_term = RootTerm{1}, .epoch = Epoch{1}, .node = node.id(), .seq = LogSeq{1}});
    CHECK(inside.previous == sealing::Hash256{});
    CHECK(inside.time == pool.now);
    CHECK(inside.digest == digest_of(node));
    REQUIRE(inside.changes.size() == 3);
    for (std::uint8_t i = 0; i < 3; ++i) CHECK(inside.changes[i].name == user_name(i + 1));
    CHECK(inside.changes[2].put->handles == std::vector{handle(3)});
    CHECK(sealing::verify(
        sealing::SignatureKind::batch, batch->bytes, batch->signature, node.id().bytes));
    CHECK(node.head().place == inside.place);
    CHECK(node.head().hash == sealing::hash256(batch->bytes));
    const auto stored = node.ledger.batches.get(LogSeq{1});
    REQUIRE(stored);
    REQUIRE(*stored);
    CHECK((*stored)->bytes == batch->bytes);
    CHECK((*stored)->signature == batch->signature);
    CHECK((*stored)->place == batch->place);
}

TEST_CASE("append: batch after batch: each names the one before, and time never goes back") {
    Primary primary;
    auto& [pool, node] = primary;
    const auto first = pool.append(node, changes(put(user_name(1), "a")));
    pool.now -= milliseconds{100'000};
    const auto second = pool.append(node, changes(put(user_name(1), "b")));
    CHECK(decoded(second).previous == sealing::hash256(first.bytes));
    CHECK(decoded(second).place.seq == LogSeq{2});
    CHECK(decoded(second).time == decoded(first).time);
}

TEST_CASE(
    "append: callers that come later see what their elders did; a failing one leaves no trace") {
    Primary primary;
    auto& [pool, node] = primary;
    Group group(pool, node);
    group.add(changes(put(user_name(1), "a", {handle(1)})));
    group.add([](records::Reader& reader, LogSeq seq) -> Made {
        CHECK(seq == LogSeq{1});
        const auto elder = reader.get(user_name(1));
        REQUIRE(elder);
        REQUIRE(*elder);
        CHECK((*elder)->sealed == bytes_of("a"));
        CHECK(*reader.find(handle(1), records::RecordKind::user) == std::vector{user_name(1).id});
        return Error(errc::conflict, "no");
    });
    REQUIRE(group.failure);
    CHECK(*group.failure == errc::conflict);
    group.add([](records::Reader&, LogSeq) -> Made { return std::vector<Change>{}; });
    CHECK_FALSE(group.failure);
    const auto inside = decoded(group.close());
    CHECK(inside.changes.size() == 1);
    CHECK(inside.digest == digest_of(node));
}

TEST_CASE("append: consent refused at the last moment: the caller fails, and leaves no trace") {
    Primary primary;
    auto& [pool, node] = primary;
    Group group(pool, node);
    group.add(changes(put(user_name(1), "a")));
    int asked = 0;
    group.consents = [&]() -> Result<void> {
        ++asked;
        return errc::busy;
    };
    group.add(changes(put(user_name(2), "b", {handle(2)})));
    REQUIRE(group.failure);
    CHECK(*group.failure == errc::busy);
    CHECK(asked == 1);
    // What does not fit, or fails by itself, is not asked for consent.
    group.add([](records::Reader&, LogSeq) -> Made { return errc::not_found; });
    group.add(changes(put(user_name(3), std::string(sealed_limit + 1, 'x'))));
    CHECK(asked == 1);
    const auto inside = decoded(group.close());
    CHECK(inside.changes.size() == 1);
    CHECK(inside.digest == digest_of(node));
    CHECK(verify(node.database, node.ledger));
}

TEST_CASE("append: changes of users alone, or of the pool's own records: told apart") {
    Primary primary;
    auto& [pool, node] = primary;
    Group group(pool, node);
    group.add(changes(put(user_name(1), "a")));
    CHECK_FALSE(group.concerns_pool());
    group.add(changes(put({records::RecordKind::pool_settings, {}}, "b")));
    CHECK(group.concerns_pool());
    CHECK(decoded(group.close()).changes.size() == 2);
    CHECK(*node.ledger.reader.newest_of_pool() == LogSeq{1});
}

TEST_CASE("append: callers that change nothing: no batch, and nothing changes") {
    Primary primary;
    auto& [pool, node] = primary;
    pool.append(node, changes(put(user_name(1), "a")));
    const auto before = node.content();
    Group group(pool, node);
    group.add([](records::Reader&, LogSeq) -> Made { return errc::not_found; });
    group.add(changes());
    CHECK_FALSE(group.close());
    CHECK(node.content() == before);
}

TEST_CASE("append: one record put, put again and erased in a group: one change, its last state") {
    Primary primary;
    auto& [pool, node] = primary;
    pool.append(node, changes(put(user_name(9), "nine", {handle(9)})));
    Group group(pool, node);
    group.add(changes(put(user_name(1), "a", {handle(1)}), put(user_name(2), "x", {handle(2)})));
    group.add(changes(put(user_name(1), "b", {handle(1), handle(3)}), erase(user_name(2))));
    group.add(changes(erase(user_name(9))));
    group.add(changes(put(user_name(9), "again", {handle(8)})));
    const auto inside = decoded(group.close());
    REQUIRE(inside.changes.size() == 3);
    CHECK(inside.changes[0].put->sealed == bytes_of("b"));
    CHECK_FALSE(inside.changes[1].put);
    CHECK(inside.changes[2].put->sealed == bytes_of("again"));
    CHECK(inside.digest == digest_of(node));
    CHECK(verify(node.database, node.ledger));
}

TEST_CASE("append: the group's limit of changes: the next caller waits for the next group") {
    Primary primary;
    auto& [pool, node] = primary;
    const auto many = [](std::uint64_t seed, std::size_t number) {
        Draw draw(seed);
        std::vector<Change> all;
        for (std::size_t i = 0; i < number; ++i) {
            all.push_back(put({records::RecordKind::user, draw.id<RecordId>()}, "x"));
        }
        return all;
    };
    Group group(pool, node);
    CHECK(group.add(many(1, 6'000)) == Appender::Added::in_group);
    CHECK(group.add(many(2, 4'001)) == Appender::Added::next_group);
    CHECK(group.add(many(3, 4'000)) == Appender::Added::in_group);
    CHECK(group.add(many(4, 1)) == Appender::Added::next_group);
    const auto inside = decoded(group.close());
    CHECK(inside.changes.size() == batch_changes_limit);
    CHECK(inside.digest == digest_of(node));

    Group next(pool, node);
    CHECK(next.add(many(5, batch_changes_limit + 1)) == Appender::Added::in_group);
    REQUIRE(next.failure);
    CHECK(*next.failure == errc::too_large);
}

TEST_CASE("append: the group's limit of bytes: what is in it decodes, erasures and all") {
    Primary primary;
    auto& [pool, node] = primary;
    const std::string largest(sealed_limit, 'x');
    Draw draw(1);
    Group group(pool, node);
    std::size_t puts = 0;
    // Many small changes first: what they take besides their content counts too.
    std::vector<Change> erasures;
    for (int i = 0; i < 9'000; ++i) {
        erasures.push_back(erase({records::RecordKind::user, draw.id<RecordId>()}));
    }
    CHECK(group.add(std::move(erasures)) == Appender::Added::in_group);
    while (group.add(changes(put({records::RecordKind::user, draw.id<RecordId>()}, largest))) ==
           Appender::Added::in_group) {
        ++puts;
    }
    std::size_t fill = sealed_limit;
    for (; fill > 0; fill /= 2) {
        group.add(
            changes(put({records::RecordKind::user, draw.id<RecordId>()}, std::string(fill, 'x'))));
    }
    const auto batch = group.close();
    REQUIRE(batch);
    CHECK(batch->bytes.size() <= batch_bytes_limit);
    CHECK(batch->bytes.size() > batch_bytes_limit - 1'000);
    CHECK(decoded(batch).changes.size() > 9'000 + puts);
}

TEST_CASE("append: a record above its limits: that caller alone fails") {
    Primary primary;
    auto& [pool, node] = primary;
    Group group(pool, node);
    group.add(changes(put(user_name(1), std::string(sealed_limit + 1, 'x'))));
    REQUIRE(group.failure);
    CHECK(*group.failure == errc::too_large);
    std::vector<records::Handle> handles;
    for (std::uint8_t i = 0; i <= handles_limit; ++i) handles.push_back(handle(i));
    group.add(changes(put(user_name(1), "x", handles)));
    REQUIRE(group.failure);
    CHECK(*group.failure == errc::too_large);
    group.add(changes(put(user_name(2), "y")));
    CHECK_FALSE(group.failure);
    CHECK(decoded(group.close()).changes.size() == 1);
}

TEST_CASE("append: on a replica: not primary, and who is") {
    Primary primary;
    auto& [pool, node] = primary;
    auto& replica = pool.add_node();
    CHECK(
        Appender::begin(replica.ledger, replica.key, replica.ledger.head.read().value()).error() ==
        errc::not_primary);
    pool.tell_all(replica, node);
    const auto refused =
        Appender::begin(replica.ledger, replica.key, replica.ledger.head.read().value());
    CHECK(refused.error() == errc::not_primary);
    CHECK(refused.error().detail().find(to_string(node.id())) != std::string::npos);
}

TEST_CASE("append: designated at a base that this store has not reached, or has passed: refused") {
    Primary primary;
    auto& [pool, node] = primary;
    auto& other = pool.add_node();
    pool.tell_all(other, node);
    pool.append(node, changes(put(user_name(1), "a")));
    // The next designation is based on batch 1, which `other` lacks.
    auto statement = pool.designate(node);
    auto designation = records::decode_designation(statement.bytes);
    REQUIRE(designation);
    designation->node = other.id();
    statement = membership::sign(*designation, pool.root_key);
    REQUIRE(pool.tell(other, statement));
    CHECK(Appender::begin(other.ledger, other.key, other.ledger.head.read().value()).error() ==
          errc::chain_gap);

    // And one that `node` is given at a base below its head leaves its last batches out.
    pool.append(node, changes(put(user_name(2), "b")));
    designation->node = node.id();
    designation->root_term = RootTerm{9};
    REQUIRE(pool.tell(node, membership::sign(*designation, pool.root_key)));
    CHECK(Appender::begin(node.ledger, node.key, node.ledger.head.read().value()).error() ==
          errc::wrong_epoch);
}

TEST_CASE("append: random histories: the digest is what the rows add up to, and all verifies") {
    for (std::uint64_t seed = 0; seed < 60; ++seed) {
        CAPTURE(seed);
        Draw draw(seed);
        Primary primary;
        auto& [pool, node] = primary;
        for (std::uint64_t batches = 1 + draw.below(8); batches > 0; --batches) {
            Group group(pool, node);
            for (std::uint64_t callers = draw.below(5); callers > 0; --callers) {
                std::vector<Change> made;
                for (std::uint64_t n = draw.below(6); n > 0; --n) {
                    const auto name = user_name(static_cast<std::uint8_t>(draw.below(12)));
                    if (draw.below(4) == 0) {
                        made.push_back(erase(name));
                        continue;
                    }
                    std::set<records::Handle> handles;
                    for (std::uint64_t h = draw.below(4); h > 0; --h) {
                        handles.insert(handle(static_cast<std::uint8_t>(draw.below(10))));
                    }
                    made.push_back(put(
                        name, std::string(draw.below(50), 'x'), {handles.begin(), handles.end()}));
                }
                group.add(std::move(made));
            }
            if (const auto batch = group.close()) {
                CHECK(decoded(batch).digest == digest_of(node));
            }
            CHECK(node.head().digest.digest() == digest_of(node));
        }
        const auto verified = verify(node.database, node.ledger);
        REQUIRE(verified);
        CHECK(verified->batches == value(node.head().place.seq));
    }
}
