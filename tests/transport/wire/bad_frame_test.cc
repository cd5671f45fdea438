#include <cstring>

#include <capnp/message.h>
#include <capnp/serialize.h>
#include <doctest/doctest.h>

#include "support/vectors.h"
#include "transport/wire/samples.h"
#include "wire/decode.h"
#include "wire/encode.h"
#include "wire/wire.capnp.h"

using namespace countersign;
using namespace countersign::testing;

namespace {

errc refusal(const wire::Message& message) {
    const auto decoded = wire::decode(wire::encode(message));
    REQUIRE_FALSE(decoded);
    return decoded.error().code();
}

/// A frame that this release's own encoder would not write.
template <class Fill>
Bytes frame_of(Fill&& fill) {
    capnp::MallocMessageBuilder message(1u << 12);
    fill(message.initRoot<wire::schema::Message>());
    const auto words = capnp::messageToFlatArray(message);
    const auto bytes = words.asBytes();
    Bytes frame(bytes.size());
    std::memcpy(frame.data(), bytes.begin(), bytes.size());
    return frame;
}

}  // namespace

TEST_CASE("wire: a frame cut at every byte: malformed") {
    for (const auto& message : samples()) {
        const Bytes frame = wire::encode(message);
        for (std::size_t size = 0; size < frame.size(); ++size) {
            const auto decoded = wire::decode(BytesView(frame).first(size));
            REQUIRE_FALSE(decoded);
            CHECK(decoded.error() == errc::malformed);
        }
    }
}

TEST_CASE("wire: bytes behind a frame: malformed") {
    for (const auto& message : samples()) {
        Bytes frame = wire::encode(message);
        frame.push_back(std::byte{});
        CHECK(wire::decode(frame).error() == errc::malformed);
        frame.resize(frame.size() + 7);
        CHECK(wire::decode(frame).error() == errc::malformed);
    }
}

TEST_CASE("wire: each bit of a frame flipped: refused, or another message; nothing else happens") {
    std::size_t refused = 0;
    for (const auto& message : samples()) {
        Bytes frame = wire::encode(message);
        for (std::size_t bit = 0; bit < frame.size() * 8; ++bit) {
            frame[bit / 8] ^= std::byte{1} << (bit % 8);
            const auto decoded = wire::decode(frame);
            if (decoded) {
                if (!std::holds_alternative<wire::Unknown>(*decoded)) (void)wire::encode(*decoded);
            } else {
                ++refused;
                CHECK((decoded.error() == errc::malformed || decoded.error() == errc::too_large));
            }
            frame[bit / 8] ^= std::byte{1} << (bit % 8);
        }
    }
    CHECK(refused > 1000);
}

TEST_CASE("wire: a frame that is not word-aligned: read all the same") {
    const Bytes frame = wire::encode(sample_hello());
    Bytes shifted(frame.size() + 1);
    std::memcpy(shifted.data() + 1, frame.data(), frame.size());
    CHECK(wire::decode(BytesView(shifted).subspan(1)));
}

TEST_CASE("wire: published malformed messages: refused as frame and as opening") {
    for (const auto& file : vectors("capnp", "malformed")) {
        for (const auto& test : file.content["tests"]) {
            Bytes bytes = unhex(test.value("hex", test.value("packed_pattern_hex", "")));
            const Bytes pattern = bytes;
            for (int i = 1; i < test.value("repeat", 1); ++i) {
                bytes.insert(bytes.end(), pattern.begin(), pattern.end());
            }
            CAPTURE(test["name"].get<std::string>());
            // None of them is a message of ours; those that decode at all hold defaults only.
            const auto decoded = wire::decode(bytes);
            if (decoded) CHECK_FALSE(std::holds_alternative<wire::Batches>(*decoded));
            const auto opening = wire::decode_opening(bytes);
            if (opening) CHECK_FALSE(opening->invitation);
        }
    }
}

