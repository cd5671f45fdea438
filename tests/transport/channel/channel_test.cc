#include "channel/channel.h"

#include <doctest/doctest.h>

#include "support/vectors.h"
#include "transport/channel/two_channels.h"

using namespace countersign;
using namespace countersign::channel;
using countersign::testing::Bytes;
using countersign::testing::bytes_of;
using countersign::testing::random_key_pair;
using countersign::testing::Side;
using countersign::testing::TestLink;

namespace {

Bytes flipped(Bytes bytes, std::size_t bit) {
    bytes[bit / 8] ^= static_cast<std::byte>(1u << (bit % 8));
    return bytes;
}

/// Closed at once, or, where the damage made a message longer, when the deadline passes; and in
/// no case any further than it was.
void check_dead(Side& side, const TestLink& link) {
    side.channel.on_time(link.now + link.options.session_age + link.options.renewal_deadline);
    side.drain();
    CHECK(side.closed);
    CHECK(side.channel.phase() == Phase::closed);
    CHECK(side.frames.empty());
    CHECK(side.sent.empty());
    CHECK(side.channel.send({}, link.now).error() == errc::link_closed);
}

}  // namespace

TEST_CASE("channel: two sides that know each other: payloads, keys, then frames both ways") {
    TestLink link(1);
    Side first = link.initiator(bytes_of("v1, no invitation"));
    Side second = link.responder();
    CHECK(first.channel.phase() == Phase::expecting_2);
    CHECK(second.channel.phase() == Phase::expecting_1);

    link.deliver(first, second);
    CHECK(second.channel.phase() == Phase::deciding);
    REQUIRE(second.known.size() == 1);
    CHECK(second.known[0].static_key == link.initiator_key->public_key);
    CHECK(second.known[0].payload == bytes_of("v1, no invitation"));
    CHECK_FALSE(second.known[0].renewal);
    CHECK(second.sent.empty());

    link.accept(second, bytes_of("welcome"));
    CHECK(second.channel.phase() == Phase::unconfirmed);
    link.deliver(second, first);
    REQUIRE(first.established.size() == 1);
    CHECK(first.established[0].payload == bytes_of("welcome"));
    CHECK(second.established.empty());

    link.send(first, bytes_of("hello"));
    link.deliver(first, second);
    REQUIRE(second.established.size() == 1);
    CHECK(second.established[0].handshake_hash == first.established[0].handshake_hash);
    CHECK(second.frames == std::vector<Bytes>{bytes_of("hello")});
    link.send(second, bytes_of("hello yourself"));
    link.deliver(second, first);
    CHECK(first.frames == std::vector<Bytes>{bytes_of("hello yourself")});
    CHECK(first.channel.peer() == link.responder_key->public_key);
}

