#include <functional>

#include <doctest/doctest.h>

#include "channel/channel.h"
#include "support/vectors.h"
#include "transport/channel/two_channels.h"

using namespace countersign;
using namespace countersign::channel;
using countersign::testing::Bytes;
using countersign::testing::bytes_of;
using countersign::testing::random_bytes;
using countersign::testing::random_key_pair;
using countersign::testing::Side;
using countersign::testing::TestLink;

namespace {

void renew(TestLink& link, Side& side, Bytes payload = {}) {
    REQUIRE(side.channel.renew(link.offer(std::move(payload)), link.now));
    side.drain();
}

/// An initiator made by hand from the objects below the channel: it can misbehave.
struct HandmadeInitiator {
    TestLink& link;
    std::optional<Session> session;
    Side peer;
    Bytes stream;

    explicit HandmadeInitiator(TestLink& test_link) : link(test_link), peer(link.responder()) {
        HandshakeState state = begin(prologue(), link.initiator_key);
        append_message(stream, *state.write_message({}));
        flush();
        link.accept(peer);
        const Bytes answer = peer.take_sent();
        REQUIRE(state.read_message(std::span(answer).subspan(size_prefix)));
        session = std::move(state).split();
        say(Kind::frame, Bytes(4));
        flush();
        REQUIRE(peer.frames.size() == 1);
        peer.frames.clear();
    }
    HandshakeState begin(const Bytes& bound, std::shared_ptr<const KeyPair> key) {
        HandshakeState state(
            ikpsk2, Role::initiator, bound, std::move(key), link.responder_key->public_key);
        state.set_ephemeral(Secret(random_bytes(link.random, key_size)));
        state.set_psk(Secret(link.psk));
        return state;
    }
    Bytes prologue() const {
        Bytes bytes = {std::byte{0}, std::byte{1}};
        bytes.insert(bytes.end(), link.pool.bytes.begin(), link.pool.bytes.end());
        return bytes;
    }
    HandshakeState begin_renewal(std::shared_ptr<const KeyPair> key) {
        Bytes bound = prologue();
        const Hash& hash = session->handshake_hash();
        bound.insert(bound.end(), hash.begin(), hash.end());
        return begin(bound, std::move(key));
    }
    void say(Kind kind, const Bytes& contents) {
        REQUIRE(append_transport(stream, *session, kind, {}, contents));
    }
    void flush() {
        peer.feed(stream, link.now);
        stream.clear();
    }
    /// Reads one transport message that the peer sent, with its size prefix.
    Bytes hear(const Bytes& sent) {
        Bytes plaintext(sent.size() - size_prefix - tag_size);
        REQUIRE(session->read_message(std::span(sent).subspan(size_prefix), plaintext));
        return plaintext;
    }
};

/// What the responder closes with after the handmade initiator has done `deed` and flushed.
std::optional<Error> after(const std::function<void(HandmadeInitiator&)>& deed) {
    TestLink link(31);
    HandmadeInitiator initiator(link);
    deed(initiator);
    initiator.flush();
    CHECK(initiator.peer.frames.empty());
    return initiator.peer.closed;
}

}  // namespace

TEST_CASE("channel: a session reaches its age: renewed in the stream, frames of both keys arrive") {
    TestLink link(30);
    auto [first, second] = link.open();
    CHECK(first.wake_at == link.now + link.options.session_age);
    link.now += link.options.session_age;
    first.channel.on_time(link.now - std::chrono::nanoseconds(1));
    first.drain();
    CHECK(first.renewals_due == 0);
    first.channel.on_time(link.now);
    first.drain();
    REQUIRE(first.renewals_due == 1);

    link.send(first, bytes_of("before the request"));
    renew(link, first, bytes_of("again"));
    link.send(first, bytes_of("after the request"));
    link.send(second, bytes_of("under way"));
    link.deliver(first, second);
    REQUIRE(second.known.size() == 2);
    CHECK(second.known[1].renewal);
    CHECK(second.known[1].payload == bytes_of("again"));
    CHECK(second.frames.size() == 2);
    link.send(second, bytes_of("not decided yet"));
    link.accept(second, bytes_of("fine"));
    link.send(second, bytes_of("under the new key"));
    link.send(first, bytes_of("still under the old key"));
    link.deliver(first, second);
    CHECK(second.frames.size() == 3);
    CHECK(second.established.size() == 1);

    link.deliver(second, first);
    CHECK(first.frames.size() == 3);
    REQUIRE(first.established.size() == 2);
    CHECK(first.established[1].renewal);
    CHECK(first.established[1].payload == bytes_of("fine"));
    CHECK(first.established[1].handshake_hash != first.established[0].handshake_hash);
    link.send(first, bytes_of("new key"));
    link.deliver(first, second);
    CHECK(second.frames.back() == bytes_of("new key"));
    REQUIRE(second.established.size() == 2);
    CHECK(second.established[1].handshake_hash == first.established[1].handshake_hash);
    CHECK(first.wake_at == link.now + link.options.session_age);
}