TEST_CASE("wire: sets and sums of a repair of another size, or of no bucket: malformed") {
    const auto bad = [](auto&& fill) {
        const auto decoded = wire::decode(frame_of(fill));
        REQUIRE_FALSE(decoded);
        return decoded.error().code();
    };
    const Bytes zeros(9000);
    const auto data = [&](std::size_t size) {
        return capnp::Data::Reader(reinterpret_cast<const kj::byte*>(zeros.data()), size);
    };
    for (const std::size_t size : {std::size_t{0}, std::size_t{31}, std::size_t{33}}) {
        CHECK(bad([&](auto root) { root.initRepair().setCompare(data(size)); }) == errc::malformed);
    }
    for (const std::size_t size : {std::size_t{0}, std::size_t{8191}, std::size_t{8193}}) {
        CHECK(bad([&](auto root) { root.initRepair().setFetch(data(size)); }) == errc::malformed);
    }
    const auto buckets = [&](bool sound, std::uint64_t moment, unsigned bucket, std::size_t size) {
        return [=](auto root) {
            auto to = root.initBuckets();
            to.setMoment(moment);
            to.setSound(sound);
            to.setBucket(static_cast<std::uint16_t>(bucket));
            to.setSums(data(size));
        };
    };
    CHECK(wire::decode(frame_of(buckets(true, 1, 256, 4096))));
    CHECK(bad(buckets(true, 1, 257, 4096)) == errc::malformed);
    CHECK(bad(buckets(true, 1, 3, 4095)) == errc::malformed);
    CHECK(bad(buckets(true, 1, 3, 0)) == errc::malformed);
    CHECK(bad(buckets(false, 1, 3, 4096)) == errc::malformed);
    CHECK(bad(buckets(true, 0, 3, 4096)) == errc::malformed);
}

TEST_CASE("wire: rows out of order, of no place, kind or author, or none: malformed") {
    const auto bad = [](auto&& edit) {
        auto rows = sample_rows();
        edit(rows);
        return refusal(rows);
    };
    CHECK(bad([](auto& rows) { rows.runs[0].rows.clear(); }) == errc::malformed);
    CHECK(bad([](auto& rows) { rows.runs[0].rows[0].seq = RowSeq{40}; }) == errc::malformed);
    CHECK(bad([](auto& rows) { rows.runs[0].rows[1].seq = RowSeq{41}; }) == errc::malformed);
    CHECK(bad([](auto& rows) { rows.runs[1].rows[0].seq = RowSeq{0}; }) == errc::malformed);
    CHECK(bad([](auto& rows) { rows.runs[0].rows[0].kind = RowKind{0}; }) == errc::malformed);
    CHECK(bad([](auto& rows) { rows.runs[0].rows[0].kind = RowKind{3}; }) == errc::malformed);
    CHECK(refusal(wire::Rows{}) == errc::malformed);
    const auto places = [](auto&& edit) {
        const auto decoded = wire::decode(frame_of([&](auto root) {
            auto to = root.initHolds(2);
            for (unsigned i = 0; i < 2; ++i) {
                to[i].initNode(NodeId::size);
                to[i].setIncarnation(i);
                to[i].setRowSeq(5);
            }
            edit(to);
        }));
        return decoded ? std::optional<errc>() : decoded.error().code();
    };
    CHECK_FALSE(places([](auto&) {}));
    CHECK(places([](auto& to) { to[1].setIncarnation(0); }) == errc::malformed);
    CHECK(places([](auto& to) { to[0].setIncarnation(2); }) == errc::malformed);
    CHECK(places([](auto& to) { to[1].setRowSeq(0); }) == errc::malformed);
    CHECK(places([](auto& to) { to[1].initNode(31); }) == errc::malformed);
}

