#include <doctest/doctest.h>

#include "transport/wire/samples.h"
#include "wire/decode.h"
#include "wire/encode.h"

using namespace countersign;
using namespace countersign::testing;

namespace {

/// What comes out at the other end, which must be of the same kind.
template <class T>
T carried(const T& message) {
    auto decoded = wire::decode(wire::encode(wire::Message(std::in_place_type<T>, message)));
    REQUIRE_MESSAGE(decoded, decoded.error().message());
    REQUIRE(std::holds_alternative<T>(*decoded));
    return std::move(std::get<T>(*decoded));
}

}  // namespace

TEST_CASE(
    "wire: each message encoded, decoded and encoded again: the same bytes of the same kind") {
    for (const auto& message : samples()) {
        CAPTURE(message.index());
        const Bytes frame = wire::encode(message);
        const auto decoded = wire::decode(frame);
        REQUIRE_MESSAGE(decoded, decoded.error().message());
        CHECK(decoded->index() == message.index());
        CHECK(wire::encode(*decoded) == frame);
    }
}

TEST_CASE("wire: a hello: all its fields arrive") {
    const auto sent = sample_hello();
    const auto got = carried(sent);
    CHECK(got.level == sent.level);
    CHECK(got.node == sent.node);
    CHECK(got.name == sent.name);
    CHECK(got.incarnation == sent.incarnation);
    CHECK(got.link_counter == sent.link_counter);
    CHECK(got.head == sent.head);
    CHECK(got.known == sent.known);
    CHECK(got.window == sent.window);
}

TEST_CASE("wire: batches: every envelope arrives as it was stored") {
    const auto got = carried(wire::Batches{{sample_batch(77, 0), sample_batch(78, 8u << 20)}});
    REQUIRE(got.batches.size() == 2);
    CHECK(*got.batches[0] == *sample_batch(77, 0));
    CHECK(*got.batches[1] == *sample_batch(78, 8u << 20));
    CHECK(*carried(wire::Removed{sample_batch(90)}).batch == *sample_batch(90));
    CHECK(carried(wire::Removed{}).batch == nullptr);
}

TEST_CASE("wire: a page and the request for it: rows and cursor arrive") {
    CHECK(carried(sample_page()).page == sample_page().page);
    const CopyPage empty{.moment = LogSeq{1}, .records = {}, .last = true};
    CHECK(carried(wire::Page{empty}).page == empty);
    const auto request = carried(wire::CopyRequest{RecordKey{3, filled<RecordId>(9)}, LogSeq{70}});
    CHECK(request.after == RecordKey{3, filled<RecordId>(9)});
    CHECK(request.first == LogSeq{70});
    CHECK_FALSE(carried(wire::CopyRequest{}).after);
    CHECK(carried(wire::Staged{12}).pages == 12);
}

