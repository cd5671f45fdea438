#include <algorithm>
#include <cstdlib>

#include <doctest/doctest.h>

#include "transport/protocol/two_links.h"

using namespace countersign;
using namespace countersign::testing;

namespace {

/// Whether what `store` has applied is a prefix of what the primary wrote.
bool is_prefix(FakeLinkStore& store, FakeLinkStore& primary) {
    const LogHead head = store.head();
    if (head.seq == LogSeq{}) return store.rows().empty();
    for (const auto& batch : primary.log()) {
        if (batch->seq == head.seq) return hash_of(batch->bytes) == head.hash;
    }
    return head.seq < primary.first_held();
}

void live_through(std::uint64_t seed) {
    TwoLinks two(seed);
    auto& random = two.random;
    const auto one_in = [&](std::uint64_t n) { return random() % n == 0; };
    two.options.window = (64u << 10) << (random() % 4);
    two.options.frame_bytes = 1 + random() % 4000;
    two.options.page_bytes = 200 + random() % 2000;
    two.options.session_messages = one_in(2) ? 3 + random() % 20 : 1u << 20;
    two.max_chunk = one_in(4) ? 1 : 1 + random() % 3000;
    two.found(!one_in(3));
    for (std::uint64_t i = random() % 10; i > 0; --i) two.hq.store->commit(random() % 5, 80, 2);

    auto& primary = *two.hq.store;
    auto& replica = *two.branch.store;
    LogSeq durable{};
    two.watch = [&] {
        REQUIRE(is_prefix(replica, primary));
        REQUIRE(replica.head().seq >= durable);  // never back
        durable = replica.head().seq;
        REQUIRE(primary.acked[replica.node] <= durable);  // never acknowledged before
        if (one_in(30) && primary.head().seq < LogSeq{80}) {
            primary.commit(random() % 6, 1 + random() % 300, random() % 4);
            if (one_in(8)) primary.trim(LogSeq{1 + random() % value(primary.head().seq)});
            two.on_commit();
        }
    };
    for (int link = 0; link < 6; ++link) {
        two.dial();
        two.run(random() % 400);
        if (one_in(2)) two.advance(milliseconds(random() % 30'000));
        primary.recent_from = LogSeq{random() % (value(primary.head().seq) + 1)};
        two.cut();
        if (one_in(4)) primary.holds.clear();
    }
    // Faults end: all comes together.
    two.watch = nullptr;
    two.dial();
    two.run();
    REQUIRE_FALSE(two.branch.closed);
    REQUIRE(two.in_step());
    REQUIRE(primary.acked[replica.node] == primary.head().seq);
    REQUIRE(primary.suspects.empty());
}

}  // namespace

TEST_CASE("link: random commits, cuts, chunks, retention and renewals: always a prefix, then all") {
    const std::uint64_t seeds = std::getenv("COUNTERSIGN_LONG") ? 2'000 : 60;
    for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
        CAPTURE(seed);
        live_through(seed);
    }
}
