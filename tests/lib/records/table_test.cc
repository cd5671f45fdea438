#include "records/table.h"

#include <algorithm>

#include <doctest/doctest.h>

#include "support/pool.h"
#include "support/vectors.h"

using namespace countersign;
using namespace countersign::records;
using countersign::testing::bytes_of;
using countersign::testing::Draw;
using countersign::testing::erase;
using countersign::testing::handle;
using countersign::testing::Pool;
using countersign::testing::PoolNode;
using countersign::testing::put;
using countersign::testing::user_name;

namespace {

/// Writes as `Ledger::apply` does, without a log.
void write(PoolNode& node, const Change& change, LogSeq seq) {
    REQUIRE(node.write([&]() -> Result<void> {
        const auto before = node.ledger.reader.get(change.name);
        REQUIRE(before);
        return node.ledger.writer.write(change, seq, *before);
    }));
}

std::vector<RecordId> find(PoolNode& node, const Handle& value) {
    auto found = node.ledger.reader.find(value, RecordKind::user);
    REQUIRE(found);
    return *found;
}

std::vector<RecordName> names(PoolNode& node, std::optional<RecordName> after, std::size_t limit) {
    std::vector<RecordName> all;
    REQUIRE(node.ledger.reader.each(after, [&](const RecordName& name, const StoredRecord&) {
        all.push_back(name);
        return all.size() < limit;
    }));
    return all;
}

}  // namespace

TEST_CASE("table: put, replaced, erased: what get and find give") {
    Pool pool;
    auto& node = pool.add_node();
    const auto name = user_name(1);
    CHECK(*node.ledger.reader.get(name) == std::nullopt);

    write(node, put(name, "first", {handle(1), handle(2)}), LogSeq{1});
    auto record = node.ledger.reader.get(name);
    REQUIRE(record);
    REQUIRE(*record);
    CHECK((*record)->seq == LogSeq{1});
    CHECK((*record)->sealed == bytes_of("first"));
    CHECK((*record)->handles == std::vector{handle(1), handle(2)});
    CHECK(find(node, handle(1)) == std::vector{name.id});

    write(node, put(name, "second", {handle(2), handle(3)}), LogSeq{2});
    record = node.ledger.reader.get(name);
    CHECK((*record)->seq == LogSeq{2});
    CHECK((*record)->sealed == bytes_of("second"));
    CHECK(find(node, handle(1)).empty());
    CHECK(find(node, handle(2)) == std::vector{name.id});
    CHECK(find(node, handle(3)) == std::vector{name.id});

    write(node, erase(name), LogSeq{3});
    CHECK(*node.ledger.reader.get(name) == std::nullopt);
    CHECK(find(node, handle(2)).empty());
    CHECK(find(node, handle(3)).empty());
    write(node, erase(name), LogSeq{4});  // nothing of nothing
}

TEST_CASE("table: handles that stay: their rows are not written again") {
    Pool pool;
    auto& node = pool.add_node();
    write(node, put(user_name(1), "first", {handle(1), handle(2), handle(3)}), LogSeq{1});
    // A row that was lost behind the table's back shows that nobody writes it.
    node.damage("DELETE FROM handle WHERE value = x'02000000000000000000000000000000'");
    write(node, put(user_name(1), "second", {handle(2), handle(3), handle(4)}), LogSeq{2});
    CHECK(find(node, handle(1)).empty());
    CHECK(find(node, handle(2)).empty());
    CHECK(find(node, handle(3)) == std::vector{user_name(1).id});
    CHECK(find(node, handle(4)) == std::vector{user_name(1).id});
}

TEST_CASE("table: two records with one handle, and another kind with it: found by kind, in order") {
    Pool pool;
    auto& node = pool.add_node();
    write(node, put(user_name(9), "", {handle(1)}), LogSeq{1});
    write(node, put(user_name(3), "", {handle(1)}), LogSeq{1});
    auto other = user_name(5);
    other.kind = RecordKind::invitation;
    write(node, put(other, "", {handle(1)}), LogSeq{1});
    CHECK(find(node, handle(1)) == std::vector{user_name(3).id, user_name(9).id});
    CHECK(*node.ledger.reader.find(handle(1), RecordKind::invitation) == std::vector{other.id});
    CHECK(*node.ledger.reader.count(RecordKind::user) == 2);
    CHECK(*node.ledger.reader.count(RecordKind::invitation) == 1);
    CHECK(*node.ledger.reader.count(RecordKind::key_grant) == 0);
}

