#include <doctest/doctest.h>

#include "transport/protocol/two_links.h"

using namespace countersign;
using namespace countersign::testing;
using Kind = LinkEvent::Kind;

TEST_CASE("link: a replica that lags by some batches: catches up and says what it holds") {
    TwoLinks two;
    two.found();
    for (int i = 0; i < 20; ++i) two.hq.store->commit(3, 40, 1);
    two.dial();
    two.run();
    CHECK(two.in_step());
    CHECK(two.branch.store->copies_begun == 0);
    CHECK(two.hq.store->acked[two.branch.store->node] == two.hq.store->head().seq);
    CHECK(two.branch.saw(Kind::connected));
    CHECK(two.branch.saw(Kind::following));
    CHECK(two.branch.saw(Kind::caught_up));
    CHECK(two.hq.saw(Kind::connected));
    CHECK(two.hq.link->status().state == LinkStatus::State::feeding);
    CHECK(two.hq.link->status().acked == two.hq.store->head().seq);
    CHECK(two.hq.link->status().name == "branch");
    CHECK(two.hq.link->status().bytes_in_flight == 0);
    CHECK(two.branch.link->status().state == LinkStatus::State::following);
    CHECK(two.branch.link->status().peer == two.hq.store->node);
}

TEST_CASE("link: a commit while the link is open: goes out at once, without time passing") {
    TwoLinks two;
    two.found();
    two.dial();
    two.run();
    for (int i = 0; i < 10; ++i) {
        two.hq.store->commit(1);
        two.on_commit();
        two.run();
        CHECK(two.in_step());
        CHECK(two.hq.store->acked[two.branch.store->node] == two.hq.store->head().seq);
    }
    CHECK(two.hq.store->disk_reads == 0);
}

TEST_CASE("link: a batch that came and is not on disk: not acknowledged") {
    TwoLinks two;
    two.found();
    two.dial();
    two.run();
    const LogSeq before = two.branch.store->head().seq;
    two.hq.store->commit(1);
    two.on_commit();
    two.tasks_wait = true;
    two.run();
    REQUIRE(two.branch.tasks.size() == 1);  // accept
    CHECK(two.hq.store->acked[two.branch.store->node] == before);
    // On disk, but the link has not been told: a crash now would not lose it, yet nothing is said.
    two.branch.tasks.front().task();
    CHECK(two.in_step());
    two.run();
    CHECK(two.hq.store->acked[two.branch.store->node] == before);
    CHECK(two.hq.link->status().bytes_in_flight > 0);
    two.branch.link->on_done(two.branch.tasks.front().id, two.now);
    two.branch.tasks.clear();
    two.on_commit();  // drains
    while (auto action = two.branch.link->poll()) {
        if (auto* send = std::get_if<SendBytes>(&*action)) {
            two.hq.link->on_bytes(send->bytes, two.now);
        }
    }
    CHECK(two.hq.store->acked[two.branch.store->node] == two.hq.store->head().seq);
}

TEST_CASE("link: batches that come while one transaction is under way: share the next") {
    TwoLinks two;
    two.found();
    two.dial();
    two.run();
    int accepts = 0;
    two.branch.store->fault = [&](const std::string& call) -> std::optional<Error> {
        accepts += call == "accept";
        return std::nullopt;
    };
    two.tasks_wait = true;
    for (int i = 0; i < 10; ++i) {
        two.hq.store->commit(1);
        two.on_commit();
        two.run();
    }
    two.tasks_wait = false;
    two.run();
    CHECK(two.in_step());
    CHECK(accepts == 2);
}

TEST_CASE("link: a replica that stores slowly: what is under way stays within its window") {
    TwoLinks two;
    two.options.window = 64u << 10;
    two.options.frame_bytes = 16u << 10;
    two.found();
    two.dial();
    two.run();
    std::size_t most = 0;
    two.watch = [&] {
        most = std::max<std::size_t>(most, two.hq.link->status().bytes_in_flight);
        CHECK(two.hq.outgoing.size() < (80u << 10));
    };
    two.tasks_wait = true;
    for (int i = 0; i < 100; ++i) {
        two.hq.store->commit(10, 1000);
        two.on_commit();
        two.run();
    }
    CHECK(two.hq.link->status().bytes_in_flight > (40u << 10));
    two.tasks_wait = false;
    two.run();
    CHECK(two.in_step());
    CHECK(most <= (64u << 10));
    CHECK(most > (48u << 10));
}