TEST_CASE("wire: anything above its limit: too large") {
    wire::Rows row = sample_rows();
    row.runs[0].rows[1].bytes.resize(wire::row_limit + 1);
    CHECK(refusal(row) == errc::too_large);
    wire::Rows run = sample_rows();
    run.runs[0].rows.clear();
    for (std::uint64_t seq = 41; seq < 41 + 33; ++seq) {
        run.runs[0].rows.push_back(sample_row(seq, RowKind::tally, 16'000));
    }
    CHECK(refusal(run) == errc::too_large);
    run.runs[0].rows.clear();
    for (std::uint64_t seq = 0; seq <= wire::rows_limit; ++seq) {
        run.runs[0].rows.push_back(sample_row(41 + seq, RowKind::tally, 100));
    }
    CHECK(refusal(run) == errc::too_large);
    wire::Rows runs;
    runs.runs.resize(wire::runs_limit + 1, sample_rows().runs[0]);
    CHECK(refusal(runs) == errc::too_large);
    wire::Holds holds;
    for (std::uint64_t i = 0; i <= wire::authors_limit; ++i) {
        holds.vector[{filled<NodeId>(1), Incarnation{i}}] = RowSeq{1};
    }
    CHECK(refusal(holds) == errc::too_large);

    CHECK(wire::decode(Bytes(wire::frame_limit + 8)).error() == errc::too_large);
    CHECK(wire::decode_opening(Bytes(wire::opening_limit + 8)).error() == errc::too_large);
    CHECK(refusal(wire::Batches{{sample_batch(1, wire::batch_limit + 1)}}) == errc::too_large);
    CHECK(refusal(wire::Pulse{{filled(wire::statement_limit + 1, 1), {}}}) == errc::too_large);
    CHECK(refusal(wire::Goodbye{errc::fork, std::string(wire::reason_limit + 1, 'x')}) ==
          errc::too_large);
    wire::Designations designations;
    designations.statements.resize(wire::designations_limit + 1);
    CHECK(refusal(designations) == errc::too_large);
    wire::Batches batches;
    for (std::uint64_t seq = 1; seq <= wire::batches_limit + 1; ++seq) {
        batches.batches.push_back(sample_batch(seq, 8));
    }
    CHECK(refusal(batches) == errc::too_large);
    auto hello = sample_hello();
    hello.name = std::string(wire::name_limit + 1, 'x');
    CHECK(refusal(hello) == errc::too_large);
    hello = sample_hello();
    hello.known.resize(wire::designations_limit + 1);
    CHECK(refusal(hello) == errc::too_large);
    auto join = sample_join();
    join.request.addresses.resize(wire::addresses_limit + 1);
    CHECK(refusal(join) == errc::too_large);
    join.request.addresses = {std::string(wire::address_limit + 1, 'x')};
    CHECK(refusal(join) == errc::too_large);
}

TEST_CASE("wire: a page above its limits: too large") {
    auto page = sample_page();
    page.page.records[1].sealed = filled(wire::sealed_limit + 1, 1);
    CHECK(refusal(page) == errc::too_large);
    page = sample_page();
    page.page.records[1].handles = filled(wire::handles_limit + wire::handle_size, 1);
    CHECK(refusal(page) == errc::too_large);
    page.page.records.clear();
    for (int id = 1; id <= 4; ++id) {
        page.page.records.push_back(sample_record(id, wire::sealed_limit));
    }
    CHECK(refusal(page) == errc::too_large);
    page.page.records.clear();
    for (std::size_t i = 0; i <= wire::page_records_limit; ++i) {
        CopiedRecord record{.seq = LogSeq{1}};
        record.key.id.bytes[0] = static_cast<std::byte>(i >> 8);
        record.key.id.bytes[1] = static_cast<std::byte>(i);
        page.page.records.push_back(std::move(record));
    }
    CHECK(refusal(page) == errc::too_large);
}

TEST_CASE("wire: things that contradict themselves: malformed") {
    CHECK(refusal(wire::Batches{{sample_batch(1), sample_batch(3)}}) == errc::malformed);
    CHECK(refusal(wire::Batches{{sample_batch(2), sample_batch(2)}}) == errc::malformed);
    CHECK(refusal(wire::Batches{}) == errc::malformed);
    CHECK(refusal(wire::Batches{{sample_batch(0)}}) == errc::malformed);
    CHECK(refusal(wire::CopyRequest{RecordKey{}, LogSeq{}}) == errc::malformed);
    CHECK(refusal(wire::CopyRequest{std::nullopt, LogSeq{4}}) == errc::malformed);
    auto page = sample_page();
    std::swap(page.page.records[0], page.page.records[1]);
    CHECK(refusal(page) == errc::malformed);
    page = sample_page();
    page.page.records[1] = page.page.records[0];
    CHECK(refusal(page) == errc::malformed);
    page = sample_page();
    page.page.records[2].seq = LogSeq{78};
    CHECK(refusal(page) == errc::malformed);
    page = sample_page();
    page.page.records[2].handles.pop_back();
    CHECK(refusal(page) == errc::malformed);
    page.page.records.clear();
    CHECK(refusal(page) == errc::malformed);
    CHECK(refusal(wire::Admit{{Secret(filled(31, 1)), Secret(filled(32, 1))}}) == errc::malformed);
    auto hello = sample_hello();
    hello.level = 0;
    CHECK(refusal(hello) == errc::malformed);
}

TEST_CASE("wire: ids of another size: malformed") {
    const Bytes frame = frame_of([](auto root) {
        auto batch = root.initBatches(1)[0];
        batch.setSeq(1);
        batch.initNode(31);
        batch.initSignature(64);
    });
    CHECK(wire::decode(frame).error() == errc::malformed);
}

TEST_CASE("wire: a message in two segments: malformed") {
    capnp::MallocMessageBuilder message(8, capnp::AllocationStrategy::FIXED_SIZE);
    auto batches = message.initRoot<wire::schema::Message>().initBatches(1);
    batches[0].initBytes(500);
    REQUIRE(message.getSegmentsForOutput().size() > 1);
    const auto words = capnp::messageToFlatArray(message);
    const auto bytes = words.asBytes();
    Bytes frame(bytes.size());
    std::memcpy(frame.data(), bytes.begin(), bytes.size());
    CHECK(wire::decode(frame).error() == errc::malformed);
}

TEST_CASE("wire: a message of a later release: known as unknown") {
    Bytes frame = wire::encode(wire::Gone{});
    // Segment header, root pointer, then the root's data: the union's number comes first in it.
    constexpr std::size_t number_at = 16;
    REQUIRE(frame[number_at] == std::byte{11});
    frame[number_at] = std::byte{200};
    const auto decoded = wire::decode(frame);
    REQUIRE(decoded);
    REQUIRE(std::holds_alternative<wire::Unknown>(*decoded));
    CHECK(std::get<wire::Unknown>(*decoded).member == 200);
}

TEST_CASE("wire: one struct pointed at twice by a hostile writer: malformed, not read twice") {
    Bytes frame = wire::encode(
        wire::Designations{{{filled(4096, 1), {}}, {filled(4096, 2), {}}, {filled(4096, 3), {}}}});
    // All three statements made to share the bytes of the first: 3 x 4,096 bytes claimed, and the
    // traversal limit stays the message's own size, so the frame is cut to one third first.
    const Bytes small =
        wire::encode(wire::Designations{{{filled(4096, 1), {}}, {{}, {}}, {{}, {}}}});
    frame = small;
    // Header 8, root pointer 8, root (1 data word, 1 pointer) 16, tag 8, then elements of 2 words.
    const auto element = [](std::size_t i) { return 8 + 8 + 16 + 8 + i * 16; };
    std::uint64_t pointer;
    std::memcpy(&pointer, frame.data() + element(0), 8);
    for (std::size_t i : {1, 2}) {
        const std::uint64_t back = pointer - (std::uint64_t{i} * 2 << 2);  // offset in words
        std::memcpy(frame.data() + element(i), &back, 8);
    }
    CHECK(wire::decode(small));
    CHECK(wire::decode(frame).error() == errc::malformed);
}
