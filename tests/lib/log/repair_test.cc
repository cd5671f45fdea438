#include "log/repair.h"

#include <doctest/doctest.h>

#include "lib/log/copying.h"
#include "log/damage.h"

using namespace countersign;
using namespace countersign::log;
using namespace countersign::testing;

namespace {

/// A replica in step with the feeder of `Copying`, its tables then changed behind its back.
struct Repairing : Copying {
    Repairing() {
        const auto all = run(feeder, LogSeq{1}, feeder.head().place.seq);
        REQUIRE(pool.accept(replica, all));
        auto prepared = Repair::prepare(replica.database);
        REQUIRE(prepared);
        repair.emplace(std::move(*prepared));
    }
    void damage(const char* sql) { REQUIRE(replica.database.execute(sql)); }
    static RecordSums sums(PoolNode& node) {
        Survey survey(node.ledger.hash_row);
        REQUIRE(survey.run(node.ledger.reader));
        const auto head = read_signed_head(node.ledger.batches, node.ledger.designations);
        REQUIRE(head);
        return to_sums(survey, node.head().place.seq, *head && survey.proves((*head)->digest));
    }
    LeafSet differing() {
        const auto mine = sums(replica);
        const auto theirs = sums(feeder);
        LeafSet leaves;
        for (std::size_t leaf = 0; leaf < leaf_count; ++leaf) {
            if (mine.leaves[leaf] != theirs.leaves[leaf]) leaves.add(leaf);
        }
        return leaves;
    }
    CopyPage page_of(const LeafSet& leaves) {
        auto page = read_page_of(
            feeder.ledger.reader, feeder.head().place.seq, leaves, {}, copy_page_limit);
        REQUIRE(page);
        return std::move(*page);
    }
    Result<Repair::Mended> mend(const LeafSet& leaves, const CopyPage& page) {
        REQUIRE(replica.write([&] { return staging->discard(replica.database); }));
        REQUIRE(replica.write([&] { return repair->stage(page); }));
        return replica.write([&] { return repair->settle(replica.ledger, &leaves); });
    }
    Result<Repair::Mended> settle() {
        return replica.write([&] { return repair->settle(replica.ledger, nullptr); });
    }

    std::optional<Repair> repair;
};

}  // namespace

TEST_CASE("repair: equal stores: equal sums, of every leaf and bucket, and sound") {
    Repairing sites;
    const auto mine = Repairing::sums(sites.replica);
    const auto theirs = Repairing::sums(sites.feeder);
    CHECK(mine.sound);
    CHECK(mine.leaves == theirs.leaves);
    CHECK(mine.buckets() == theirs.buckets());
    CHECK(sites.differing().count() == 0);
    CHECK(RecordSums{}.buckets().empty());
}

TEST_CASE("repair: leaves and buckets: by the last two bytes of an id") {
    RecordId id;
    id.bytes[14] = std::byte{0xab};
    id.bytes[15] = std::byte{0xcd};
    CHECK(leaf_of(id) == 0xabcd);
    CHECK(bucket_of(leaf_of(id)) == 0xab);
    id.bytes[0] = std::byte{0xff};
    CHECK(leaf_of(id) == 0xabcd);
}

