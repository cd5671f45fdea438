#include "wire/decode.h"

#include <cstring>
#include <string_view>
#include <utility>

#include <capnp/message.h>
#include <capnp/serialize.h>

#include "wire/wire.capnp.h"

namespace countersign::wire {
namespace {

constexpr std::size_t word = sizeof(capnp::word);
constexpr int nesting_limit = 16;

/// Thrown and caught within this file alone, beside the kj::Exception of what Cap'n Proto refuses.
struct Refused {
    errc code;
    const char* why;
};

void require(bool holds, const char* why) {
    if (!holds) throw Refused{errc::malformed, why};
}
void within(std::size_t size, std::size_t limit, const char* why) {
    if (size > limit) throw Refused{errc::too_large, why};
}

Bytes bytes(capnp::Data::Reader data, std::size_t limit, const char* why) {
    within(data.size(), limit, why);
    const auto* first = reinterpret_cast<const std::byte*>(data.begin());
    return {first, first + data.size()};
}

std::string text(capnp::Text::Reader data, std::size_t limit, const char* why) {
    within(data.size(), limit, why);
    return {data.begin(), data.end()};
}

template <class IdType>
IdType id(capnp::Data::Reader data) {
    require(data.size() == IdType::size, "an id, hash or signature of another size");
    IdType id;
    std::memcpy(id.bytes.data(), data.begin(), IdType::size);
    return id;
}

Secret key(capnp::Data::Reader data) {
    require(data.size() == key_size, "a key of another size");
    return Secret(std::span(reinterpret_cast<const std::byte*>(data.begin()), data.size()));
}

LogHead read(schema::Head::Reader from) {
    return {.root_term = RootTerm{from.getRootTerm()},
            .epoch = Epoch{from.getEpoch()},
            .node = id<NodeId>(from.getNode()),
            .seq = LogSeq{from.getSeq()},
            .hash = id<BatchHash>(from.getHash()),
            .time = UnixTime{milliseconds{from.getTime()}}};
}

SignedBytes read(schema::Signed::Reader from) {
    return {.bytes = bytes(from.getBytes(), statement_limit, "a statement above 64 KiB"),
            .signature = id<SignatureBytes>(from.getSignature())};
}

SharedBatch read(schema::Envelope::Reader from) {
    auto batch = std::make_shared<BatchEnvelope>();
    batch->root_term = RootTerm{from.getRootTerm()};
    batch->epoch = Epoch{from.getEpoch()};
    batch->node = id<NodeId>(from.getNode());
    batch->seq = LogSeq{from.getSeq()};
    batch->signature = id<SignatureBytes>(from.getSignature());
    batch->bytes = bytes(from.getBytes(), batch_limit, "a batch above 8 MiB");
    require(batch->seq != LogSeq{}, "a batch without a place");
    return batch;
}

Message read(schema::Hello::Reader from) {
    Hello to;
    to.level = from.getLevel();
    require(to.level != 0, "a hello without a level");
    to.node = id<NodeId>(from.getNode());
    to.name = text(from.getName(), name_limit, "a node's name above 64 bytes");
    to.incarnation = Incarnation{from.getIncarnation()};
    to.link_counter = from.getLinkCounter();
    to.head = read(from.getHead());
    const auto known = from.getKnown();
    within(known.size(), designations_limit, "too many designations");
    to.known.reserve(known.size());
    for (const auto each : known) {
        to.known.push_back({.root_term = RootTerm{each.getRootTerm()},
                            .epoch = Epoch{each.getEpoch()},
                            .node = id<NodeId>(each.getNode())});
    }
    to.window = from.getWindow();
    return to;
}

Message read(capnp::List<schema::Signed>::Reader from) {
    within(from.size(), designations_limit, "too many designations");
    Designations to;
    to.statements.reserve(from.size());
    for (const auto each : from) to.statements.push_back(read(each));
    return to;
}

Message read(schema::Join::Reader from) {
    Join to;
    to.request.invitation = id<InvitationId>(from.getInvitation());
    to.request.admission = read(from.getAdmission());
    const auto addresses = from.getAddresses();
    within(addresses.size(), addresses_limit, "too many addresses");
    for (const auto each : addresses) {
        to.request.addresses.push_back(text(each, address_limit, "an address above 256 bytes"));
    }
    return to;
}

Message read(schema::Admit::Reader from) {
    return Admit{{.psk = key(from.getPsk()), .secret = key(from.getSecret())}};
}

Message read(capnp::List<schema::Envelope>::Reader from) {
    within(from.size(), batches_limit, "too many batches in one message");
    require(from.size() != 0, "a message of batches without one");
    Batches to;
    to.batches.reserve(from.size());
    for (const auto each : from) {
        to.batches.push_back(read(each));
        const auto held = to.batches.size();
        require(held == 1 || to.batches[held - 1]->seq == next(to.batches[held - 2]->seq),
                "batches that do not follow one another");
    }
    return to;
}

Message read(schema::CopyRequest::Reader from) {
    CopyRequest to;
    if (from.hasAfter()) {
        const auto after = from.getAfter();
        to.after = RecordKey{after.getKind(), id<RecordId>(after.getId())};
    }
    to.first = LogSeq{from.getFirst()};
    require(to.after.has_value() == (to.first != LogSeq{}), "half a place in a copy");
    return to;
}

CopiedRecord read(schema::Record::Reader from) {
    CopiedRecord to;
    to.key = {from.getKind(), id<RecordId>(from.getId())};
    to.seq = LogSeq{from.getSeq()};
    to.sealed = bytes(from.getSealed(), sealed_limit, "a sealed record above 72 KiB");
    to.handles = bytes(from.getHandles(), handles_limit, "too many handles of one record");
    require(to.handles.size() % handle_size == 0, "handles of another size");
    return to;
}

Message read(schema::Page::Reader from) {
    CopyPage to;
    to.moment = LogSeq{from.getMoment()};
    require(to.moment != LogSeq{}, "a page of an empty log");
    to.last = from.getLast();
    const auto records = from.getRecords();
    within(records.size(), page_records_limit, "too many records in one page");
    require(records.size() != 0 || to.last, "a page without records that is not the last");
    to.records.reserve(records.size());
    std::size_t size = 0;
    for (const auto each : records) {
        to.records.push_back(read(each));
        const CopiedRecord& record = to.records.back();
        size += record.sealed.size() + record.handles.size();
        within(size, page_limit, "a page above 256 KiB");
        require(record.seq != LogSeq{} && record.seq <= to.moment, "a record from after its page");
        const auto held = to.records.size();
        require(held == 1 || to.records[held - 2].key < record.key, "records that do not ascend");
    }
    return Page{std::move(to)};
}

Message read(schema::Removed::Reader from) {
    return Removed{from.hasBatch() ? read(from.getBatch()) : nullptr};
}

Message read(schema::Follow::Reader from) {
    return Follow{LogSeq{from.getAfter()}, from.getInCopy()};
}

Message read(schema::Ack::Reader from) {
    return Ack{LogSeq{from.getSeq()}, from.getInCopy()};
}

template <class Set>
Set set(capnp::Data::Reader data) {
    const auto* first = reinterpret_cast<const std::byte*>(data.begin());
    auto read = Set::from_bytes(BytesView(first, data.size()));
    require(read.has_value(), "a set of buckets or leaves of another size");
    return std::move(*read);
}

Message read(schema::Repair::Reader from) {
    switch (from.which()) {
        case schema::Repair::BEGIN:
            return Repair{Repair::Begin{LogSeq{from.getBegin()}}};
        case schema::Repair::COMPARE:
            return Repair{Repair::Compare{set<BucketSet>(from.getCompare())}};
        case schema::Repair::FETCH:
            return Repair{Repair::Fetch{set<LeafSet>(from.getFetch())}};
        case schema::Repair::END:
            return Repair{Repair::End{}};
    }
    throw Refused{errc::malformed, "a step of a repair that does not exist"};
}

Message read(schema::Buckets::Reader from) {
    Buckets to;
    to.moment = LogSeq{from.getMoment()};
    to.sound = from.getSound();
    to.bucket = from.getBucket();
    require(to.bucket <= Buckets::all, "a bucket that does not exist");
    const auto sums = from.getSums();
    require(sums.size() == (to.sound ? bucket_count * sizeof(RecordSum) : 0),
            "sums of another number of parts");
    require(!to.sound || to.moment != LogSeq{}, "sums of no moment");
    to.sums.resize(sums.size() / sizeof(RecordSum));
    if (sums.size() != 0) std::memcpy(to.sums.data(), sums.begin(), sums.size());
    return to;
}

RowAuthor author(capnp::Data::Reader node, std::uint64_t incarnation) {
    return {id<NodeId>(node), Incarnation{incarnation}};
}

Message read(capnp::List<schema::AuthorPlace>::Reader from) {
    within(from.size(), authors_limit, "too many authors of rows");
    Holds to;
    for (const auto each : from) {
        const RowAuthor next = author(each.getNode(), each.getIncarnation());
        require(to.vector.empty() || to.vector.rbegin()->first < next,
                "authors of rows that do not ascend");
        require(each.getRowSeq() != 0, "an author of rows without a row");
        to.vector.emplace_hint(to.vector.end(), next, RowSeq{each.getRowSeq()});
    }
    return to;
}

AttemptRow read(schema::Row::Reader from) {
    AttemptRow to;
    to.seq = RowSeq{from.getRowSeq()};
    require(from.getKind() == value(RowKind::tally) || from.getKind() == value(RowKind::spent),
            "a kind of row that does not exist");
    to.kind = static_cast<RowKind>(from.getKind());
    to.signature = id<SignatureBytes>(from.getSignature());
    to.bytes = bytes(from.getBytes(), row_limit, "a row above 16 KiB");
    return to;
}

Message read(schema::Rows::Reader from) {
    Rows to;
    const auto runs = from.getRuns();
    within(runs.size(), runs_limit, "rows of too many authors in one message");
    std::size_t count = 0;
    std::size_t size = 0;
    for (const auto each : runs) {
        RowRun& run = to.runs.emplace_back();
        run.author = author(each.getNode(), each.getIncarnation());
        run.after = RowSeq{each.getAfter()};
        const auto rows = each.getRows();
        require(rows.size() != 0, "a run without a row");
        count += rows.size();
        within(count, rows_limit, "too many rows in one message");
        run.rows.reserve(rows.size());
        RowSeq last = run.after;
        for (const auto row : rows) {
            run.rows.push_back(read(row));
            size += run.rows.back().bytes.size();
            within(size, rows_bytes_limit, "rows of more than 512 KiB in one message");
            require(last < run.rows.back().seq, "rows that do not rise");
            last = run.rows.back().seq;
        }
    }
    to.all = from.getAll();
    require(!to.runs.empty() || to.all, "a message of rows that says nothing");
    return to;
}

template <class PingOrPong>
Message read(schema::Ping::Reader from) {
    return PingOrPong{from.getNumber(), read(from.getHead())};
}

Message read(schema::Goodbye::Reader from) {
    return Goodbye{static_cast<errc>(from.getCode()),
                   text(from.getReason(), reason_limit, "a goodbye above 1 KiB")};
}

Message read(schema::Message::Reader from) {
    switch (from.which()) {
        case schema::Message::HELLO:
            return read(from.getHello());
        case schema::Message::DESIGNATIONS:
            return read(from.getDesignations());
        case schema::Message::JOIN:
            return read(from.getJoin());
        case schema::Message::ADMIT:
            return read(from.getAdmit());
        case schema::Message::FOLLOW:
            return read(from.getFollow());
        case schema::Message::BATCHES:
            return read(from.getBatches());
        case schema::Message::ACK:
            return read(from.getAck());
        case schema::Message::PULSE:
            return Pulse{read(from.getPulse())};
        case schema::Message::COPY_REQUEST:
            return read(from.getCopyRequest());
        case schema::Message::PAGE:
            return read(from.getPage());
        case schema::Message::STAGED:
            return Staged{from.getStaged()};
        case schema::Message::GONE:
            return Gone{};
        case schema::Message::REPAIR:
            return read(from.getRepair());
        case schema::Message::BUCKETS:
            return read(from.getBuckets());
        case schema::Message::HOLDS:
            return read(from.getHolds());
        case schema::Message::ROWS:
            return read(from.getRows());
        case schema::Message::ROWS_STORED:
            return RowsStored{from.getRowsStored()};
        case schema::Message::PING:
            return read<Ping>(from.getPing());
        case schema::Message::PONG:
            return read<Pong>(from.getPong());
        case schema::Message::REMOVED:
            return read(from.getRemoved());
        case schema::Message::GOODBYE:
            return read(from.getGoodbye());
    }
    return Unknown{static_cast<std::uint16_t>(from.which())};
}

/// Whether `frame` is one whole segment with nothing before or behind.
bool is_one_segment(BytesView frame) {
    std::uint32_t header[2];
    if (frame.size() < sizeof header + word || frame.size() % word != 0) return false;
    std::memcpy(header, frame.data(), sizeof header);  // little-endian, as are all our machines
    return header[0] == 0 && header[1] == (frame.size() - sizeof header) / word;
}

template <class Schema, class T, class Read>
Result<T> read_frame(BytesView frame, Read&& read_root) {
    if (!is_one_segment(frame)) return Error(errc::malformed, "a frame is not one whole segment");
    kj::Array<capnp::word> aligned;
    const auto* words = reinterpret_cast<const capnp::word*>(frame.data());
    if (reinterpret_cast<std::uintptr_t>(frame.data()) % alignof(std::uint64_t) != 0) {
        aligned = kj::heapArray<capnp::word>(frame.size() / word);
        std::memcpy(aligned.begin(), frame.data(), frame.size());
        words = aligned.begin();
    }
    try {
        capnp::ReaderOptions limits;
        limits.traversalLimitInWords = frame.size() / word;
        limits.nestingLimit = nesting_limit;
        capnp::FlatArrayMessageReader reader({words, frame.size() / word}, limits);
        return read_root(reader.getRoot<Schema>());
    } catch (const Refused& refused) {
        return Error(refused.code, refused.why);
    } catch (const kj::Exception&) {
        return Error(errc::malformed, "a frame does not follow Cap'n Proto's encoding");
    }
}

}  // namespace

Result<Message> decode(BytesView frame) {
    if (frame.size() > frame_limit) return Error(errc::too_large, "a frame above 9 MiB");
    return read_frame<schema::Message, Message>(frame, [](auto root) { return read(root); });
}

Result<Opening> decode_opening(BytesView payload) {
    if (payload.size() > opening_limit) return Error(errc::too_large, "an opening above 1 KiB");
    return read_frame<schema::Opening, Opening>(payload, [](schema::Opening::Reader root) {
        Opening to;
        to.wire_version = root.getWireVersion();
        const auto invitation = root.getInvitation();
        if (invitation.size() != 0) to.invitation = id<InvitationId>(invitation);
        return to;
    });
}

}  // namespace countersign::wire
