#include <doctest/doctest.h>

#include "transport/protocol/two_links.h"

using namespace countersign;
using namespace countersign::testing;
using Kind = LinkEvent::Kind;

TEST_CASE("link: a second directory uses a link counter again: both sides hear of a clone") {
    TwoLinks two;
    two.found();
    auto copied = two.branch.store->clone();
    two.dial();
    two.run();
    REQUIRE(two.hq.store->suspects.empty());
    two.branch.store = copied;
    two.branch.table = std::make_shared<LinkTable>();
    two.dial();
    two.run();
    CHECK(two.hq.store->suspects.contains(copied->node));
    CHECK(two.hq.saw(Kind::clone));
    CHECK(two.hq.reason() == errc::clone_suspected);
    CHECK(copied->told_of_clones == 1);
    CHECK(two.branch.saw(Kind::clone));
    CHECK(two.branch.reason() == errc::clone_suspected);
    CHECK(two.branch.closed->reconnect);
    // With an incarnation of its own it is let in.
    copied->incarnation = Incarnation{2};
    two.dial();
    two.run();
    CHECK_FALSE(two.branch.closed);
    CHECK(two.branch.saw(Kind::connected));
}

TEST_CASE("link: the node comes back by a new link: the old one is named, once the new one lives") {
    TwoLinks two;
    two.found();
    two.dial();
    two.run();
    const auto old_id = two.hq.link->id();
    std::optional<Link> old = std::move(two.hq.link);  // its peer has gone without a word
    two.dial();
    two.run(2);  // the handshake: message 1 is not enough
    CHECK_FALSE(two.hq.saw(Kind::connected));
    two.run();
    REQUIRE(two.hq.saw(Kind::connected));
    CHECK(two.hq.events[0].replaces == old_id);
    CHECK(two.hq.store->suspects.empty());
}

TEST_CASE("link: a link that ended: replaces nothing") {
    TwoLinks two;
    two.found();
    two.dial();
    two.run();
    two.cut();
    two.dial();
    two.run();
    REQUIRE(two.hq.saw(Kind::connected));
    CHECK_FALSE(two.hq.events[0].replaces);
}

TEST_CASE("link table: a counter that was seen: said; a new incarnation: counts anew") {
    LinkTable table;
    const NodeId peer{};
    CHECK(table.hello(peer, Incarnation{1}, 5, Instant{}));
    CHECK_FALSE(table.hello(peer, Incarnation{1}, 5, Instant{}));
    CHECK(table.hello(peer, Incarnation{1}, 6, Instant{}));
    CHECK_FALSE(table.hello(peer, Incarnation{1}, 5, Instant{}));
    CHECK(table.hello(peer, Incarnation{2}, 1, Instant{}));
    CHECK_FALSE(table.hello(peer, Incarnation{2}, 1, Instant{}));
}

TEST_CASE("link table: hellos of one process overtake each other: no clone; far behind: one") {
    LinkTable table;
    const NodeId peer{};
    constexpr std::uint64_t window = LinkTable::hello_window;
    CHECK(table.hello(peer, Incarnation{1}, 100, Instant{}));
    CHECK(table.hello(peer, Incarnation{1}, 99, Instant{}));
    CHECK_FALSE(table.hello(peer, Incarnation{1}, 99, Instant{}));
    CHECK(table.hello(peer, Incarnation{1}, 100 - window + 1, Instant{}));
    CHECK_FALSE(table.hello(peer, Incarnation{1}, 100 - window, Instant{}));
    CHECK(table.hello(peer, Incarnation{1}, 100 + window, Instant{}));
    CHECK(table.hello(peer, Incarnation{1}, 101, Instant{}));
    CHECK_FALSE(table.hello(peer, Incarnation{1}, 100, Instant{}));
    CHECK(table.hello(peer, Incarnation{1}, 1000, Instant{}));
    CHECK_FALSE(table.hello(peer, Incarnation{1}, 1000 - window, Instant{}));
    const Instant late = Instant{} + LinkTable::hello_lateness;
    CHECK(table.hello(peer, Incarnation{1}, 998, late));
    CHECK_FALSE(table.hello(peer, Incarnation{1}, 999, late + milliseconds{1}));
}

TEST_CASE("link table: an older link is entered after a newer one: it is stale") {
    LinkTable table;
    const NodeId peer{};
    const auto older = table.open();
    const auto newer = table.open();
    REQUIRE(table.hello(peer, Incarnation{1}, 1, Instant{}));
    REQUIRE(table.hello(peer, Incarnation{1}, 2, Instant{}));
    CHECK_FALSE(table.enter(newer, peer, 2, Instant{}).stale);
    CHECK(table.enter(older, peer, 1, Instant{}).stale);
    // Once that one has ended, a late one is better than none.
    table.leave(newer);
    CHECK_FALSE(table.enter(older, peer, 1, Instant{}).stale);
}

TEST_CASE("link table: links that keep replacing each other: said, quickly or not at all") {
    for (const milliseconds apart : {milliseconds(100), milliseconds(20'000)}) {
        LinkTable table;
        const NodeId peer{};
        Instant now{};
        int flapping = 0;
        for (std::uint64_t counter = 1; counter <= 6; ++counter) {
            now += apart;
            REQUIRE(table.hello(peer, Incarnation{counter}, 1, Instant{}));
            flapping += table.enter(table.open(), peer, 1, now).flapping;
        }
        CHECK(flapping == (apart < milliseconds(1000) ? 1 : 0));
    }
}

TEST_CASE("link table: links that end before the next begins: no replacement at all") {
    LinkTable table;
    const NodeId peer{};
    for (std::uint64_t counter = 1; counter <= 20; ++counter) {
        const auto link = table.open();
        REQUIRE(table.hello(peer, Incarnation{1}, counter, Instant{}));
        const auto entered = table.enter(link, peer, counter, Instant{});
        CHECK_FALSE(entered.flapping);
        CHECK_FALSE(entered.replaces);
        table.leave(link);
    }
}