TEST_CASE("repair: a set of numbers: as bytes and back") {
    LeafSet set;
    set.add(0);
    set.add(9);
    set.add(65'535);
    set.add(8);
    set.remove(8);
    CHECK(set.count() == 3);
    CHECK(set.bytes().front() == std::byte{1});
    CHECK(set.bytes().at(1) == std::byte{2});
    CHECK(set.bytes().back() == std::byte{0x80});
    const auto again = LeafSet::from_bytes(set.bytes());
    REQUIRE(again);
    CHECK(*again == set);
    CHECK_FALSE(again->has(8));
    CHECK_FALSE(LeafSet::from_bytes(Bytes(8191)));
    CHECK_FALSE(BucketSet::from_bytes(Bytes(33)));
}

TEST_CASE("repair: each damage of the records: found in its leaves, mended, counted") {
    struct Case {
        const char* sql;
        std::uint64_t replaced, added, erased;
    };
    const Case cases[] = {
        {"UPDATE record SET sealed = x'00' WHERE rowid = 2", 1, 0, 0},
        {"UPDATE record SET seq = seq + 1 WHERE rowid = 2", 1, 0, 0},
        {"UPDATE record SET handles = x'' WHERE rowid = 2", 1, 0, 0},
        {"DELETE FROM record WHERE rowid = 2", 0, 1, 0},
        {"DELETE FROM record", 0, 5, 0},
        {"INSERT INTO record VALUES (1, x'000102030405060708090a0b0c0d0e0f', 1, x'', x'')",
         0,
         0,
         1},
        {"UPDATE record SET seq = -1 WHERE rowid = 2", 0, 1, 1},
        {"UPDATE record SET kind = 2 WHERE rowid = 2", 0, 1, 1},
        {"DELETE FROM record WHERE rowid = 2; DELETE FROM handle", 0, 1, 0},
    };
    for (const auto& each : cases) {
        CAPTURE(std::string(each.sql));
        Repairing sites;
        sites.damage(each.sql);
        CHECK_FALSE(Repairing::sums(sites.replica).sound);
        const auto leaves = sites.differing();
        const auto mended = sites.mend(leaves, sites.page_of(leaves));
        REQUIRE(mended);
        CHECK(mended->replaced == each.replaced);
        CHECK(mended->added == each.added);
        CHECK(mended->erased == each.erased);
        CHECK(sites.equal(sites.feeder));
    }
}

TEST_CASE("repair: pages that are forged, too few or too many: not proved, nothing changed") {
    Repairing sites;
    sites.damage("UPDATE record SET sealed = x'00' WHERE rowid IN (2, 3)");
    const auto leaves = sites.differing();
    const auto honest = sites.page_of(leaves);
    REQUIRE(honest.records.size() == 2);
    const auto before = sites.replica.content();
    const auto refused = [&](const CopyPage& page) {
        const auto mended = sites.mend(leaves, page);
        CHECK(sites.replica.content() == before);
        return !mended && mended.error() == errc::digest_mismatch;
    };
    auto forged = honest;
    forged.records[0].sealed[0] ^= std::byte{1};
    CHECK(refused(forged));
    auto moved = honest;
    moved.records[0].seq = LogSeq{value(moved.records[0].seq) == 1 ? 2u : 1u};
    CHECK(refused(moved));
    auto fewer = honest;
    fewer.records.pop_back();
    CHECK(refused(fewer));
    auto more = honest;
    more.records.push_back(more.records.back());
    more.records.back().key.id.bytes[15] = std::byte{0xfe};
    CHECK(refused(more));
    CHECK(sites.mend(leaves, honest));
    CHECK(sites.equal(sites.feeder));
}

TEST_CASE("repair: handles and head: made anew from records that prove the last batch") {
    for (const char* sql : {
             "DELETE FROM handle",
             "UPDATE handle SET kind = 9",
             "INSERT INTO handle VALUES (zeroblob(16), 7, zeroblob(16))",
             "UPDATE head SET digest = zeroblob(2048)",
             "UPDATE head SET seq = 1",
             "UPDATE head SET hash = zeroblob(32), time = 3",
             "DELETE FROM head",
         }) {
        CAPTURE(std::string(sql));
        Repairing sites;
        sites.damage(sql);
        const auto mended = sites.settle();
        REQUIRE(mended);
        CHECK(mended->handles != mended->head);
        CHECK(sites.equal(sites.feeder));
    }
    Repairing sites;
    const auto nothing = sites.settle();
    REQUIRE(nothing);
    CHECK_FALSE(nothing->handles);
    CHECK_FALSE(nothing->head);
}

TEST_CASE("repair: the last batch is damaged too: nothing can be proved, nothing changed") {
    Repairing sites;
    sites.damage(
        "UPDATE batch SET signature = zeroblob(64)"
        " WHERE seq = (SELECT max(seq) FROM batch)");
    const auto before = sites.replica.content();
    const auto mended = sites.settle();
    REQUIRE_FALSE(mended);
    CHECK(mended.error() == errc::bad_signature);
    CHECK(sites.replica.content() == before);
}

TEST_CASE("accept: onto damaged rows: the log goes on, and the repair proves it") {
    Repairing sites;
    sites.damage("DELETE FROM record WHERE rowid = 2");
    sites.damage("UPDATE record SET sealed = x'00' WHERE rowid = 3");
    const LogSeq held = sites.replica.head().place.seq;
    for (std::uint8_t i = 0; i < 9; ++i) sites.write(i);
    const auto more = Repairing::run(sites.feeder, next(held), sites.feeder.head().place.seq);
    const auto accepted =
        sites.replica.write([&] { return accept(sites.replica.ledger, more, {}, Rows::damaged); });
    REQUIRE(accepted);
    CHECK(accepted->place == sites.feeder.head().place);
    const auto leaves = sites.differing();
    REQUIRE(sites.mend(leaves, sites.page_of(leaves)));
    CHECK(sites.equal(sites.feeder));
}

TEST_CASE("damage: noted, read again, proved, and gone") {
    Repairing sites;
    REQUIRE(sites.replica.database.execute(damage_schema_sql));
    auto row = DamageRow::prepare(sites.replica.database);
    REQUIRE(row);
    CHECK_FALSE(row->read()->has_value());
    const Damage found{.stage = Damage::Stage::suspected,
                       .seq = LogSeq{7},
                       .found = UnixTime{milliseconds{5}},
                       .what = "a record"};
    REQUIRE(sites.replica.write([&] { return row->write(found); }));
    auto proved = found;
    proved.stage = Damage::Stage::proved;
    CHECK((*row->read())->stage == Damage::Stage::suspected);
    REQUIRE(sites.replica.write([&] { return row->write(proved); }));
    const auto read = row->read();
    REQUIRE(read);
    REQUIRE(*read);
    CHECK((*read)->stage == Damage::Stage::proved);
    CHECK((*read)->seq == LogSeq{7});
    CHECK((*read)->found == found.found);
    CHECK((*read)->what == "a record");
    REQUIRE(sites.replica.write([&] { return row->erase(); }));
    CHECK_FALSE(row->read()->has_value());
}
