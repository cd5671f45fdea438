#include <doctest/doctest.h>

#include "transport/protocol/two_links.h"

using namespace countersign;
using namespace countersign::testing;
using Kind = LinkEvent::Kind;

namespace {

/// A primary with some history, and a member that has nothing.
TwoLinks before_copy(std::uint64_t seed = 1) {
    TwoLinks two(seed);
    two.options.page_bytes = 600;
    two.found(false);
    for (int i = 0; i < 10; ++i) two.hq.store->commit(5, 60, 2);
    return two;
}

}  // namespace

TEST_CASE("link: a node that holds nothing: copies, proves, follows") {
    TwoLinks two = before_copy();
    two.dial();
    two.run();
    CHECK(two.in_step());
    CHECK(two.branch.store->copies_begun == 1);
    CHECK(two.branch.store->pages_staged > 3);
    CHECK(two.hq.store->largest_page <= 600);
    CHECK(two.branch.saw(Kind::copy_started));
    CHECK(two.branch.saw(Kind::copy_finished));
    CHECK(two.branch.saw(Kind::caught_up));
    CHECK(two.hq.store->holds.empty());
    CHECK(two.hq.store->acked[two.branch.store->node] == two.hq.store->head().seq);
    CHECK(two.branch.link->status().state == LinkStatus::State::following);
    two.hq.store->commit(1);
    two.on_commit();
    two.run();
    CHECK(two.in_step());
}

TEST_CASE("link: commits between the pages of a copy: pages of many moments are proved") {
    TwoLinks two = before_copy();
    two.options.window = 64u << 10;
    std::size_t steps = 0;
    two.watch = [&] {
        if (++steps % 4 != 0 || two.hq.store->head().seq > LogSeq{60}) return;
        two.hq.store->commit(2, 60, 3);
        two.on_commit();
    };
    two.dial();
    two.run();
    CHECK(two.in_step());
    CHECK(two.hq.store->head().seq > LogSeq{20});
    CHECK(two.branch.store->copies_begun == 1);
}

TEST_CASE("link: nothing is served and nothing is acknowledged before the copy is proved") {
    TwoLinks two = before_copy();
    two.watch = [&] {
        if (two.branch.store->head().seq == LogSeq{}) {
            CHECK(two.branch.store->rows().empty());
            CHECK(two.hq.store->acked.empty());
        }
    };
    two.dial();
    two.run();
    CHECK(two.in_step());
}

TEST_CASE("link: a copy cut after every page: goes on where it was") {
    for (std::size_t pages = 1; pages < 40; ++pages) {
        TwoLinks two = before_copy();
        two.dial();
        two.watch = [&] {
            if (two.branch.link && two.branch.store->pages_staged == pages) two.cut();
        };
        two.run();
        if (two.in_step()) {  // fewer pages than that
            CHECK(pages > 5);
            return;
        }
        CHECK(two.branch.store->pages_staged == pages);
        two.watch = nullptr;
        two.hq.store->commit(3, 60, 2);
        two.dial();
        two.run();
        CHECK(two.in_step());
        CHECK(two.branch.store->copies_begun == 1);
        CHECK(two.hq.store->holds.empty());
    }
    FAIL("the copy never ended");
}

TEST_CASE("link: a copy cut at every page in turn: still moves on") {
    TwoLinks two = before_copy();
    std::size_t links = 0;
    while (!two.in_step() && ++links < 100) {
        const auto before = two.branch.store->pages_staged;
        two.dial();
        two.watch = [&] {
            if (two.branch.link && two.branch.store->pages_staged > before) two.cut();
        };
        two.run();
        two.hq.store->commit(1, 60, 1);
    }
    two.watch = nullptr;
    two.dial();
    two.run();
    CHECK(two.in_step());
    CHECK(links > 5);
    CHECK(two.branch.store->copies_begun == 1);
}

TEST_CASE("link: a copy that another feeder finishes: proved all the same") {
    TwoLinks two = before_copy();
    two.dial();
    two.watch = [&] {
        if (two.branch.link && two.branch.store->pages_staged == 3) two.cut();
    };
    two.run();
    two.watch = nullptr;
    // The other feeder is a relay that is behind where the first pages were read.
    const auto primary = two.hq.store;
    auto relay = std::make_shared<FakeLinkStore>(77, "relay");
    primary->add_member(*relay, Capability::serve);
    relay->restore_from(*primary);
    primary->commit(4, 60, 2);
    two.hq.store = relay;
    two.dial();
    two.run();
    CHECK(two.in_step());
    CHECK(two.branch.store->copies_begun == 1);
    two.cut();
    two.hq.store = primary;
    two.dial();
    two.run();
    CHECK(two.in_step());
}

