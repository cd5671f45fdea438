// Batches of a real primary, edited, for a real replica: by whoever carries them, and by a primary
// that signs what breaks a rule. Each edit is a byte that chooses it, a byte that says of which
// batch, and what it needs.
#include <doctest/doctest.h>

#include "fuzz/edits.h"
#include "support/pool.h"

namespace countersign::fuzz {
namespace {

using log::SignedBatch;
using testing::Pool;
using testing::PoolNode;

constexpr int most_edits = 8;

enum Choice : unsigned {
    bytes_of,
    place_of,
    signature_of,
    order_of,
    signed_bytes,
    content_of,
    last
};

/// The rows as they are add up to this.
log::Digest digest_of(PoolNode& node) {
    log::Digest digest;
    REQUIRE(node.ledger.reader.each(
        {}, [&](const records::RecordName& name, const records::StoredRecord& row) {
            digest.add(node.ledger.hash_row(name, row.seq, row.sealed, row.handles));
            return true;
        }));
    return digest;
}

/// A replica that holds half of what its primary has written.
struct History {
    History() {
        pool.designate(primary);
        pool.tell_all(replica, primary);
        for (std::uint8_t i = 0; i < 6; ++i) {
            auto batch = pool.append(
                primary,
                testing::changes(
                    testing::put(
                        testing::user_name(i), "content", {testing::handle(i), testing::handle(9)}),
                    testing::put(testing::user_name(i + 1), "more", {testing::handle(i + 7)}),
                    testing::erase(testing::user_name(i + 2))));
            (i < 3 ? held : genuine).push_back(std::move(batch));
        }
        REQUIRE(pool.accept(replica, held));
        content = replica.content();
    }