TEST_CASE("channel: a session has carried its messages: renewed, whoever sent them") {
    for (const bool initiator_sends : {true, false}) {
        TestLink link(32);
        link.options.session_messages = 10;
        auto [first, second] = link.open();  // one message
        Side& from = initiator_sends ? first : second;
        Side& to = initiator_sends ? second : first;
        for (int i = 0; i < 8; ++i) link.send(from, {});
        link.deliver(from, to);
        CHECK(first.renewals_due == 0);
        link.send(from, {});
        link.deliver(from, to);
        CHECK(first.renewals_due == 1);
        link.send(from, {});  // asked for once
        link.deliver(from, to);
        CHECK(first.renewals_due == 1);
    }
}

TEST_CASE("channel: renewals under load in both directions: every frame arrives, once, in order") {
    for (std::uint64_t seed = 0; seed < 60; ++seed) {
        CAPTURE(seed);
        TestLink link(1'000 + seed);
        link.options.session_messages = 3 + seed % 40;
        auto [first, second] = link.open();
        Bytes wire[2];
        std::vector<Bytes> said[2];
        Side* sides[2] = {&first, &second};
        int answered = 0, accepted = 1;
        std::mt19937_64 dice(seed);
        const auto step = [&](std::uint64_t roll, bool may_send) {
            const std::size_t who = roll % 2;
            Side& side = *sides[who];
            switch (roll / 2 % 5) {
                case 0:
                case 1:
                    if (!may_send) break;
                    // Some frames have parts on both sides of a switch.
                    said[who].push_back(
                        random_bytes(link.random, dice() % 20 == 0 ? 150'000 : dice() % 300));
                    link.send(side, said[who].back());
                    break;
                case 2:
                    if (first.renewals_due > answered) {
                        ++answered;
                        renew(link, first);
                    }
                    break;
                case 3:
                    if (second.known.size() > static_cast<std::size_t>(accepted)) {
                        ++accepted;
                        link.accept(second);
                    }
                    break;
                default: {
                    const Bytes fresh = side.take_sent();
                    wire[who].insert(wire[who].end(), fresh.begin(), fresh.end());
                    const std::size_t most = dice() % 3 == 0 ? wire[who].size() : 2'000;
                    const std::size_t size =
                        std::min<std::size_t>(wire[who].size(), dice() % (most + 1));
                    sides[1 - who]->feed(std::span(wire[who]).first(size), link.now);
                    wire[who].erase(wire[who].begin(),
                                    wire[who].begin() + static_cast<std::ptrdiff_t>(size));
                }
            }
        };
        for (int i = 0; i < 600; ++i) step(dice(), true);
        for (int i = 0; i < 3'000; ++i) step(dice(), false);
        for (int i = 0; i < 40; ++i) {
            for (std::size_t who : {0u, 1u}) {
                const Bytes fresh = sides[who]->take_sent();
                wire[who].insert(wire[who].end(), fresh.begin(), fresh.end());
                sides[1 - who]->feed(wire[who], link.now);
                wire[who].clear();
            }
        }
        REQUIRE_FALSE(first.closed);
        REQUIRE_FALSE(second.closed);
        CHECK((first.frames == said[1]));
        CHECK((second.frames == said[0]));
        CHECK(first.established.size() >= 3);
        REQUIRE(first.established.size() == second.established.size());
        for (std::size_t i = 0; i < first.established.size(); ++i) {
            CHECK(first.established[i].handshake_hash == second.established[i].handshake_hash);
        }
    }
}

TEST_CASE("channel: the stream is cut into single bytes during a renewal: nothing changes") {
    TestLink link(33);
    link.options.session_messages = 2;
    auto [first, second] = link.open();
    const auto trickle = [&link](Side& from, Side& to) {
        for (const std::byte byte : from.take_sent()) to.feed(std::span(&byte, 1), link.now);
    };
    link.send(first, bytes_of("one"));
    renew(link, first);
    link.send(first, bytes_of("two"));
    trickle(first, second);
    link.send(second, bytes_of("three"));
    link.accept(second);
    link.send(second, bytes_of("four"));
    trickle(second, first);
    link.send(first, bytes_of("five"));
    trickle(first, second);
    CHECK(second.frames == std::vector<Bytes>{bytes_of("one"), bytes_of("two"), bytes_of("five")});
    CHECK(first.frames == std::vector<Bytes>{bytes_of("three"), bytes_of("four")});
    CHECK(second.established.size() == 2);
}

TEST_CASE("channel: any bit of a renewal's messages is flipped: dead, with no further frame") {
    for (int which = 0; which < 3; ++which) {
        for (std::size_t bit = 0, bits = 1; bit < bits; bit += 7) {
            TestLink link(34);
            link.options.session_messages = 1;
            auto [first, second] = link.open();
            renew(link, first);
            if (which >= 1) {
                link.deliver(first, second);
                link.accept(second);
            }
            if (which >= 2) link.deliver(second, first);
            Side& from = which == 1 ? second : first;
            Side& to = which == 1 ? first : second;
            const std::size_t events = to.known.size() + to.established.size();
            link.send(from, bytes_of("frame"));
            Bytes stream = from.take_sent();
            bits = (stream.size() - stream_size(5)) * 8;
            stream[bit / 8] ^= static_cast<std::byte>(1u << (bit % 8));
            to.feed(stream, link.now);
            to.channel.on_time(link.now + link.options.session_age +
                               2 * link.options.renewal_deadline);
            to.drain();
            CHECK(to.closed);
            CHECK(to.frames.empty());
            CHECK(to.known.size() + to.established.size() == events);
        }
    }
}

TEST_CASE("channel: a renewal by hand, as it should be: the new keys hold, the old are gone") {
    for (const bool use_old_key : {false, true}) {
        TestLink link(35);
        HandmadeInitiator initiator(link);
        HandshakeState state = initiator.begin_renewal(link.initiator_key);
        initiator.say(Kind::handshake_1, *state.write_message({}));
        initiator.flush();
        link.accept(initiator.peer);
        const Bytes answer = initiator.hear(initiator.peer.take_sent());
        CHECK(answer[0] == static_cast<std::byte>(Kind::handshake_2));
        REQUIRE(state.read_message(std::span(answer).subspan(1)));
        initiator.say(Kind::switch_keys, {});
        if (!use_old_key) initiator.session = std::move(state).split();
        initiator.say(Kind::frame, Bytes(4));
        initiator.flush();
        CHECK(initiator.peer.established.size() == 2);
        CHECK(initiator.peer.closed.has_value() == use_old_key);
        CHECK(initiator.peer.frames.size() == (use_old_key ? 0 : 1));
    }
}

TEST_CASE("channel: the peer breaks the rules of renewals or frames: closed, each its own error") {
    CHECK(after([](HandmadeInitiator& peer) {  // another static key
              HandshakeState state = peer.begin_renewal(random_key_pair(peer.link.random));
              peer.say(Kind::handshake_1, *state.write_message({}));
          })
              ->code() == errc::handshake_failed);
    CHECK(after([](HandmadeInitiator& peer) {  // not bound to the session
              HandshakeState state = peer.begin(peer.prologue(), peer.link.initiator_key);
              peer.say(Kind::handshake_1, *state.write_message({}));
          })
              ->code() == errc::handshake_failed);
    CHECK(after([](HandmadeInitiator& peer) {  // asked for twice
              HandshakeState state = peer.begin_renewal(peer.link.initiator_key);
              const Bytes message = *state.write_message({});
              peer.say(Kind::handshake_1, message);
              peer.say(Kind::handshake_1, message);
          })
              ->code() == errc::malformed);
    CHECK(after([](HandmadeInitiator& peer) {  // switched before there is an answer
              HandshakeState state = peer.begin_renewal(peer.link.initiator_key);
              peer.say(Kind::handshake_1, *state.write_message({}));
              peer.say(Kind::switch_keys, {});
          })
              ->code() == errc::malformed);
    const auto said = [](Kind kind, Bytes contents) {
        return after([&](HandmadeInitiator& peer) { peer.say(kind, contents); })->code();
    };
    CHECK(said(Kind::switch_keys, {}) == errc::malformed);
    CHECK(said(Kind::handshake_2, Bytes(60)) == errc::malformed);
    CHECK(said(Kind::handshake_1, Bytes(ikpsk2_overhead_1 - 1)) == errc::malformed);
    CHECK(said(Kind::handshake_1, Bytes(ikpsk2_overhead_1 + 1'025)) == errc::malformed);
    CHECK(said(Kind::handshake_1, Bytes(ikpsk2_overhead_1)) == errc::handshake_failed);
    CHECK(said(Kind::more, Bytes(1)) == errc::malformed);
    CHECK(said(Kind::frame, Bytes(4, std::byte{1})) == errc::too_large);
    CHECK(said(Kind::frame, Bytes(5)) == errc::malformed);
    CHECK(said(Kind{0}, {}) == errc::malformed);
    CHECK(said(Kind{6}, {}) == errc::malformed);
}

TEST_CASE("channel: a renewal is not completed: closed at its deadline, frames go on until then") {
    for (int stop = 0; stop < 4; ++stop) {
        CAPTURE(stop);
        TestLink link(36);
        auto [first, second] = link.open();
        link.now += link.options.session_age;
        first.channel.on_time(link.now);
        first.drain();
        const Instant first_deadline = link.now + link.options.renewal_deadline;
        Instant second_deadline = first_deadline;  // by the session's age
        if (stop >= 1) renew(link, first);
        for (int step = 2; step <= stop; ++step) {
            link.now += std::chrono::seconds(1);
            second_deadline = link.now + link.options.renewal_deadline;
            if (step == 2) link.deliver(first, second);
            if (step == 3) link.accept(second);
        }
        CHECK(first.wake_at == first_deadline);
        CHECK(second.wake_at == second_deadline);
        const Instant deadline = std::max(first_deadline, second_deadline);
        link.now = std::min(first_deadline, second_deadline) - std::chrono::nanoseconds(1);
        link.send(first, bytes_of("late"));
        if (stop < 3) link.send(second, bytes_of("late"));
        if (stop != 1) link.deliver(first, second);
        if (stop < 3) link.deliver(second, first);
        CHECK_FALSE(first.closed);
        CHECK_FALSE(second.closed);
        CHECK(second.frames.size() == (stop == 1 ? 0 : 1));
        CHECK(first.frames.size() == (stop < 3 ? 1 : 0));
        for (Side* side : {&first, &second}) {
            side->channel.on_time(deadline);
            side->drain();
            REQUIRE(side->closed);
            CHECK(*side->closed == errc::timed_out);
        }
    }
}

TEST_CASE("channel: the responder refuses a renewal: closed, and the initiator's call says so") {
    TestLink link(37);
    link.options.session_messages = 1;
    auto [first, second] = link.open();
    renew(link, first);
    link.deliver(first, second);
    second.channel.close(errc::not_a_member);
    second.drain();
    CHECK(*second.closed == errc::not_a_member);
    CHECK(second.sent.empty());
    first.channel.close(errc::link_closed);
    CHECK(first.channel.renew(link.offer(), link.now).error() == errc::link_closed);
}

TEST_CASE("channel: a renewal with another psk on one side: the initiator closes") {
    TestLink link(38);
    link.options.session_messages = 1;
    auto [first, second] = link.open();
    renew(link, first);
    link.deliver(first, second);
    link.psk[0] ^= std::byte{1};
    link.accept(second);
    link.deliver(second, first);
    REQUIRE(first.closed);
    CHECK(*first.closed == errc::handshake_failed);
}