TEST_CASE("link: a batch larger than the window: goes alone") {
    TwoLinks two;
    two.options.window = 64u << 10;
    two.found();
    two.hq.store->commit(1, 300);
    two.hq.store->commit(10, 30'000);
    two.hq.store->commit(1, 300);
    two.dial();
    two.run();
    CHECK(two.in_step());
}

TEST_CASE("link: batches that are no longer in memory: come from disk, then from memory") {
    TwoLinks two;
    two.found();
    for (int i = 0; i < 40; ++i) two.hq.store->commit(2, 100);
    two.hq.store->recent_from = LogSeq{30};
    two.options.frame_bytes = 1500;
    two.dial();
    two.run();
    CHECK(two.in_step());
    CHECK(two.hq.store->disk_reads > 3);
    const auto reads = two.hq.store->disk_reads;
    two.hq.store->commit(1);
    two.on_commit();
    two.run();
    CHECK(two.in_step());
    CHECK(two.hq.store->disk_reads == reads);
}

TEST_CASE("link: a stream that delivers one byte at a time: the same outcome") {
    TwoLinks two;
    two.max_chunk = 1;
    two.found();
    for (int i = 0; i < 5; ++i) two.hq.store->commit(2);
    two.dial();
    two.run();
    CHECK(two.in_step());
}

TEST_CASE("link: a primary that others are ahead of: takes its own batches back") {
    TwoLinks two;
    two.found();
    two.hq.store->commit(1);
    two.hq.store->commit(1);
    // The primary comes back from a backup; the replica has what it signed since.
    auto old = two.hq.store->clone();
    two.hq.store->commit(2);
    two.hq.store->commit(2);
    two.branch.store->restore_from(*two.hq.store);
    two.hq.store = old;
    two.hq.store->incarnation = Incarnation{2};
    REQUIRE_FALSE(two.in_step());
    two.dial();
    two.run();
    CHECK(two.in_step());
    CHECK(two.hq.store->head().seq == LogSeq{6});
    two.hq.store->commit(1);
    two.on_commit();
    two.run();
    CHECK(two.in_step());
}

TEST_CASE(
    "link: a replica with another batch in the same place: said to be a fork, nothing moves") {
    TwoLinks two;
    two.found();
    two.branch.store = [&] {
        auto other = two.branch.store;
        auto twin = two.hq.store->clone();  // signs as the primary
        twin->commit(1);
        other->restore_from(*twin);
        return other;
    }();
    two.hq.store->commit(1);
    const auto before = two.branch.store->rows();
    two.dial();
    two.run();
    CHECK(two.branch.reason() == errc::fork);
    CHECK(two.branch.store->rows() == before);
}

TEST_CASE("link: a store that fails: the link ends with its error, and the next one goes on") {
    TwoLinks two;
    two.found();
    for (int i = 0; i < 3; ++i) two.hq.store->commit(1);
    two.branch.store->fault = [](const std::string& call) -> std::optional<Error> {
        if (call == "accept") return Error(errc::disk_full, "make room");
        return std::nullopt;
    };
    two.dial();
    two.run();
    CHECK(two.branch.reason() == errc::disk_full);
    CHECK(two.hq.reason() == errc::disk_full);
    CHECK(two.hq.closed->reason.detail() == "the peer said goodbye: make room");
    CHECK(two.branch.closed->reconnect);
    CHECK(two.hq.store->acked[two.branch.store->node] == two.branch.store->head().seq);
    two.branch.store->fault = nullptr;
    two.dial();
    two.run();
    CHECK(two.in_step());
}

TEST_CASE("link: another primary is designated: the link is made anew") {
    TwoLinks two;
    two.found();
    two.dial();
    two.run();
    FakeLinkStore other(99, "other");
    other.found_pool();
    other.pool = two.hq.store->pool;
    std::vector<SignedBytes> statements = {other.designations()[0].statement};
    // The greater node id wins; try until it is that of the new one.
    for (std::uint64_t seed = 100; !(other.node > two.hq.store->node); ++seed) {
        FakeLinkStore next(seed, "other");
        next.found_pool();
        if (next.node > two.hq.store->node) {
            statements = {next.designations()[0].statement};
            break;
        }
    }
    REQUIRE(two.hq.store->add_designations(statements));
    two.on_commit();
    two.run();
    CHECK(two.hq.reason() == errc::link_closed);
    CHECK(two.branch.reason() == errc::link_closed);
    CHECK(two.branch.closed->reconnect);
    // And the designation reaches the other side with the next hello.
    two.dial();
    two.run();
    CHECK(two.branch.store->primary() == two.hq.store->primary());
    CHECK(two.branch.store->primary() != two.hq.store->node);
}