TEST_CASE("table: each: in the order of names, from a cursor on, until told to stop") {
    Pool pool;
    auto& node = pool.add_node();
    Draw draw(1);
    std::vector<RecordName> expected;
    for (int i = 0; i < 100; ++i) {
        // Kinds that this release does not know are carried like any other.
        const RecordName name{RecordKind{static_cast<std::uint16_t>(draw.below(4) * 21845)},
                              draw.id<RecordId>()};
        write(node, put(name, "x"), LogSeq{1});
        expected.push_back(name);
    }
    std::ranges::sort(expected);
    CHECK(names(node, std::nullopt, 1000) == expected);
    CHECK(names(node, expected[41], 10) == std::vector(&expected[42], &expected[52]));
    CHECK(names(node, expected.back(), 10).empty());
    auto between = expected[10];  // a cursor whose record is gone
    write(node, erase(between), LogSeq{2});
    CHECK(names(node, between, 1) == std::vector{expected[11]});
}

TEST_CASE("table: each of a kind: those alone; and the newest batch that wrote none of a user") {
    Pool pool;
    auto& node = pool.add_node();
    CHECK(*node.ledger.reader.newest_of_pool() == LogSeq{0});
    for (std::uint16_t kind = 1; kind <= 3; ++kind) {
        for (const std::uint8_t id : {0, 7, 255}) {
            write(node, put({RecordKind{kind}, user_name(id).id}, "x"), LogSeq{10u - kind});
        }
    }
    write(node, put(user_name(8), "x"), LogSeq{99});
    std::vector<RecordName> found;
    REQUIRE(node.ledger.reader.each_of(RecordKind{2}, [&](const RecordName& name, const auto&) {
        found.push_back(name);
        return true;
    }));
    CHECK(found == std::vector<RecordName>{{RecordKind{2}, user_name(0).id},
                                           {RecordKind{2}, user_name(7).id},
                                           {RecordKind{2}, user_name(255).id}});
    CHECK(*node.ledger.reader.newest_of_pool() == LogSeq{8});
}

TEST_CASE("table: each handle: in order, from a cursor on") {
    Pool pool;
    auto& node = pool.add_node();
    write(node, put(user_name(2), "", {handle(1), handle(5)}), LogSeq{1});
    write(node, put(user_name(1), "", {handle(5), handle(9)}), LogSeq{1});
    std::vector<HandleRow> rows;
    const auto collect = [&](const HandleRow& row) {
        rows.push_back(row);
        return true;
    };
    REQUIRE(node.ledger.reader.each_handle(std::nullopt, collect));
    const std::vector<HandleRow> expected{{handle(1), user_name(2)},
                                          {handle(5), user_name(1)},
                                          {handle(5), user_name(2)},
                                          {handle(9), user_name(1)}};
    CHECK(rows == expected);
    rows.clear();
    REQUIRE(node.ledger.reader.each_handle(expected[1], collect));
    CHECK(rows == std::vector(expected.begin() + 2, expected.end()));
}

TEST_CASE("table: a handle that lies there already: corrupt, and not written") {
    Pool pool;
    auto& node = pool.add_node();
    REQUIRE(node.write([&] {
        return node.database.execute(
            "INSERT INTO handle VALUES (x'01000000000000000000000000000000', 1,"
            " x'00000000000000000000000000000001')");
    }));
    const auto before = node.content();
    const auto written = node.write([&] {
        return node.ledger.writer.write(
            put(user_name(1), "x", {handle(1)}), LogSeq{1}, std::nullopt);
    });
    CHECK(written.error() == errc::corrupt);
    CHECK(node.content() == before);
}

TEST_CASE("table: numbers that no release writes: corrupt, not read as something else") {
    Pool pool;
    auto& node = pool.add_node();
    write(node, put(user_name(1), "x"), LogSeq{1});
    node.damage("UPDATE record SET seq = -1");
    CHECK(node.ledger.reader.get(user_name(1)).error() == errc::corrupt);
    node.damage("UPDATE record SET seq = 1, kind = 65536");
    const auto read =
        node.ledger.reader.each(std::nullopt, [](const auto&, const auto&) { return true; });
    CHECK(read.error() == errc::corrupt);
}
