#include <doctest/doctest.h>

#include "protocol/row_receiver.h"
#include "transport/protocol/raw_peer.h"
#include "transport/protocol/two_links.h"
#include "transport/wire/samples.h"

using namespace countersign;
using namespace countersign::testing;

namespace {

void see_attempts(FakeLinkStore& store, int number, int slots = 256) {
    for (int i = 0; i < number; ++i) store.see_attempt(static_cast<std::uint8_t>(i % slots));
}

wire::Rows rows_of(FakeLinkStore& store, const RowVector& known = {}) {
    auto page = store.read_rows(known, 1u << 20, 1000);
    REQUIRE(page);
    return {std::move(page->runs), page->all};
}

}  // namespace

TEST_CASE("rows: seen by both while apart: both know all of them once they are linked") {
    TwoLinks two;
    two.found();
    see_attempts(*two.hq.store, 40, 30);
    see_attempts(*two.branch.store, 70);
    two.dial();
    two.run();
    CHECK(two.same_attempts());
    CHECK(two.hq.store->rows_taken == 70);
    CHECK(two.branch.store->rows_taken == 30);
    CHECK(two.hq.store->rows_ignored + two.branch.store->rows_ignored == 0);
    CHECK(two.hq.store->completed[two.branch.store->node] == 1);
    CHECK(two.branch.store->completed[two.hq.store->node] == 1);
}

TEST_CASE("rows: seen while the link is open: pass at once, without time passing, and not back") {
    TwoLinks two;
    two.found();
    two.dial();
    two.run();
    for (int i = 0; i < 10; ++i) {
        two.hq.store->see_attempt(1);
        two.on_commit();
        two.branch.store->see_attempt(2);
        two.on_commit_at_branch();
        two.run();
        two.on_commit();
        two.on_commit_at_branch();
        two.run();
        CHECK(two.same_attempts());
    }
    CHECK(two.hq.store->rows_ignored + two.branch.store->rows_ignored == 0);
    CHECK(two.hq.store->rows_read == 10);
    CHECK(two.branch.store->rows_read == 10);
}

TEST_CASE("rows: of a node that the peer never meets: come through who has met both") {
    TwoLinks two;
    two.found();
    TwoLinks further(2);
    further.hq.store = two.hq.store;
    two.hq.store->add_member(*further.branch.store, Capability::propose);
    two.branch.store->restore_from(*two.hq.store);
    further.branch.store->restore_from(*two.hq.store);
    see_attempts(*two.branch.store, 20);
    see_attempts(*further.branch.store, 10);
    for (TwoLinks* each : {&two, &further}) each->dial();
    for (int i = 0; i < 2; ++i) {
        for (TwoLinks* each : {&two, &further}) {
            each->run();
            each->on_commit();
        }
    }
    two.run();
    further.run();
    CHECK(two.branch.store->attempts() == further.branch.store->attempts());
    CHECK(two.branch.store->rows_taken == 10);
    CHECK(further.branch.store->rows_taken == 20);
}

TEST_CASE("rows: the link is cut anywhere, again and again: what is held is not sent again") {
    for (std::size_t after = 700; after < 40'000; after += 1'777) {
        CAPTURE(after);
        TwoLinks two(after);
        two.max_chunk = 500;
        two.found();
        see_attempts(*two.branch.store, 150);
        see_attempts(*two.hq.store, 150);
        two.dial();
        two.cut_after(after);
        two.run();
        const auto taken = two.hq.store->rows_taken;
        two.cut();
        two.dial();
        two.run();
        REQUIRE(two.same_attempts());
        CHECK(two.hq.store->rows_taken == 150);
        CHECK(two.branch.store->rows_read <= 150 + 150 - taken + 1);
    }
}

