#include <doctest/doctest.h>

#include "transport/protocol/two_links.h"

using namespace countersign;
using namespace countersign::testing;
using Kind = LinkEvent::Kind;

TEST_CASE("link: a member removed while linked: gets the batch that removed it, then nothing") {
    TwoLinks two;
    two.found();
    two.dial();
    two.run();
    two.hq.store->commit(1);
    two.hq.store->remove_member(two.branch.store->node);
    two.on_commit();
    two.run();
    CHECK(two.branch.store->removed);
    CHECK(two.branch.saw(Kind::removed));
    CHECK(two.branch.reason() == errc::not_a_member);
    CHECK_FALSE(two.branch.closed->reconnect);
    CHECK(two.hq.saw(Kind::peer_removed));
}

TEST_CASE("link: a member removed while away: is let in for that one message") {
    TwoLinks two;
    two.found();
    two.hq.store->remove_member(two.branch.store->node);
    two.hq.store->commit(5);
    const auto rows = two.branch.store->rows();
    two.dial();
    two.run();
    CHECK(two.branch.store->removed);
    CHECK(two.branch.store->rows() == rows);
    CHECK(two.branch.reason() == errc::not_a_member);
    CHECK(two.hq.reason() == errc::not_a_member);
    CHECK_FALSE(two.hq.saw(Kind::connected));
}

TEST_CASE("link: a removal that retention has let go of: said, and not proved") {
    TwoLinks two;
    two.found();
    two.hq.store->remove_member(two.branch.store->node);
    two.hq.store->commit(1);
    two.hq.store->trim(two.hq.store->head().seq);
    two.dial();
    two.run();
    CHECK_FALSE(two.branch.store->removed);
    CHECK(two.branch.reason() == errc::not_a_member);
}

TEST_CASE("link: a member removed between hello and the end of the greeting: noticed") {
    TwoLinks two;
    two.found();
    bool removed = false;
    two.watch = [&] {
        if (!removed && !two.hq.store->heads_heard.empty()) {
            removed = true;
            two.hq.store->remove_member(two.branch.store->node);
            two.on_commit();
        }
    };
    two.dial();
    two.run();
    CHECK(removed);
    CHECK(two.branch.store->removed);
    CHECK(two.hq.reason() == errc::not_a_member);
}

TEST_CASE("link: keys renewed by a member that has been removed: the link ends") {
    TwoLinks two;
    two.options.ping_interval = milliseconds(100'000'000);
    two.options.silence_limit = milliseconds(200'000'000);
    two.found();
    two.dial();
    two.run();
    two.hq.store->remove_member(two.branch.store->node);  // and the link is not told
    two.advance(milliseconds(130'000));
    CHECK(two.hq.reason() == errc::not_a_member);
    CHECK(two.branch.closed);
}

TEST_CASE("link: a stranger, or a member of another pool: not a byte is answered") {
    TwoLinks two;
    two.found();
    std::size_t answered = 0;
    two.tap = [&](Bytes& chunk, bool to_hq) { answered += to_hq ? 0 : chunk.size(); };
    SUBCASE("a key that no member holds") {
        auto stranger = std::make_shared<FakeLinkStore>(5, "stranger");
        stranger->restore_from(*two.hq.store);
        two.branch.store = stranger;
    }
    SUBCASE("another pool") {
        two.branch.store->pool.bytes[3] ^= std::byte{1};
    }
    two.dial();
    two.run();
    CHECK(answered == 0);
    CHECK(two.branch.reason() == errc::handshake_failed);
    CHECK(two.branch.closed->reason.detail() ==
          "the other side hung up: it may not know this node, or its invitation");
    CHECK(two.hq.reason() == errc::handshake_failed);
    CHECK(two.hq.store->heads_heard.empty());
}

TEST_CASE("link: a member whose psk is not the pool's: the handshake fails") {
    TwoLinks two;
    two.found();
    REQUIRE(two.branch.store->admitted({Secret(Bytes(32, std::byte{9})), Secret()}));
    two.dial();
    two.run();
    CHECK(two.branch.reason() == errc::handshake_failed);
    CHECK(two.hq.store->heads_heard.empty());
}

TEST_CASE("link: dialling a node that is no member: refused without a byte") {
    TwoLinks two;
    two.found();
    const auto link = Link::dial(two.branch.store,
                                 two.branch.table,
                                 FakeLinkStore(7, "stranger").channel_key(),
                                 two.options,
                                 two.now);
    REQUIRE_FALSE(link);
    CHECK(link.error() == errc::not_a_member);
}

TEST_CASE("link: closed by the program: the peer is told why, and whether to come back") {
    TwoLinks two;
    two.found();
    two.dial();
    two.run();
    SUBCASE("shutting down") {
        two.hq.link->close(Error(errc::link_closed, "shutting\ndown \xe2\x80\xae"), two.now);
        two.on_commit();
        two.run();
        CHECK(two.branch.reason() == errc::link_closed);
        CHECK(two.branch.closed->reason.detail() == "the peer said goodbye: shutting?down ???");
        CHECK(two.branch.closed->reconnect);
    }
    SUBCASE("replaced") {
        two.hq.link->close(errc::link_replaced, two.now);
        two.on_commit();
        two.run();
        CHECK(two.branch.reason() == errc::link_replaced);
        CHECK_FALSE(two.branch.closed->reconnect);
    }
}
