// A link, told anything by a peer that holds a member's keys.
#include "fuzz/fuzz.h"
#include "transport/protocol/raw_peer.h"
#include "transport/wire/samples.h"
#include "wire/encode.h"

namespace countersign::fuzz {
namespace {

using testing::RawPeer;
using testing::RawPool;

/// Whom the link under test belongs to, and whether the greeting is over when the frames come.
enum Choice : unsigned { primary, replica, greeted_primary, greeted_replica, damaged_replica };

/// The leaves of the first bucket.
wire::Buckets sample_leaves(wire::Buckets buckets) {
    buckets.bucket = 0;
    return buckets;
}

bool begins_with(const std::vector<SharedBatch>& log, const std::vector<SharedBatch>& beginning) {
    if (log.size() < beginning.size()) return false;
    for (std::size_t i = 0; i < beginning.size(); ++i) {
        if (*log[i] != *beginning[i]) return false;
    }
    return true;
}

void run(BytesView input) {
    Input from(input);
    const auto choice = from.number<std::uint8_t>() % 5u;
    const bool at_primary = choice == primary || choice == greeted_primary;
    RawPool pool;
    const auto honest = pool.hq->log();
    if (choice == damaged_replica) {
        pool.branch->restore_from(*pool.hq);
        pool.branch->damage(0);
    }
    const auto held = pool.branch->log();
    auto peer =
        at_primary ? RawPeer(pool.branch, pool.hq, true) : RawPeer(pool.hq, pool.branch, false);
    if (choice >= greeted_primary) peer.greet();
    while (!from.empty() && !peer.closed) {
        peer.send_frame(from.bytes(from.number<std::uint16_t>()));
    }
    if (peer.closed) require_link_error(peer.closed->reason);
    if (at_primary) {
        require(begins_with(pool.hq->log(), honest) && begins_with(honest, pool.hq->log()),
                "nobody writes a primary's log");
    } else {
        require(begins_with(pool.branch->log(), held) && begins_with(honest, pool.branch->log()),
                "a replica holds nothing but what the primary signed");
    }
    require(!pool.hq->removed && !pool.branch->removed, "nobody was removed");
}

Bytes script(unsigned choice, const std::vector<Bytes>& frames) {
    Bytes all;
    for (const auto& frame : frames) {
        const std::byte size[] = {static_cast<std::byte>(frame.size()),
                                  static_cast<std::byte>(frame.size() >> 8)};
        all = joined({all, size, frame});
    }
    return with_choice(choice, all);
}

template <class... Messages>
std::vector<Bytes> frames(const Messages&... each) {
    return {wire::encode(wire::Message(each))...};
}

std::vector<Bytes> seeds() {
    std::vector<Bytes> all;
    for (const auto& each : testing::samples()) {
        all.push_back(script(greeted_primary, {wire::encode(each)}));
        all.push_back(script(greeted_replica, {wire::encode(each)}));
    }
    // The fake pool is the same each time, and so is what is said in it.
    const RawPool pool;
    const auto seen = pool.branch->head().seq;
    wire::Batches rest;
    for (const auto& each : pool.hq->log()) {
        if (each->seq > seen) rest.batches.push_back(each);
    }
    const wire::Designations none;
    RawPeer branch(pool.branch, pool.hq, true);
    const auto hello = branch.hello();
    all.push_back(script(primary, frames(hello, none, wire::Follow{seen}, wire::Ack{seen})));
    all.push_back(script(primary, frames(hello, none, wire::CopyRequest{}, wire::Staged{1})));
    RawPeer hq(pool.hq, pool.branch, false);
    all.push_back(script(replica, frames(hq.hello(), none, rest)));
    all.push_back(script(greeted_replica, frames(rest, wire::Ping{1, pool.hq->head()})));
    all.push_back(script(greeted_replica, frames(wire::Gone{}, testing::sample_page())));
    const wire::Repair begin{wire::Repair::Begin{seen}};
    all.push_back(
        script(greeted_primary,
               frames(begin, testing::sample_compare(), wire::Repair{wire::Repair::End{}})));
    wire::Buckets sums{.moment = pool.hq->head().seq, .sound = true, .sums = {}};
    sums.sums.resize(bucket_count);
    all.push_back(script(damaged_replica, frames(rest, sums, sample_leaves(sums), rest)));
    return all;
}

const Target target("link", run, seeds);

}  // namespace
}  // namespace countersign::fuzz
