// What members say to each other on a link, edited by one of them, who holds the keys. Each edit
// names a message, and says what becomes of it: the list of messages, what one holds, its bytes.
#include <set>

#include "fuzz/edits.h"
#include "transport/protocol/raw_peer.h"
#include "wire/decode.h"
#include "wire/encode.h"

namespace countersign::fuzz {
namespace {

using testing::FakeLinkStore;
using testing::RawPeer;
using testing::RawPool;

constexpr int most_edits = 8;

/// Whose link hears it: a replica that follows, one that is sent a copy, a primary that is
/// followed, one that is asked for a copy.
enum Role : unsigned { following, copying, followed, copied_from, last };

void edit_batch(SharedBatch& shared, Input& from) {
    auto batch = *shared;
    switch (from.number<std::uint8_t>() % 6u) {
        case 0:
            batch.root_term = edited(batch.root_term, from);
            break;
        case 1:
            batch.epoch = edited(batch.epoch, from);
            break;
        case 2:
            batch.seq = edited(batch.seq, from);
            break;
        case 3:
            edit_id(batch.node, from);
            break;
        case 4:
            edit_id(batch.signature, from);
            break;
        default:
            edit(batch.bytes, from);
    }
    shared = std::make_shared<BatchEnvelope>(std::move(batch));
}

void edit_statement(SignedBytes& statement, Input& from) {
    if ((from.number<std::uint8_t>() & 1) != 0) {
        edit_id(statement.signature, from);
    } else {
        edit(statement.bytes, from);
    }
}

void edit_head(LogHead& head, Input& from) {
    switch (from.number<std::uint8_t>() % 5u) {
        case 0:
            head.seq = edited(head.seq, from);
            break;
        case 1:
            edit_id(head.hash, from);
            break;
        case 2:
            head.epoch = edited(head.epoch, from);
            break;
        case 3:
            edit_id(head.node, from);
            break;
        default:
            head.time += milliseconds{from.number<std::int32_t>()};
    }
}

void edit_record(CopiedRecord& record, Input& from) {
    switch (from.number<std::uint8_t>() % 4u) {
        case 0:
            edit_id(record.key.id, from);
            break;
        case 1:
            record.seq = edited(record.seq, from);
            break;
        case 2:
            edit(record.sealed, from);
            break;
        default:
            edit(record.handles, from);
    }
}

void edit_row(AttemptRow& row, Input& from) {
    switch (from.number<std::uint8_t>() % 4u) {
        case 0:
            row.seq = edited(row.seq, from);
            break;
        case 1:
            row.kind = row.kind == RowKind::tally ? RowKind::spent : RowKind::tally;
            break;
        case 2:
            edit_id(row.signature, from);
            break;
        default:
            edit(row.bytes, from);
    }
}

template <class T>
T* one_of(std::vector<T>& list, Input& from) {
    const auto which = from.number<std::uint8_t>();
    return list.empty() ? nullptr : &list[which % list.size()];
}

struct EditMessage {
    Input& from;

