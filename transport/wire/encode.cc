#include "wire/encode.h"

#include <cassert>
#include <cstring>

#include <capnp/message.h>

#include "wire/wire.capnp.h"

namespace countersign::wire {
namespace {

constexpr std::size_t word = sizeof(capnp::word);
constexpr std::size_t header_size = 8;  // segment count less one, segment size in words
/// More than any message takes besides its lists and long byte strings.
constexpr std::size_t base_words = 128;
/// More than one element of any list takes besides its long byte strings.
constexpr std::size_t element_words = 24;

std::size_t words(std::size_t bytes) {
    return (bytes + word - 1) / word;
}

kj::ArrayPtr<const kj::byte> view(BytesView bytes) {
    return {reinterpret_cast<const kj::byte*>(bytes.data()), bytes.size()};
}

capnp::Text::Reader text(const std::string& value) {
    return {value.c_str(), value.size()};
}

std::size_t room(const SignedBytes& statement) {
    return element_words + words(statement.bytes.size());
}
std::size_t room(const SharedBatch& batch) {
    return batch ? element_words + words(batch->bytes.size()) : 0;
}

// An upper bound of what each message takes, in words, so that it is written in place.
std::size_t room(const Hello& hello) {
    return base_words + words(hello.name.size()) + hello.known.size() * element_words;
}
std::size_t room(const Designations& message) {
    std::size_t sum = base_words;
    for (const auto& statement : message.statements) sum += room(statement);
    return sum;
}
std::size_t room(const Join& join) {
    std::size_t sum = base_words + room(join.request.admission);
    for (const auto& address : join.request.addresses) sum += 2 + words(address.size() + 1);
    return sum;
}
std::size_t room(const Batches& message) {
    std::size_t sum = base_words;
    for (const auto& batch : message.batches) sum += room(batch);
    return sum;
}
std::size_t room(const Pulse& pulse) {
    return base_words + room(pulse.statement);
}
std::size_t room(const Page& message) {
    std::size_t sum = base_words;
    for (const auto& record : message.page.records) {
        sum += element_words + words(record.sealed.size()) + words(record.handles.size());
    }
    return sum;
}
std::size_t room(const Repair&) {
    return base_words + words(LeafSet::byte_size);
}
std::size_t room(const Buckets& buckets) {
    return base_words + words(buckets.sums.size() * sizeof(RecordSum));
}
std::size_t room(const Holds& holds) {
    return base_words + holds.vector.size() * element_words;
}
std::size_t room(const Rows& message) {
    std::size_t sum = base_words;
    for (const auto& run : message.runs) {
        sum += element_words;
        for (const auto& row : run.rows) sum += element_words + words(row.bytes.size());
    }
    return sum;
}
std::size_t room(const Removed& removed) {
    return base_words + room(removed.batch);
}
std::size_t room(const Goodbye& goodbye) {
    return base_words + words(goodbye.reason.size() + 1);
}
template <class Small>
std::size_t room(const Small&) {
    return base_words;
}

void write(schema::Head::Builder to, const LogHead& from) {
    to.setRootTerm(value(from.root_term));
    to.setEpoch(value(from.epoch));
    to.setNode(view(from.node.bytes));
    to.setSeq(value(from.seq));
    to.setHash(view(from.hash.bytes));
    to.setTime(from.time.time_since_epoch().count());
}

void write(schema::Signed::Builder to, const SignedBytes& from) {
    to.setBytes(view(from.bytes));
    to.setSignature(view(from.signature.bytes));
}

void write(schema::Envelope::Builder to, const BatchEnvelope& from) {
    to.setRootTerm(value(from.root_term));
    to.setEpoch(value(from.epoch));
    to.setNode(view(from.node.bytes));
    to.setSeq(value(from.seq));
    to.setSignature(view(from.signature.bytes));
    to.setBytes(view(from.bytes));
}

void write(schema::Message::Builder root, const Hello& from) {
    auto to = root.initHello();
    to.setLevel(from.level);
    to.setNode(view(from.node.bytes));
    to.setName(text(from.name));
    to.setIncarnation(value(from.incarnation));
    to.setLinkCounter(from.link_counter);
    write(to.initHead(), from.head);
    auto known = to.initKnown(static_cast<unsigned>(from.known.size()));
    for (unsigned i = 0; i < known.size(); ++i) {
        known[i].setRootTerm(value(from.known[i].root_term));
        known[i].setEpoch(value(from.known[i].epoch));
        known[i].setNode(view(from.known[i].node.bytes));
    }
    to.setWindow(from.window);
}

void write(schema::Message::Builder root, const Designations& from) {
    auto to = root.initDesignations(static_cast<unsigned>(from.statements.size()));
    for (unsigned i = 0; i < to.size(); ++i) write(to[i], from.statements[i]);
}

void write(schema::Message::Builder root, const Join& from) {
    auto to = root.initJoin();
    to.setInvitation(view(from.request.invitation.bytes));
    write(to.initAdmission(), from.request.admission);
    auto addresses = to.initAddresses(static_cast<unsigned>(from.request.addresses.size()));
    for (unsigned i = 0; i < addresses.size(); ++i) {
        addresses.set(i, text(from.request.addresses[i]));
    }
}

void write(schema::Message::Builder root, const Admit& from) {
    auto to = root.initAdmit();
    to.setPsk(view(from.admission.psk.bytes()));
    to.setSecret(view(from.admission.secret.bytes()));
}

void write(schema::Message::Builder root, const Follow& from) {
    auto to = root.initFollow();
    to.setAfter(value(from.after));
    to.setInCopy(from.in_copy);
}

void write(schema::Message::Builder root, const Batches& from) {
    auto to = root.initBatches(static_cast<unsigned>(from.batches.size()));
    for (unsigned i = 0; i < to.size(); ++i) write(to[i], *from.batches[i]);
}

void write(schema::Message::Builder root, const Ack& from) {
    auto to = root.initAck();
    to.setSeq(value(from.seq));
    to.setInCopy(from.in_copy);
}

void write(schema::Message::Builder root, const Pulse& from) {
    write(root.initPulse(), from.statement);
}

void write(schema::Message::Builder root, const CopyRequest& from) {
    auto to = root.initCopyRequest();
    if (from.after) {
        auto after = to.initAfter();
        after.setKind(from.after->kind);
        after.setId(view(from.after->id.bytes));
    }
    to.setFirst(value(from.first));
}

void write(schema::Message::Builder root, const Page& from) {
    auto to = root.initPage();
    to.setMoment(value(from.page.moment));
    auto records = to.initRecords(static_cast<unsigned>(from.page.records.size()));
    for (unsigned i = 0; i < records.size(); ++i) {
        const CopiedRecord& record = from.page.records[i];
        records[i].setKind(record.key.kind);
        records[i].setId(view(record.key.id.bytes));
        records[i].setSeq(value(record.seq));
        records[i].setSealed(view(record.sealed));
        records[i].setHandles(view(record.handles));
    }
    to.setLast(from.page.last);
}

void write(schema::Message::Builder root, const Staged& from) {
    root.setStaged(from.pages);
}

void write(schema::Message::Builder root, const Gone&) {
    root.setGone();
}

void write(schema::Repair::Builder to, const Repair::Begin& from) {
    to.setBegin(value(from.head));
}
void write(schema::Repair::Builder to, const Repair::Compare& from) {
    to.setCompare(view(from.buckets.bytes()));
}
void write(schema::Repair::Builder to, const Repair::Fetch& from) {
    to.setFetch(view(from.leaves.bytes()));
}
void write(schema::Repair::Builder to, const Repair::End&) {
    to.setEnd();
}

void write(schema::Message::Builder root, const Repair& from) {
    std::visit([to = root.initRepair()](const auto& step) { write(to, step); }, from.step);
}

void write(schema::Message::Builder root, const Buckets& from) {
    auto to = root.initBuckets();
    to.setMoment(value(from.moment));
    to.setSound(from.sound);
    to.setBucket(from.bucket);
    to.setSums(view(std::as_bytes(std::span(from.sums))));
}

void write(schema::Message::Builder root, const Holds& from) {
    auto to = root.initHolds(static_cast<unsigned>(from.vector.size()));
    unsigned i = 0;
    for (const auto& [author, seq] : from.vector) {
        to[i].setNode(view(author.node.bytes));
        to[i].setIncarnation(value(author.incarnation));
        to[i].setRowSeq(value(seq));
        ++i;
    }
}

void write(schema::RowRun::Builder to, const RowRun& from) {
    to.setNode(view(from.author.node.bytes));
    to.setIncarnation(value(from.author.incarnation));
    to.setAfter(value(from.after));
    auto rows = to.initRows(static_cast<unsigned>(from.rows.size()));
    for (unsigned i = 0; i < rows.size(); ++i) {
        rows[i].setRowSeq(value(from.rows[i].seq));
        rows[i].setKind(value(from.rows[i].kind));
        rows[i].setSignature(view(from.rows[i].signature.bytes));
        rows[i].setBytes(view(from.rows[i].bytes));
    }
}

void write(schema::Message::Builder root, const Rows& from) {
    auto to = root.initRows();
    auto runs = to.initRuns(static_cast<unsigned>(from.runs.size()));
    for (unsigned i = 0; i < runs.size(); ++i) write(runs[i], from.runs[i]);
    to.setAll(from.all);
}

void write(schema::Message::Builder root, const RowsStored& from) {
    root.setRowsStored(from.messages);
}

void write(schema::Message::Builder root, const Ping& from) {
    auto to = root.initPing();
    to.setNumber(from.number);
    write(to.initHead(), from.head);
}

void write(schema::Message::Builder root, const Pong& from) {
    auto to = root.initPong();
    to.setNumber(from.number);
    write(to.initHead(), from.head);
}

void write(schema::Message::Builder root, const Removed& from) {
    auto to = root.initRemoved();
    if (from.batch) write(to.initBatch(), *from.batch);
}

void write(schema::Message::Builder root, const Goodbye& from) {
    auto to = root.initGoodbye();
    to.setCode(static_cast<std::uint16_t>(from.code));
    to.setReason(text(from.reason));
}

void write(schema::Message::Builder, const Unknown&) {
    assert(false && "a message that this release does not know cannot be sent");
}

/// Lets `fill` build the message where it will be sent from, in at most `room` words.
template <class Fill>
Bytes build(std::size_t room, Fill&& fill) {
    Bytes frame(header_size + room * word);
    auto* first = reinterpret_cast<capnp::word*>(frame.data() + header_size);
    std::size_t used = 0;
    {
        capnp::FlatMessageBuilder message({first, room});
        fill(message);
        const auto segments = message.getSegmentsForOutput();
        assert(segments.size() == 1);
        used = segments[0].size();
    }
    frame.resize(header_size + used * word);
    const std::uint32_t header[] = {0, static_cast<std::uint32_t>(used)};
    std::memcpy(frame.data(), header, sizeof header);  // little-endian, as are all our machines
    return frame;
}

}  // namespace

Bytes encode(const Message& message) {
    return std::visit(
        [](const auto& one) {
            return build(room(one), [&](auto& builder) {
                write(builder.template initRoot<schema::Message>(), one);
            });
        },
        message);
}

Bytes encode(const Opening& opening) {
    return build(base_words, [&](auto& builder) {
        auto to = builder.template initRoot<schema::Opening>();
        to.setWireVersion(opening.wire_version);
        if (opening.invitation) to.setInvitation(view(opening.invitation->bytes));
    });
}

}  // namespace countersign::wire