    Pool pool;
    PoolNode& primary = pool.add_node();
    PoolNode& replica = pool.add_node();
    PoolNode& stranger = pool.add_node();
    std::vector<SignedBatch> held;
    std::vector<SignedBatch> genuine;
    std::string content;  ///< of the replica
};

History& history() {
    assertions_abort();
    static History made;
    return made;
}

void edit_place(log::Place& place, Input& from) {
    switch (from.number<std::uint8_t>() % 4u) {
        case 0:
            place.root_term = edited(place.root_term, from);
            break;
        case 1:
            place.epoch = edited(place.epoch, from);
            break;
        case 2:
            place.seq = edited(place.seq, from);
            break;
        default:
            edit_id(place.node, from);
    }
}

void edit_change(records::Change& change, Input& from) {
    switch (from.number<std::uint8_t>() % 5u) {
        case 0:
            edit_id(change.name.id, from);
            break;
        case 1:
            change.name.kind = records::RecordKind{from.number<std::uint16_t>()};
            break;
        case 2:
            if (change.put) edit(change.put->sealed, from);
            break;
        case 3:
            if (change.put) edit_order(change.put->handles, from);
            break;
        default:
            change.put.reset();
    }
}

void edit_content(log::Batch& batch, Input& from) {
    switch (from.number<std::uint8_t>() % 8u) {
        case 0:
            edit_id(batch.pool, from);
            break;
        case 1:
            edit_place(batch.place, from);
            break;
        case 2:
            edit_id(batch.previous, from);
            break;
        case 3:
            batch.time += milliseconds{from.number<std::int32_t>()};
            break;
        case 4:
            edit_id(batch.digest, from);
            break;
        case 5:
            batch.feature_level = edited(batch.feature_level, from);
            break;
        case 6:
            edit_order(batch.changes, from);
            break;
        default:
            if (batch.changes.empty()) break;
            edit_change(batch.changes[from.number<std::uint8_t>() % batch.changes.size()], from);
    }
}

/// What the digest would be, were the batch the replica's next.
void settle_digest(log::Batch& batch, PoolNode& replica) {
    auto digest = replica.head().digest;
    for (const auto& change : batch.changes) {
        const auto before = replica.ledger.reader.get(change.name);
        if (!before) return;
        const auto& hash_row = replica.ledger.hash_row;
        if (*before) {
            digest.subtract(
                hash_row(change.name, (*before)->seq, (*before)->sealed, (*before)->handles));
        }
        if (change.put) {
            digest.add(
                hash_row(change.name, batch.place.seq, change.put->sealed, change.put->handles));
        }
    }
    batch.digest = digest.digest();
}

/// False: the edit was one of who signs batches.
bool edit_run(std::vector<SignedBatch>& run, Input& from) {
    auto& all = history();
    const auto choice = from.number<std::uint8_t>() % last;
    auto& batch = run[from.number<std::uint8_t>() % run.size()];
    if (choice == bytes_of) edit(batch.bytes, from);
    if (choice == place_of) edit_place(batch.place, from);
    if (choice == signature_of) edit_id(batch.signature, from);
    if (choice == order_of) edit_order(run, from);
    if (choice != signed_bytes && choice != content_of) return true;
    const auto how = from.number<std::uint8_t>();
    const auto& author = (how & 1) != 0 ? all.stranger : all.primary;
    if (choice == signed_bytes) {
        edit(batch.bytes, from);
        batch.signature = sealing::sign(sealing::SignatureKind::batch, batch.bytes, author.key);
        return &author == &all.stranger;
    }
    auto content = log::decode(batch);
    if (!content) return true;
    edit_content(*content, from);
    if ((how & 2) != 0) settle_digest(*content, all.replica);
    batch = all.pool.sign(*content, author);
    return &author == &all.stranger;
}

void check_accepted(const log::Head& head,
                    const std::vector<SignedBatch>& run,
                    bool only_carriers) {
    auto& all = history();
    require(digest_of(all.replica).digest() == head.digest.digest(),
            "the digest is that of the rows");
    require(head.place.seq >= all.held.back().place.seq, "the log does not go back");
    for (const auto& batch : run) {
        if (batch.hash() != head.hash) continue;
        const auto content = log::decode(batch);
        require(content && content->digest == head.digest.digest(), "and what the last one signs");
    }
    if (!only_carriers) return;
    for (const auto& batch : run) {
        if (batch.place.seq <= all.held.back().place.seq) continue;  // skipped, whatever it says
        const auto same = [&](const SignedBatch& each) { return each.bytes == batch.bytes; };
        require(std::ranges::any_of(all.held, same) || std::ranges::any_of(all.genuine, same),
                "nobody but a primary makes a batch");
    }
}

void run(BytesView input) {
    auto& all = history();
    Input from(input);
    auto given = all.genuine;
    bool only_carriers = true;
    for (int edits = 0; edits < most_edits && !from.empty() && !given.empty(); ++edits) {
        only_carriers &= edit_run(given, from);
    }
    {
        auto transaction = sqlite::Transaction::begin(all.replica.database);
        REQUIRE(transaction);
        const auto head = log::accept(all.replica.ledger, given);
        if (head) {
            check_accepted(*head, given, only_carriers);
        } else {
            require_documented(head.error(), errors_of_batches);
        }
    }
    require(all.replica.content() == all.content, "what is not committed leaves no trace");
    auto transaction = sqlite::Transaction::begin(all.replica.database);
    REQUIRE(transaction);
    const auto head = log::accept(all.replica.ledger, all.genuine);
    require(head && head->place == all.genuine.back().place, "the genuine ones are taken after it");
}

std::vector<Bytes> seeds() {
    std::vector<Bytes> inputs{{}};
    for (unsigned choice = 0; choice < last; ++choice) {
        for (unsigned batch = 0; batch < 3; ++batch) {
            for (const unsigned how : {0u, 1u, 2u}) {
                const auto script = {choice, batch, how, 0u, 5u + batch, 0u, 1u, 2u};
                Bytes bytes;
                for (const auto each : script) bytes.push_back(static_cast<std::byte>(each));
                inputs.push_back(bytes);
            }
        }
    }
    for (unsigned field = 0; field < 8; ++field) {  // signed by the primary, its digest settled
        Bytes bytes;
        for (const auto each : {unsigned{content_of}, 0u, 2u, field, 2u, 1u, 1u, 3u}) {
            bytes.push_back(static_cast<std::byte>(each));
        }
        inputs.push_back(bytes);
    }
    return inputs;
}

const Target target("edited_batch", run, seeds);

}  // namespace
}  // namespace countersign::fuzz