TEST_CASE("channel: a stream that ends at any byte: only what was whole has happened") {
    TestLink link(2);
    Side first = link.initiator();
    Side second = link.responder();
    const Bytes message_1 = first.take_sent();
    for (std::size_t i = 0; i < message_1.size(); ++i) {
        CHECK(second.known.empty());
        second.feed(std::span(message_1).subspan(i, 1), link.now);
    }
    CHECK(second.known.size() == 1);
    link.accept(second);
    const Bytes message_2 = second.take_sent();
    for (std::size_t i = 0; i < message_2.size(); ++i) {
        CHECK(first.established.empty());
        first.feed(std::span(message_2).subspan(i, 1), link.now);
    }
    CHECK(first.established.size() == 1);

    std::vector<Bytes> frames;
    std::vector<std::size_t> ends;
    Bytes stream;
    for (const std::size_t size : {0, 1, 100, 0, 70'000}) {
        frames.push_back(testing::random_bytes(link.random, size));
        link.send(first, frames.back());
        const Bytes sent = first.take_sent();
        stream.insert(stream.end(), sent.begin(), sent.end());
        ends.push_back(stream.size());
    }
    std::size_t whole = 0;
    for (std::size_t i = 0; i < stream.size(); ++i) {
        second.feed(std::span(stream).subspan(i, 1), link.now);
        if (i + 1 == ends[whole]) ++whole;
        REQUIRE(second.frames.size() == whole);
    }
    CHECK((second.frames == frames));
    second.channel.close(errc::link_closed);
    second.drain();
    CHECK(*second.closed == errc::link_closed);
}

TEST_CASE("channel: any bit of message 1 is flipped: the responder says nothing and is dead") {
    TestLink link(3);
    const Bytes message = link.initiator(bytes_of("payload")).take_sent();
    for (std::size_t bit = 0; bit < message.size() * 8; ++bit) {
        CAPTURE(bit);
        Side second = link.responder();
        second.feed(flipped(message, bit), link.now);
        CHECK(second.known.empty());
        CHECK_FALSE(second.channel.peer());
        check_dead(second, link);
    }
}

TEST_CASE("channel: any bit of message 2 is flipped: the initiator sends nothing and is dead") {
    TestLink link(4);
    for (std::size_t bit = 0; bit < (size_prefix + ikpsk2_overhead_2 + 7) * 8; ++bit) {
        CAPTURE(bit);
        Side first = link.initiator();
        Side second = link.responder();
        link.deliver(first, second);
        link.accept(second, bytes_of("payload"));
        first.feed(flipped(second.take_sent(), bit), link.now);
        CHECK(first.established.empty());
        check_dead(first, link);
    }
}

TEST_CASE("channel: any bit of a transport message is flipped: no frame, the channel is dead") {
    TestLink link(5);
    for (std::size_t bit = 0; bit < stream_size(9) * 8; ++bit) {
        CAPTURE(bit);
        auto [first, second] = link.open();
        link.send(first, bytes_of("plaintext"));
        link.send(first, bytes_of("plaintext"));
        second.feed(flipped(first.take_sent(), bit), link.now);
        check_dead(second, link);
    }
}

TEST_CASE("channel: a recorded conversation replayed to the responder: never established") {
    TestLink link(6);
    Side first = link.initiator();
    Side second = link.responder();
    const Bytes message_1 = first.take_sent();
    second.feed(message_1, link.now);
    link.accept(second);
    link.deliver(second, first);
    link.send(first, bytes_of("frame"));
    const Bytes transport = first.take_sent();

    Side replayed = link.responder();
    replayed.feed(message_1, link.now);
    CHECK(replayed.known.size() == 1);  // message 1 can be replayed, and so changes nothing
    link.accept(replayed);
    replayed.sent.clear();
    replayed.feed(transport, link.now);
    CHECK(replayed.established.empty());
    check_dead(replayed, link);

    second.feed(transport, link.now);
    CHECK(second.frames.size() == 1);
    second.frames.clear();
    second.feed(transport, link.now);  // the same again in its own session
    CHECK(*second.closed == errc::malformed);
    check_dead(second, link);
}

TEST_CASE("channel: transport messages swapped or one left out: dead") {
    for (const bool leave_out : {false, true}) {
        TestLink link(7);
        auto [first, second] = link.open();
        link.send(first, bytes_of("one"));
        const Bytes one = first.take_sent();
        link.send(first, bytes_of("two"));
        second.feed(first.take_sent(), link.now);
        if (!leave_out) second.feed(one, link.now);
        CHECK(*second.closed == errc::malformed);
        check_dead(second, link);
    }
}

TEST_CASE("channel: the initiator's own bytes come back to it: dead") {
    TestLink link(8);
    auto [first, second] = link.open();
    link.send(first, bytes_of("mirror"));
    first.feed(first.take_sent(), link.now);
    CHECK(*first.closed == errc::malformed);
    check_dead(first, link);
}

TEST_CASE("channel: sides that differ in psk, pool, version or key: no session") {
    const auto run = [](auto change_responder) {
        TestLink link(9);
        Side first = link.initiator();
        change_responder(link);
        Side second = link.responder();
        link.deliver(first, second);
        if (!second.closed) {
            link.accept(second);
            link.deliver(second, first);
            REQUIRE(first.closed);
            return *first.closed;
        }
        CHECK(second.sent.empty());
        return *second.closed;
    };
    CHECK(run([](TestLink& link) { link.psk[0] ^= std::byte{1}; }) == errc::handshake_failed);
    CHECK(run([](TestLink& link) { link.pool.bytes[0] = std::byte{1}; }) == errc::handshake_failed);
    CHECK(run([](TestLink& link) { link.responder_key = random_key_pair(link.random); }) ==
          errc::handshake_failed);

    TestLink link(10);
    Side first = link.initiator();
    Identity other = link.identity(link.responder_key);
    other.wire_version = WireVersion{2};
    Side second(Channel::respond(other, link.options, link.now));
    link.deliver(first, second);
    CHECK(*second.closed == errc::handshake_failed);
}

TEST_CASE("channel: a responder's key of low order: initiate fails") {
    TestLink link(11);
    const auto made = Channel::initiate(
        link.identity(link.initiator_key), ChannelKey{}, link.offer(), link.options, link.now);
    REQUIRE_FALSE(made);
    CHECK(made.error() == errc::handshake_failed);
}

TEST_CASE("channel: handshake payloads at and above the limit: carried, and refused") {
    TestLink link(12);
    const Bytes most(max_handshake_payload), above(max_handshake_payload + 1);
    CHECK(Channel::initiate(link.identity(link.initiator_key),
                            link.responder_key->public_key,
                            link.offer(above),
                            link.options,
                            link.now)
              .error() == errc::too_large);
    Side first = link.initiator(most);
    Side second = link.responder();
    link.deliver(first, second);
    REQUIRE(second.known.size() == 1);
    CHECK(second.known[0].payload == most);
    CHECK(second.channel.accept(link.offer(above), link.now).error() == errc::too_large);
    CHECK(second.channel.phase() == Phase::deciding);  // and may answer otherwise
    link.accept(second, most);
    link.deliver(second, first);
    REQUIRE(first.established.size() == 1);
    CHECK(first.established[0].payload == most);
}

TEST_CASE("channel: a stranger says other things: closed at the second byte, in silence") {
    TestLink link(13);
    for (const auto* text : {"GET / HTTP/1.1\r\n", "\x16\x03\x01\x02\x00", "\xff\xff", "SSH-2.0"}) {
        Side second = link.responder();
        const Bytes bytes = bytes_of(text);
        second.feed(std::span(bytes).first(1), link.now);
        CHECK_FALSE(second.closed);
        second.feed(std::span(bytes).subspan(1, 1), link.now);
        CHECK(*second.closed == errc::too_large);
        second.feed(bytes, link.now);  // ignored
        check_dead(second, link);
    }
    Side second = link.responder();
    second.feed(Bytes(2), link.now);
    CHECK(*second.closed == errc::malformed);
}

TEST_CASE("channel: the initiator goes on before it is answered: closed") {
    TestLink link(14);
    Bytes bytes = link.initiator().take_sent();
    bytes.push_back(std::byte{0});
    Side second = link.responder();
    second.feed(bytes, link.now);
    CHECK(second.known.size() == 1);
    CHECK(*second.closed == errc::malformed);
    CHECK(second.channel.accept(link.offer(), link.now).error() == errc::link_closed);
    check_dead(second, link);
}

TEST_CASE("channel: the responder refuses: closed without a word") {
    TestLink link(15);
    Side first = link.initiator();
    Side second = link.responder();
    link.deliver(first, second);
    second.channel.close(errc::not_a_member);
    second.drain();
    CHECK(*second.closed == errc::not_a_member);
    CHECK(second.sent.empty());
    CHECK(second.channel.accept(link.offer(), link.now).error() == errc::link_closed);
}

TEST_CASE("channel: the handshake stops at any point: closed at the deadline, not before") {
    for (int stop = 0; stop < 5; ++stop) {
        CAPTURE(stop);
        TestLink link(16);
        Side first = link.initiator();
        Side second = link.responder();
        if (stop >= 1) link.deliver(first, second);
        if (stop >= 2) link.accept(second);
        if (stop >= 3) link.deliver(second, first);
        if (stop >= 4) {
            link.send(first, {});
            link.deliver(first, second);
        }
        const Instant deadline = link.now + link.options.handshake_deadline;
        if (stop < 4) CHECK(second.wake_at == deadline);
        for (Side* side : {&first, &second}) {
            side->channel.on_time(deadline - std::chrono::nanoseconds(1));
            side->drain();
            CHECK_FALSE(side->closed);
            side->channel.on_time(deadline);
            side->drain();
        }
        CHECK(first.closed.has_value() == (stop < 3));
        CHECK(second.closed.has_value() == (stop < 4));
        if (second.closed) CHECK(*second.closed == errc::timed_out);
    }
}

TEST_CASE("channel: bytes come after the deadline: too late, even if they are right") {
    TestLink link(17);
    Side first = link.initiator();
    Side second = link.responder();
    link.now += link.options.handshake_deadline;
    link.deliver(first, second);
    CHECK(second.known.empty());
    CHECK(*second.closed == errc::timed_out);
}

TEST_CASE("channel: nobody takes the sealed bytes: overloaded, and nothing is lost or doubled") {
    TestLink link(18);
    auto [first, second] = link.open();
    const Bytes frame(std::size_t{4} << 20, std::byte{1});
    std::size_t accepted = 0;
    while (first.channel.send(frame, link.now)) ++accepted;
    CHECK(accepted == 7);
    CHECK(first.channel.send(frame, link.now).error() == errc::overloaded);
    first.drain();
    link.send(first, bytes_of("after"));
    link.deliver(first, second);
    REQUIRE(second.frames.size() == accepted + 1);
    CHECK(second.frames.back() == bytes_of("after"));
}

TEST_CASE("channel: closed with bytes still to send: they go first, Close is last") {
    TestLink link(19);
    auto [first, second] = link.open();
    REQUIRE(first.channel.send(bytes_of("goodbye"), link.now));
    first.channel.close(errc::cancelled);
    first.channel.close(errc::timed_out);  // changes nothing
    const auto send = first.channel.poll();
    REQUIRE(send);
    CHECK(std::holds_alternative<Send>(*send));
    const auto close = first.channel.poll();
    REQUIRE(close);
    REQUIRE(std::holds_alternative<Close>(*close));
    CHECK(std::get<Close>(*close).reason == errc::cancelled);
    CHECK_FALSE(first.channel.poll());
    second.feed(std::get<Send>(*send).bytes, link.now);
    CHECK(second.frames == std::vector<Bytes>{bytes_of("goodbye")});
}