TEST_CASE("wire: the steps of a repair and its answers: sets and sums arrive") {
    using Repair = wire::Repair;
    CHECK(std::get<Repair::Begin>(carried(Repair{Repair::Begin{LogSeq{78}}}).step).head ==
          LogSeq{78});
    CHECK(std::get<Repair::Compare>(carried(sample_compare()).step).buckets ==
          std::get<Repair::Compare>(sample_compare().step).buckets);
    const auto leaves = std::get<Repair::Fetch>(carried(sample_fetch()).step).leaves;
    CHECK(leaves.has(0));
    CHECK(leaves.has(65'535));
    CHECK(leaves.count() == 2);
    CHECK(std::holds_alternative<Repair::End>(carried(Repair{Repair::End{}}).step));
    const auto buckets = carried(sample_buckets());
    CHECK(buckets.moment == LogSeq{78});
    CHECK(buckets.sound);
    CHECK(buckets.bucket == 7);
    CHECK(buckets.sums == sample_buckets().sums);
    const auto damaged = carried(wire::Buckets{.moment = LogSeq{5}});
    CHECK_FALSE(damaged.sound);
    CHECK(damaged.bucket == wire::Buckets::all);
    CHECK(damaged.sums.empty());
}

TEST_CASE("wire: a vector, rows and their acknowledgement: all their fields arrive") {
    CHECK(carried(sample_holds()).vector == sample_holds().vector);
    CHECK(carried(wire::Holds{}).vector.empty());
    CHECK(carried(sample_rows()).runs == sample_rows().runs);
    CHECK(carried(sample_rows()).all);
    const auto end = carried(wire::Rows{.runs = {}, .all = true});
    CHECK(end.runs.empty());
    CHECK(end.all);
    auto part = sample_rows();
    part.all = false;
    CHECK_FALSE(carried(part).all);
    CHECK(carried(wire::RowsStored{12}).messages == 12);
}

TEST_CASE("wire: statements of joining and leaving: all their fields arrive") {
    const auto join = carried(sample_join()).request;
    CHECK(join.invitation == sample_join().request.invitation);
    CHECK(join.admission == sample_join().request.admission);
    CHECK(join.addresses == sample_join().request.addresses);
    const auto frame = wire::encode(wire::Admit{{Secret(filled(32, 5)), Secret(filled(32, 6))}});
    const auto admit = wire::decode(frame);
    REQUIRE(admit);
    CHECK(std::get<wire::Admit>(*admit).admission.psk == Secret(filled(32, 5)));
    CHECK(std::get<wire::Admit>(*admit).admission.secret == Secret(filled(32, 6)));
    const auto goodbye = carried(wire::Goodbye{errc::clone_suspected, "two of you"});
    CHECK(goodbye.code == errc::clone_suspected);
    CHECK(goodbye.reason == "two of you");
    const SignedBytes statement{filled(120, 7), filled<SignatureBytes>(8)};
    CHECK(carried(wire::Pulse{statement}).statement == statement);
    CHECK(carried(wire::Designations{{statement, statement}}).statements ==
          std::vector{statement, statement});
}

TEST_CASE("wire: the small messages: all their fields arrive") {
    CHECK(carried(wire::Follow{LogSeq{76}, true}).after == LogSeq{76});
    CHECK(carried(wire::Follow{LogSeq{76}, true}).in_copy);
    CHECK(carried(wire::Ack{LogSeq{78}, true}).seq == LogSeq{78});
    CHECK(carried(wire::Ack{LogSeq{78}, true}).in_copy);
    CHECK_FALSE(carried(wire::Ack{LogSeq{78}, false}).in_copy);
    CHECK(carried(wire::Ping{41, sample_head()}).number == 41);
    CHECK(carried(wire::Ping{41, sample_head()}).head == sample_head());
    CHECK(carried(wire::Pong{42, sample_head()}).number == 42);
    CHECK(carried(wire::Pong{42, sample_head()}).head == sample_head());
}

TEST_CASE("wire: the largest of each list: fits into a frame and arrives") {
    wire::Batches batches;
    for (std::uint64_t seq = 1; seq <= wire::batches_limit; ++seq) {
        batches.batches.push_back(sample_batch(seq, 1900));
    }
    CHECK(wire::encode(batches).size() <= wire::frame_limit);
    CHECK(carried(batches).batches.size() == wire::batches_limit);
    wire::Designations designations;
    designations.statements.resize(wire::designations_limit, {filled(400, 1), {}});
    CHECK(carried(designations).statements.size() == wire::designations_limit);
    wire::Page page;
    page.page.moment = LogSeq{9};
    for (std::size_t i = 0; i < wire::page_records_limit; ++i) {
        CopiedRecord record{.seq = LogSeq{1}, .sealed = filled(16, 1), .handles = filled(16, 2)};
        record.key.id.bytes[14] = static_cast<std::byte>(i >> 8);
        record.key.id.bytes[15] = static_cast<std::byte>(i);
        page.page.records.push_back(std::move(record));
    }
    CHECK(carried(page).page == page.page);
    wire::Rows rows;
    for (std::size_t i = 0; i < wire::runs_limit; ++i) {
        auto& run = rows.runs.emplace_back(
            RowRun{.author = {filled<NodeId>(1), Incarnation{i}}, .after = {}, .rows = {}});
        for (std::uint64_t seq = 1; seq <= wire::rows_limit / wire::runs_limit; ++seq) {
            run.rows.push_back(sample_row(seq, RowKind::tally, 128));
        }
    }
    CHECK(carried(rows).runs == rows.runs);
    wire::Holds holds;
    for (std::uint64_t i = 0; i < wire::authors_limit; ++i) {
        holds.vector[{filled<NodeId>(1), Incarnation{i}}] = RowSeq{1};
    }
    CHECK(carried(holds).vector == holds.vector);
    wire::Hello hello = sample_hello();
    hello.known.resize(wire::designations_limit);
    CHECK(carried(hello).known.size() == wire::designations_limit);
}

TEST_CASE("wire: the opening of a handshake: arrives, with an invitation and without") {
    const auto with = wire::decode_opening(wire::encode({3, filled<InvitationId>(7)}));
    REQUIRE(with);
    CHECK(with->wire_version == 3);
    CHECK(with->invitation == filled<InvitationId>(7));
    const auto without = wire::decode_opening(wire::encode(wire::Opening{3, std::nullopt}));
    REQUIRE(without);
    CHECK_FALSE(without->invitation);
}