    void operator()(wire::Hello& hello) {
        switch (from.number<std::uint8_t>() % 7u) {
            case 0:
                hello.level = edited(hello.level, from);
                break;
            case 1:
                edit_id(hello.node, from);
                break;
            case 2:
                hello.incarnation = edited(hello.incarnation, from);
                break;
            case 3:
                hello.link_counter = edited(hello.link_counter, from);
                break;
            case 4:
                edit_order(hello.known, from);
                break;
            case 5:
                hello.window = edited(hello.window, from);
                break;
            default:
                edit_head(hello.head, from);
        }
    }
    void operator()(wire::Designations& all) {
        if ((from.number<std::uint8_t>() & 1) != 0) return edit_order(all.statements, from);
        if (auto* one = one_of(all.statements, from)) edit_statement(*one, from);
    }
    void operator()(wire::Follow& follow) {
        follow.after = edited(follow.after, from);
        follow.in_copy ^= (from.number<std::uint8_t>() & 1) != 0;
    }
    void operator()(wire::Batches& all) {
        if ((from.number<std::uint8_t>() & 1) != 0) return edit_order(all.batches, from);
        if (auto* one = one_of(all.batches, from)) edit_batch(*one, from);
    }
    void operator()(wire::Ack& ack) {
        ack.seq = edited(ack.seq, from);
        ack.in_copy ^= (from.number<std::uint8_t>() & 1) != 0;
    }
    void operator()(wire::Pulse& pulse) { edit_statement(pulse.statement, from); }
    void operator()(wire::CopyRequest& request) {
        request.first = edited(request.first, from);
        if (request.after) edit_id(request.after->id, from);
    }
    void operator()(wire::Page& page) {
        switch (from.number<std::uint8_t>() % 4u) {
            case 0:
                page.page.moment = edited(page.page.moment, from);
                break;
            case 1:
                page.page.last = !page.page.last;
                break;
            case 2:
                edit_order(page.page.records, from);
                break;
            default:
                if (auto* one = one_of(page.page.records, from)) edit_record(*one, from);
        }
    }
    void operator()(wire::Staged& staged) { staged.pages = edited(staged.pages, from); }
    void operator()(wire::Holds& holds) {
        if (holds.vector.empty()) return;
        RowAuthor author = holds.vector.begin()->first;
        const RowSeq seq = holds.vector.begin()->second;
        holds.vector.clear();
        if ((from.number<std::uint8_t>() & 1) != 0) edit_id(author.node, from);
        author.incarnation = edited(author.incarnation, from);
        holds.vector[author] = edited(seq, from);
    }
    void operator()(wire::Rows& rows) {
        if ((from.number<std::uint8_t>() & 1) != 0) rows.all = !rows.all;
        auto* run = one_of(rows.runs, from);
        if (run == nullptr) return;
        switch (from.number<std::uint8_t>() % 5u) {
            case 0:
                run->author.incarnation = edited(run->author.incarnation, from);
                break;
            case 1:
                edit_id(run->author.node, from);
                break;
            case 2:
                run->after = edited(run->after, from);
                break;
            case 3:
                edit_order(run->rows, from);
                break;
            default:
                if (auto* row = one_of(run->rows, from)) edit_row(*row, from);
        }
    }
    void operator()(wire::RowsStored& stored) { stored.messages = edited(stored.messages, from); }
    void operator()(wire::Ping& ping) { edit_head(ping.head, from); }
    void operator()(wire::Pong& pong) { edit_head(pong.head, from); }
    template <class Other>
    void operator()(Other&) {}
};

/// What an honest peer would say to a link of that role.
std::vector<wire::Message> conversation(Role role, const RawPool& pool, const RawPeer& peer) {
    const auto& self = role == following || role == copying ? *pool.hq : *pool.branch;
    std::vector<wire::Message> all;
    all.emplace_back(peer.hello());
    wire::Designations designations;
    for (const auto& each : pool.hq->designations()) {
        designations.statements.push_back(each.statement);
    }
    all.emplace_back(designations);
    auto& speaker = role == following || role == copying ? *pool.hq : *pool.branch;
    const auto vector = *speaker.row_vector();
    all.emplace_back(wire::Holds{vector});
    auto rows = *speaker.read_rows({}, 1u << 20, 100);
    all.emplace_back(wire::Rows{std::move(rows.runs), rows.all});
    all.emplace_back(wire::RowsStored{1});
    const auto seen = pool.branch->head().seq;
    wire::Batches rest;
    for (const auto& each : pool.hq->log()) {
        if (each->seq > seen) rest.batches.push_back(each);
    }
    if (role == following) {
        all.emplace_back(wire::Batches{{rest.batches.front()}});
        all.emplace_back(wire::Batches{{rest.batches.begin() + 1, rest.batches.end()}});
        all.emplace_back(wire::Ping{1, self.log().empty() ? LogHead{} : pool.hq->head()});
    } else if (role == copying) {
        all.emplace_back(wire::Gone{});
        std::optional<RecordKey> after;
        for (bool more = true; more;) {
            auto page = *pool.hq->read_page(after, 150);
            more = !page.last;
            if (more) after = page.records.back().key;
            all.emplace_back(wire::Page{std::move(page)});
        }
        all.emplace_back(wire::Batches{{pool.hq->log().back()}});
        all.emplace_back(wire::Ping{1, pool.hq->head()});
    } else if (role == followed) {
        all.emplace_back(wire::Follow{seen});
        for (const auto& each : rest.batches) all.emplace_back(wire::Ack{each->seq});
        all.emplace_back(wire::Ping{1, pool.branch->head()});
    } else {
        all.emplace_back(wire::CopyRequest{});
        all.emplace_back(wire::Staged{1});
        all.emplace_back(wire::Staged{2});
        all.emplace_back(wire::Follow{pool.hq->head().seq, true});
        all.emplace_back(wire::Ack{pool.hq->head().seq, true});
    }
    return all;
}

std::vector<Bytes> edited_frames(std::vector<wire::Message> honest, Input& from) {
    // One that comes twice is edited in both places.
    std::vector<std::shared_ptr<wire::Message>> messages;
    for (auto& each : honest) {
        messages.push_back(std::make_shared<wire::Message>(std::move(each)));
    }
    std::vector<Bytes> frames;
    std::vector<std::pair<std::size_t, Bytes>> byte_edits;
    for (int edits = 0; edits < most_edits && !from.empty() && !messages.empty(); ++edits) {
        const auto choice = from.number<std::uint8_t>() % 4u;
        const auto at = from.number<std::uint8_t>() % messages.size();
        if (choice == 0) {
            edit_order(messages, from);
        } else if (choice == 1) {
            const auto script = from.bytes(8);
            byte_edits.emplace_back(at, Bytes(script.begin(), script.end()));
        } else {
            std::visit(EditMessage{from}, *messages[at]);
        }
    }
    for (const auto& message : messages) frames.push_back(wire::encode(*message));
    for (const auto& [at, script] : byte_edits) {
        Input bytes(script);
        if (at < frames.size()) edit(frames[at], bytes);
    }
    return frames;
}

struct State {
    FakeLinkStore::Rows rows;
    std::vector<SharedBatch> log;
    std::size_t designations = 0;
    FakeLinkStore::RowsHeld attempts;