TEST_CASE("rows: the peer stores slowly: what is under way stays within the window") {
    TwoLinks two;
    two.found();
    for (int i = 0; i < 1000; ++i) two.hq.store->see_attempt(static_cast<std::uint8_t>(i), 13'000);
    for (int i = 0; i < 200; ++i) two.hq.store->see_attempt(static_cast<std::uint8_t>(i), 16'000);
    two.dial();
    std::size_t most = 0;
    std::size_t takes = 0;
    two.watch = [&] {
        most = std::max<std::size_t>(most, two.hq.link->status().bytes_in_flight);
        takes = two.branch.store->takes;
    };
    two.run();
    CHECK(two.same_attempts());
    CHECK(takes > 2);
    CHECK(most > (1u << 20));
    CHECK(most <= (2u << 20));
    CHECK(two.hq.link->status().bytes_in_flight == 0);
}

TEST_CASE("rows: came and not on disk: not acknowledged, and those that come then share the next") {
    TwoLinks two;
    two.found();
    two.dial();
    two.run();
    two.tasks_wait = true;
    for (int i = 0; i < 5; ++i) {
        two.hq.store->see_attempt(static_cast<std::uint8_t>(i));
        two.on_commit();
        two.run();
        while (!two.hq.tasks.empty()) {  // the sender's disk is fast
            RunStore run = std::move(two.hq.tasks.front());
            two.hq.tasks.pop_front();
            run.task();
            two.hq.link->on_done(run.id, two.now);
            two.hq.drain();
        }
        two.run();
    }
    CHECK(two.hq.link->status().bytes_in_flight > 0);
    CHECK(two.branch.store->rows_taken == 0);
    const auto takes = two.branch.store->takes;
    two.tasks_wait = false;
    two.run();
    CHECK(two.hq.link->status().bytes_in_flight == 0);
    CHECK(two.same_attempts());
    CHECK(two.branch.store->takes == takes + 2);
}

TEST_CASE("rows: of a node whose membership comes later: left, and asked for when the log moves") {
    TwoLinks two;
    two.found();
    auto shop = std::make_shared<FakeLinkStore>(77, "shop");
    two.hq.store->add_member(*shop, Capability::propose);
    shop->restore_from(*two.hq.store);
    see_attempts(*shop, 12);
    REQUIRE(two.hq.store->take_rows(rows_of(*shop).runs));
    two.branch.store->fault = [](const std::string& call) -> std::optional<Error> {
        if (call == "accept") return errc::disk_full;
        return std::nullopt;
    };
    two.dial();
    two.run();
    REQUIRE(two.branch.reason() == errc::disk_full);  // the membership did not come
    CHECK(two.branch.store->rows_taken == 0);
    two.branch.store->fault = {};
    two.cut();
    two.dial();
    two.run();
    two.on_commit_at_branch();
    two.run();
    CHECK(two.in_step());
    CHECK(two.same_attempts());
}

TEST_CASE("rows: a new machine: asks for them once it has the log, and is told when that is all") {
    TwoLinks two;
    two.hq.store->found_pool();
    see_attempts(*two.hq.store, 30);
    bool asked_early = false;
    two.branch.store->fault = [&](const std::string& call) -> std::optional<Error> {
        asked_early |= call == "take_rows" && two.branch.store->head().seq == LogSeq{};
        return std::nullopt;
    };
    two.join(two.hq.store->invite(*two.branch.store));
    two.run();
    two.on_commit_at_branch();
    two.run();
    REQUIRE(two.in_step());
    CHECK(two.same_attempts());
    CHECK_FALSE(asked_early);
    CHECK(two.branch.store->completed[two.hq.store->node] == 1);
}

TEST_CASE("rows: a peer of the level before: is sent none, and none are waited for") {
    const RawPool pool;
    see_attempts(*pool.hq, 3);
    auto peer = pool.at_primary();
    auto hello = peer.hello();
    hello.level = wire::rows_level - 1;
    peer.send(hello);
    peer.send(wire::Designations{{pool.hq->designations()[0].statement}});
    peer.send(wire::Follow{pool.branch->head().seq});
    REQUIRE_FALSE(peer.closed);
    CHECK(peer.heard<wire::Batches>());
    CHECK_FALSE(peer.heard<wire::Holds>());
    CHECK_FALSE(peer.heard<wire::Rows>());
    CHECK(pool.hq->completed[pool.branch->node] == 1);
}

TEST_CASE("rows: a disk that was rolled back hears its own later rows: a new life says all again") {
    TwoLinks two;
    two.found();
    see_attempts(*two.branch.store, 5);
    const auto kept = two.branch.store->clone();
    see_attempts(*two.branch.store, 10);
    two.dial();
    two.run();
    two.cut();
    REQUIRE(two.same_attempts());
    SUBCASE("it has said less since") {}
    SUBCASE("it has said as much since") {
        see_attempts(*kept, 10);
    }
    SUBCASE("it has said more since") {
        see_attempts(*kept, 30);
    }
    kept->link_counter = 100;  // else that tells
    two.branch.store = kept;
    const auto before = kept->author();
    const auto counted = kept->attempts().at(before).size();
    two.dial();
    two.run();
    two.on_commit_at_branch();
    two.run();
    CHECK(kept->lives_begun == 1);
    CHECK(kept->author() != before);
    CHECK(kept->attempts().at(kept->author()).size() == counted);
    CHECK(two.hq.store->attempts().at(kept->author()).size() == counted);
}

TEST_CASE("conversation: rows that are forged, or acknowledged and never sent: refused") {
    const RawPool pool;
    see_attempts(*pool.branch, 3);
    auto forged = rows_of(*pool.branch);
    forged.runs[0].rows[1].bytes[5] ^= std::byte{1};
    const auto refusal = [&](const wire::Message& message) {
        auto peer = pool.at_primary();
        peer.greet();
        REQUIRE_FALSE(peer.closed);
        const auto writes = pool.hq->writes;
        peer.send(message);
        REQUIRE(peer.closed);
        CHECK(pool.hq->writes == writes);
        CHECK(pool.hq->rows_taken == 0);
        return peer.closed->reason.code();
    };
    CHECK(refusal(forged) == errc::bad_signature);
    CHECK(refusal(wire::RowsStored{1000}) == errc::malformed);
}

TEST_CASE("conversation: rows for a node that has no log to judge them by: refused") {
    const RawPool pool;
    pool.branch->forget_log();
    auto peer = pool.at_replica();
    peer.greet();
    CHECK_FALSE(peer.heard<wire::Holds>());
    peer.send(sample_rows());
    REQUIRE(peer.closed);
    CHECK(peer.closed->reason == errc::malformed);
}

TEST_CASE("rows: more than may be under way, while none is stored: too large") {
    const auto store = std::make_shared<FakeLinkStore>(1, "hq");
    store->found_pool();
    FakeLinkStore other(2, "branch");
    for (int i = 0; i < 200; ++i) other.see_attempt(static_cast<std::uint8_t>(i), 2'000);
    protocol::Agenda agenda;
    protocol::RowReceiver receiver(store, agenda);
    receiver.start(other.node, true);
    std::size_t taken = 0;
    while (receiver.on_rows(rows_of(other))) ++taken;
    CHECK(taken == (2u << 20) / (200 * (2'000 + 128) + 512));
    CHECK(receiver.on_rows(rows_of(other)).error() == errc::too_large);
}

TEST_CASE("rows: the feeder has dropped its newest: those behind the gap pass all the same") {
    TwoLinks two;
    two.found();
    see_attempts(*two.hq.store, 3);
    two.dial();
    two.run();
    two.hq.store->see_attempt(7);
    two.hq.store->forget_newest_attempt();
    two.on_commit();
    two.run();
    two.hq.store->see_attempt(8);
    two.on_commit();
    two.run();
    CHECK(two.same_attempts());
    CHECK(two.branch.store->rows_taken == 4);
    CHECK(two.branch.store->rows_ignored == 0);
}
