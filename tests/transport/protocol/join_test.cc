#include <cstdlib>

#include <doctest/doctest.h>

#include "transport/protocol/two_links.h"

using namespace countersign;
using namespace countersign::testing;
using Kind = LinkEvent::Kind;

namespace {

TwoLinks before_join() {
    TwoLinks two;
    two.hq.store->found_pool();
    two.hq.store->commit(3);
    return two;
}

}  // namespace

TEST_CASE("link: a new machine with an invitation: is admitted, copies and follows on one link") {
    TwoLinks two = before_join();
    two.join(two.hq.store->invite(*two.branch.store));
    two.run();
    CHECK(two.branch.saw(Kind::joined));
    CHECK(two.branch.saw(Kind::copy_finished));
    CHECK(two.in_step());
    CHECK(two.hq.link->status().peer == two.branch.store->node);
    CHECK(two.branch.link->status().peer == two.hq.store->node);
    // From now on it is a member like any other.
    two.cut();
    two.hq.store->commit(1);
    two.dial();
    two.run();
    CHECK(two.in_step());
}

TEST_CASE("link: a joiner whose link is cut at every byte: the same string lets it in again") {
    std::size_t bytes = 0;
    for (bool cut = true; cut; bytes += std::getenv("COUNTERSIGN_LONG") ? 1 : 13) {
        TwoLinks two = before_join();
        auto invited = two.hq.store->invite(*two.branch.store);
        two.join({invited.request, invited.psk.clone()});
        two.cut_after(bytes);
        two.run();
        cut = !two.branch.link;
        two.cut();
        const auto head = two.hq.store->head().seq;
        two.join(std::move(invited));
        two.run();
        CAPTURE(bytes);
        REQUIRE(two.in_step());
        REQUIRE(two.hq.store->head().seq <= LogSeq{3});
        if (head == LogSeq{3}) REQUIRE(two.hq.store->head().seq == head);  // no second membership
    }
    CHECK(bytes > 2000);
}

TEST_CASE("link: admitted, then cut before the copy: dials whom the invitation named") {
    TwoLinks two = before_join();
    two.join(two.hq.store->invite(*two.branch.store));
    two.watch = [&] {
        if (two.branch.link && two.branch.saw(Kind::joined)) two.cut();
    };
    two.run();
    two.watch = nullptr;
    REQUIRE(two.branch.store->head().seq == LogSeq{});
    two.hq.store->expire_invitations();
    two.dial();
    two.run();
    CHECK(two.in_step());
}

TEST_CASE("link: an invitation used again with other keys: refused, the pool unchanged") {
    TwoLinks two = before_join();
    auto invited = two.hq.store->invite(*two.branch.store);
    two.join({invited.request, invited.psk.clone()});
    two.run();
    two.cut();
    const auto before = two.hq.store->head();
    two.branch.store = std::make_shared<FakeLinkStore>(55, "thief");
    two.join(two.hq.store->invited_with(invited, *two.branch.store));
    two.run();
    CHECK(two.branch.reason() == errc::invitation_spent);
    CHECK_FALSE(two.branch.closed->reconnect);
    CHECK(two.hq.store->head() == before);
    CHECK(two.branch.store->writes == 0);
}

TEST_CASE("link: a foreign, expired or mistyped invitation: not a byte is answered") {
    TwoLinks two = before_join();
    std::size_t answered = 0;
    two.tap = [&](Bytes& chunk, bool to_hq) { answered += to_hq ? 0 : chunk.size(); };
    auto invited = two.hq.store->invite(*two.branch.store);
    const auto before = two.hq.store->head();

    SUBCASE("expired") {
        two.hq.store->expire_invitations();
    }
    SUBCASE("unknown") {
        invited.request.invitation.bytes[0] ^= std::byte{1};
    }
    SUBCASE("of another pool") {
        two.branch.store->pool.bytes[0] ^= std::byte{1};
    }
    two.join(std::move(invited));
    two.run();
    CHECK(answered == 0);
    CHECK(two.branch.reason() == errc::handshake_failed);
    CHECK(two.hq.store->head() == before);
}

TEST_CASE("link: an invitation with a wrong seed: the handshake fails") {
    TwoLinks two = before_join();
    auto invited = two.hq.store->invite(*two.branch.store);
    invited.psk = Secret(Bytes(32, std::byte{1}));
    const auto before = two.hq.store->head();
    two.join(std::move(invited));
    two.run();
    CHECK(two.branch.reason() == errc::handshake_failed);
    CHECK(two.hq.store->head() == before);
}

TEST_CASE("link: keys that the admission key did not sign: refused, the invitation unspent") {
    TwoLinks two = before_join();
    auto invited = two.hq.store->invite(*two.branch.store);
    auto forged = Link::Invited{invited.request, invited.psk.clone()};
    forged.request.admission.signature.bytes[0] ^= std::byte{1};
    const auto before = two.hq.store->head();
    two.join(std::move(forged));
    two.run();
    CHECK(two.branch.reason() == errc::bad_signature);
    CHECK(two.hq.store->head() == before);
    two.cut();
    two.join(std::move(invited));
    two.run();
    CHECK(two.in_step());
}

TEST_CASE("link: an admission for another machine's channel key: refused") {
    TwoLinks two = before_join();
    FakeLinkStore other(66, "other");
    auto invited = two.hq.store->invite(other);
    two.branch.store->pool = two.hq.store->pool;
    two.join(std::move(invited));
    two.run();
    CHECK(two.branch.reason() == errc::malformed);
    CHECK(two.hq.store->head().seq == LogSeq{2});
}

TEST_CASE("link: joining at a replica: refused, and told who the primary is") {
    TwoLinks two;
    two.found();
    auto primary = two.hq.store;
    auto invited = primary->invite(*two.branch.store);
    auto replica = std::make_shared<FakeLinkStore>(88, "replica");
    primary->add_member(*replica, Capability::serve);
    replica->restore_from(*primary);
    replica->take_invitations(*primary);
    two.hq.store = replica;
    two.branch.store->forget_log();
    two.join(std::move(invited));
    two.run();
    CHECK(two.branch.reason() == errc::not_primary);
    CHECK(two.branch.closed->reason.detail() == "the peer said goodbye: hq writes");
    CHECK_FALSE(two.branch.closed->reconnect);
}

TEST_CASE("link: a joiner that says nothing after the handshake: given up in time") {
    TwoLinks two = before_join();
    two.join(two.hq.store->invite(*two.branch.store));
    two.hq.store->fault = [](const std::string&) -> std::optional<Error> { return std::nullopt; };
    two.branch_is_deaf = true;
    two.advance(milliseconds(200'000));
    CHECK(two.hq.closed);
    CHECK(two.branch.closed);
    CHECK(two.hq.store->head().seq == LogSeq{2});
}

TEST_CASE("link: keys fall due for renewal before a joiner is admitted: renewed after that") {
    TwoLinks two = before_join();
    two.options.session_messages = 1;
    two.join(two.hq.store->invite(*two.branch.store));
    two.run();
    CHECK(two.in_step());
    CHECK_FALSE(two.branch.closed);
}