    explicit State(FakeLinkStore& store)
        : rows(store.rows()),
          log(store.log()),
          designations(store.designations().size()),
          attempts(store.attempts()) {}
    friend bool operator==(const State&, const State&) = default;
};

std::set<Bytes> bytes_of(const FakeLinkStore::RowsHeld& one, const FakeLinkStore::RowsHeld& other) {
    std::set<Bytes> all;
    for (const auto* held : {&one, &other}) {
        for (const auto& [author, rows] : *held) {
            for (const auto& [seq, row] : rows) all.insert(row.bytes);
        }
    }
    return all;
}

void run(BytesView input) {
    Input from(input);
    const auto role = static_cast<Role>(from.number<std::uint8_t>() % last);
    const RawPool pool;
    for (const std::uint8_t slot : {1, 2, 3}) {
        pool.hq->see_attempt(slot);
        pool.branch->see_attempt(slot);
    }
    const std::set<Bytes> seen = bytes_of(pool.hq->attempts(), pool.branch->attempts());
    const bool at_replica = role == following || role == copying;
    auto& store = at_replica ? *pool.branch : *pool.hq;
    const auto honest = pool.hq->log();
    auto peer = at_replica ? pool.at_replica() : pool.at_primary();
    const auto frames = edited_frames(conversation(role, pool, peer), from);
    for (const auto& frame : frames) {
        const State before(store);
        peer.send_frame(frame);
        if (!peer.closed) continue;
        require_link_error(peer.closed->reason);
        require(State(store) == before, "what ends a link changes nothing");
        break;
    }
    if (!at_replica) require(store.log() == honest, "nobody writes a primary's log");
    for (const auto& [author, rows] : store.attempts()) {
        for (const auto& [seq, row] : rows) {
            require(author == store.author() || seen.contains(row.bytes),
                    "a store holds no row but what its author signed");
        }
    }
    // Nothing but what the primary signed, from wherever a copy began.
    for (const auto& batch : store.log()) {
        require(std::ranges::any_of(honest, [&](const auto& each) { return *each == *batch; }),
                "a replica holds nothing but what the primary signed");
    }
    require(testing::digest_of(store.rows()) == testing::content_of(*store.log().back()).digest,
            "its records are those that the last batch signs");
    require(!pool.hq->removed && !pool.branch->removed, "nobody was removed");
}

std::vector<Bytes> seeds() {
    std::vector<Bytes> inputs;
    for (unsigned role = 0; role < last; ++role) {
        inputs.push_back(with_choice(role, {}));
        for (unsigned at = 0; at < 9; ++at) {
            for (unsigned choice = 0; choice < 4; ++choice) {
                Bytes script;
                for (const auto each : {choice, at, at, 1u, choice, 2u, 3u, 1u, 1u, 5u}) {
                    script.push_back(static_cast<std::byte>(each));
                }
                inputs.push_back(with_choice(role, script));
            }
        }
    }
    return inputs;
}

const Target target("edited_frame", run, seeds);

}  // namespace
}  // namespace countersign::fuzz