TEST_CASE("link: retention has let go of what a replica lacks: it copies, and serves meanwhile") {
    TwoLinks two;
    two.options.page_bytes = 600;
    two.found();
    for (int i = 0; i < 20; ++i) two.hq.store->commit(3, 60, 1);
    two.hq.store->trim(LogSeq{10});
    const auto before = two.branch.store->rows();
    two.watch = [&] {
        if (two.branch.store->head().seq < LogSeq{10}) CHECK(two.branch.store->rows() == before);
    };
    two.dial();
    two.run();
    CHECK(two.in_step());
    CHECK(two.branch.store->copies_begun == 1);
    CHECK(two.branch.saw(Kind::copy_started));
}

TEST_CASE("link: retention overtakes a slow replica on an open link: it copies") {
    TwoLinks two;
    two.options.window = 64u << 10;
    two.options.frame_bytes = 16u << 10;
    two.found();
    two.dial();
    two.run();
    two.tasks_wait = true;
    for (int i = 0; i < 30; ++i) {
        two.hq.store->commit(10, 1000);
        two.on_commit();
        two.run();
    }
    two.hq.store->trim(LogSeq{25});
    two.tasks_wait = false;
    two.run();
    CHECK(two.in_step());
    CHECK(two.branch.store->copies_begun == 1);
}

TEST_CASE("link: the anchor of an interrupted copy is gone: the copy begins again") {
    TwoLinks two = before_copy();
    two.dial();
    two.watch = [&] {
        if (two.branch.link && two.branch.store->pages_staged == 3) two.cut();
    };
    two.run();
    two.watch = nullptr;
    two.hq.store->holds.clear();  // it has been away for too long
    two.hq.store->commit(2);
    two.hq.store->commit(2);
    two.hq.store->trim(two.hq.store->head().seq);
    two.dial();
    two.run();
    CHECK(two.in_step());
    CHECK(two.branch.store->copies_begun == 2);
}

TEST_CASE("link: while a copy lives, the batches from its first moment on are kept") {
    TwoLinks two = before_copy();
    const NodeId branch = two.branch.store->node;
    bool copying = false;
    two.watch = [&] {
        two.hq.store->trim(two.hq.store->head().seq);
        if (two.branch.store->pages_staged > 0 && two.branch.store->head().seq == LogSeq{}) {
            copying = true;
            REQUIRE(two.hq.store->holds.contains(branch));
            CHECK(two.hq.store->holds[branch] <= two.branch.store->copy_state()->first);
        }
        if (two.hq.store->head().seq < LogSeq{40}) two.hq.store->commit(1, 60, 1);
    };
    two.dial();
    two.run();
    two.watch = nullptr;
    two.on_commit();
    two.run();
    CHECK(copying);
    CHECK(two.in_step());
    CHECK(two.branch.store->copies_begun == 1);
}

TEST_CASE("link: keys renewed again and again during a copy: nothing is lost") {
    TwoLinks two = before_copy();
    two.options.session_messages = 5;
    two.dial();
    two.run();
    CHECK(two.in_step());
    CHECK(two.branch.store->copies_begun == 1);
    two.advance(milliseconds(400'000));
    two.hq.store->commit(1);
    two.on_commit();
    two.run();
    CHECK(two.in_step());
    CHECK_FALSE(two.branch.closed);
}

TEST_CASE("link: copied rows that do not add up: refused, and copied again on the next link") {
    TwoLinks two = before_copy();
    auto& follower = *two.branch.store;
    two.hq.store->lie_on_page = 3;
    two.dial();
    two.run();
    CHECK(two.branch.reason() == errc::digest_mismatch);
    CHECK(two.hq.reason() == errc::digest_mismatch);
    CHECK(follower.rows().empty());
    CHECK(follower.head().seq == LogSeq{});
    two.dial();
    two.run();
    CHECK(two.in_step());
    CHECK(follower.copies_begun == 2);
}

TEST_CASE("link: pages of a moment that the feeder's log never reaches: copied again") {
    TwoLinks two = before_copy();
    two.hq.store->moment_ahead = 1'000'000;
    two.dial();
    two.run();
    CHECK_FALSE(two.in_step());
    two.hq.store->moment_ahead = 0;
    two.advance(milliseconds(10'000));
    CHECK(two.in_step());
    CHECK(two.branch.store->copies_begun >= 2);
}

TEST_CASE("link: a slow copy: pages under way stay within the window") {
    TwoLinks two = before_copy();
    for (int i = 0; i < 20; ++i) two.hq.store->commit(20, 1000);
    two.options.window = 64u << 10;
    two.options.page_bytes = 8u << 10;
    two.dial();
    std::uint64_t most = 0;
    two.watch = [&] {
        most = std::max(most, two.hq.link->status().bytes_in_flight);
        CHECK(two.hq.outgoing.size() < (80u << 10));
    };
    two.run();
    CHECK(two.in_step());
    CHECK(most <= (64u << 10));
    CHECK(most > (40u << 10));
}
