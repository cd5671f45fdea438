#include <doctest/doctest.h>

#include "transport/protocol/two_links.h"

using namespace countersign;
using namespace countersign::testing;
using Kind = LinkEvent::Kind;

TEST_CASE("link: idle for a day: stays open, and keys are renewed") {
    TwoLinks two;
    two.options.session_age = milliseconds(600'000);
    two.found();
    two.dial();
    two.advance(std::chrono::hours(24));
    CHECK_FALSE(two.hq.closed);
    CHECK_FALSE(two.branch.closed);
    two.hq.store->commit(1);
    two.on_commit();
    two.run();
    CHECK(two.in_step());
}

TEST_CASE("link: the other side falls silent: given up after the silence limit, not before") {
    TwoLinks two;
    two.found();
    two.dial();
    two.run();
    two.branch_is_deaf = two.hq_is_deaf = true;
    two.advance(milliseconds(14'000));
    CHECK_FALSE(two.hq.closed);
    two.advance(milliseconds(2'000));
    CHECK(two.hq.reason() == errc::timed_out);
    CHECK(two.branch.reason() == errc::timed_out);
    CHECK(two.branch.closed->reconnect);
}

TEST_CASE("link: half open: both sides give up, though one still hears the other") {
    TwoLinks two;
    two.found();
    two.dial();
    two.run();
    SUBCASE("the dialling side is not heard") {
        two.hq_is_deaf = true;
    }
    SUBCASE("the answering side is not heard") {
        two.branch_is_deaf = true;
    }
    two.advance(milliseconds(40'000));
    CHECK(two.hq.closed);
    CHECK(two.branch.closed);
}

TEST_CASE("link: one byte a second of a large frame: the peer is alive") {
    TwoLinks two;
    two.options.window = 1u << 20;
    two.found();
    two.dial();
    two.run();
    two.hq.store->commit(5, 60'000);
    two.on_commit();
    two.max_chunk = 1;
    for (int i = 0; i < 60; ++i) {
        two.run(1);
        two.branch_is_deaf = two.hq_is_deaf = true;
        two.advance(milliseconds(1'000));
        two.branch_is_deaf = two.hq_is_deaf = false;
        while (!two.branch.outgoing.empty()) {  // the other direction is fast
            two.branch_is_deaf = true;
            two.run(1);
            two.branch_is_deaf = false;
        }
    }
    CHECK_FALSE(two.branch.closed);
    two.max_chunk = 1u << 20;
    two.run();
    CHECK(two.in_step());
}

TEST_CASE("link: pings: measure the round trip and tell the head") {
    TwoLinks two;
    two.found();
    two.dial();
    two.run();
    two.branch.store->heads_heard.clear();
    two.advance(milliseconds(6'000));
    CHECK(two.branch.store->heads_heard[two.hq.store->node] == two.hq.store->head());
    CHECK(two.hq.store->heads_heard[two.branch.store->node] == two.branch.store->head());
}

TEST_CASE("link: a peer that opens a stream and says nothing: given up at the deadline") {
    TwoLinks two;
    two.found();
    two.options.handshake_deadline = milliseconds(3'000);
    two.dial();
    two.hq_is_deaf = true;
    two.advance(milliseconds(2'999));
    CHECK_FALSE(two.hq.closed);
    two.advance(milliseconds(2));
    CHECK(two.hq.reason() == errc::timed_out);
    CHECK(two.branch.reason() == errc::timed_out);
}

TEST_CASE("link: a peer that never says hello: given up at the greeting's deadline") {
    TwoLinks two;
    two.found();
    two.dial();
    two.tasks_wait = true;  // its store never gives the link counter
    two.run();
    two.advance(milliseconds(9'000));
    CHECK_FALSE(two.branch.closed);
    two.advance(milliseconds(2'000));
    CHECK(two.branch.reason() == errc::timed_out);
    CHECK(two.hq.closed);
}

TEST_CASE("link: the wall clock is set while a link is open: it is made anew") {
    TwoLinks two;
    two.found();
    two.dial();
    two.run();
    two.now.wall += milliseconds(1'900);
    two.on_commit();
    CHECK_FALSE(two.hq.closed);
    two.now.wall -= milliseconds(2'100);
    two.on_commit();
    CHECK(two.hq.reason() == errc::link_closed);
    CHECK(two.hq.closed->reconnect);
}

TEST_CASE("link: the primary's pulses: reach the follower once each, those that are wrong end it") {
    TwoLinks two;
    two.found();
    two.hq.store->pulse(two.now.wall);
    two.dial();
    two.run();
    CHECK(two.branch.store->pulses_taken == 1);
    two.advance(milliseconds(20'000));
    CHECK(two.branch.store->pulses_taken == 1);
    two.hq.store->pulse(two.now.wall);
    two.advance(milliseconds(4'000));
    CHECK(two.branch.store->pulses_taken == 2);
    auto forger = two.hq.store->clone();
    forger->node.bytes[0] ^= std::byte{1};
    forger->pulse(two.now.wall);
    two.hq.store->take_pulse_of(*forger);
    two.advance(milliseconds(4'000));
    CHECK(two.branch.reason() == errc::bad_signature);
    CHECK(two.branch.store->pulses_taken == 2);
}

TEST_CASE("link: a peer that asks and does not read: given up when too much waits for it") {
    TwoLinks two;
    two.options.window = 8u << 20;
    two.options.unsent_limit = 1u << 20;
    two.found();
    for (int i = 0; i < 40; ++i) two.hq.store->commit(2, 30'000);
    two.dial();
    two.run(20);
    two.branch_is_deaf = true;
    two.run();
    two.on_commit();
    CHECK(two.hq.reason() == errc::overloaded);
}

TEST_CASE("backoff: each wait is drawn from below a ceiling that doubles up to its cap") {
    Backoff backoff(milliseconds(100), milliseconds(1'000));
    const auto highest = [&] { return backoff.next(~std::uint64_t{0}).count(); };
    CHECK(backoff.next(0).count() == 0);
    for (const std::int64_t ceiling : {200, 400, 800, 1000, 1000}) {
        CHECK(highest() == static_cast<std::int64_t>(~std::uint64_t{0} % ceiling));
    }
    for (std::uint64_t random = 0; random < 2000; random += 7) {
        CHECK(backoff.next(random).count() == static_cast<std::int64_t>(random % 1000));
    }
    backoff.reset();
    for (int i = 0; i < 3; ++i) {
        backoff.reset();
        CHECK(backoff.next(199).count() == 99);
    }
}
