#include "channel/session.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <random>

#include <doctest/doctest.h>

#include "channel/handshake_state.h"
#include "transport/channel/two_channels.h"

using namespace countersign;
using namespace countersign::channel;
using countersign::testing::Bytes;
using countersign::testing::random_bytes;
using countersign::testing::random_key_pair;

namespace {

constexpr auto last_nonce = std::numeric_limits<std::uint64_t>::max() - 1;

std::pair<Session, Session> two_sessions(std::uint64_t nonce = 0) {
    std::mt19937_64 random(11);
    const Bytes forth = random_bytes(random, key_size), back = random_bytes(random, key_size);
    const auto cipher = [nonce](const Bytes& key) {
        CipherState state{Secret(key)};
        state.set_nonce(nonce);
        return state;
    };
    return {Session(cipher(forth), cipher(back), {}), Session(cipher(back), cipher(forth), {})};
}

}  // namespace

TEST_CASE("channel: the last nonce before 2^64-1 is used: the next message ends the session") {
    auto [sender, receiver] = two_sessions(last_nonce);
    Bytes message(1 + tag_size), plaintext(1);
    const Bytes payload(1, std::byte{9});
    REQUIRE(sender.write_message(payload, message));
    REQUIRE(receiver.read_message(message, plaintext));
    const auto exhausted = sender.write_message(payload, message);
    REQUIRE_FALSE(exhausted);
    CHECK(exhausted.error() == errc::limit_reached);
    CHECK(sender.write_message(payload, message).error() == errc::link_closed);
    CHECK(receiver.read_message(message, plaintext).error() == errc::limit_reached);
    CHECK(receiver.read_message(message, plaintext).error() == errc::link_closed);
    CHECK(receiver.write_message(payload, message).error() == errc::link_closed);
}

TEST_CASE("channel: a transport message does not decrypt: no plaintext, every later call fails") {
    auto [sender, receiver] = two_sessions();
    const Bytes payload(40, std::byte{9});
    Bytes message(payload.size() + tag_size), next(payload.size() + tag_size);
    REQUIRE(sender.write_message(payload, message));
    REQUIRE(sender.write_message(payload, next));
    Bytes bad = message;
    bad[5] ^= std::byte{1};
    Bytes plaintext(payload.size(), std::byte{0xaa});
    CHECK(receiver.read_message(bad, plaintext).error() == errc::malformed);
    CHECK(plaintext == Bytes(payload.size()));
    CHECK(receiver.read_message(message, plaintext).error() == errc::link_closed);
    CHECK(receiver.write_message(payload, message).error() == errc::link_closed);
    CHECK(receiver.messages() == 0);
}

TEST_CASE("channel: payloads at and above the Noise limit: carried, and refused without harm") {
    auto [sender, receiver] = two_sessions();
    const Bytes largest(max_payload_size, std::byte{3});
    Bytes message(max_message_size), plaintext(max_payload_size);
    CHECK(max_payload_size == 65'519);
    const Bytes above(max_payload_size + 1);
    Bytes room(above.size() + tag_size);
    CHECK(sender.write_message(above, room).error() == errc::too_large);
    REQUIRE(sender.write_message(largest, message));
    REQUIRE(receiver.read_message(message, plaintext));
    CHECK(plaintext == largest);
    CHECK(receiver.read_message(room, room).error() == errc::malformed);
    CHECK(receiver.read_message(message, plaintext).error() == errc::link_closed);
}

TEST_CASE("channel: one direction of a session is ended: the other goes on") {
    auto [left, right] = two_sessions();
    Bytes message(tag_size), plaintext;
    left.end_sending();
    CHECK(left.write_message({}, message).error() == errc::link_closed);
    REQUIRE(right.write_message({}, message));
    CHECK(left.read_message(message, plaintext));
}

TEST_CASE("channel: a handshake message shorter or longer than any can be: refused") {
    std::mt19937_64 random(5);
    const auto own = random_key_pair(random);
    for (std::size_t size = 0; size <= ikpsk2_overhead_1; ++size) {
        HandshakeState responder(ikpsk2, Role::responder, {}, own, {});
        const Bytes message = random_bytes(random, size);
        const auto exact = std::make_unique<std::byte[]>(size);  // a sanitizer sees its end
        std::ranges::copy(message, exact.get());
        CHECK(responder.read_message({exact.get(), size}).error() == errc::handshake_failed);
    }
    HandshakeState responder(ikpsk2, Role::responder, {}, own, {});
    CHECK(responder.read_message(Bytes(max_message_size + 1)).error() == errc::handshake_failed);
}

TEST_CASE("channel: a handshake payload too large for a message: refused, the handshake goes on") {
    std::mt19937_64 random(3);
    const auto own = random_key_pair(random), other = random_key_pair(random);
    HandshakeState state(ikpsk2, Role::initiator, {}, own, other->public_key);
    state.set_ephemeral(Secret(random_bytes(random, key_size)));
    const std::size_t most = max_message_size - ikpsk2_overhead_1;
    CHECK(state.write_message(Bytes(most + 1)).error() == errc::too_large);
    const auto written = state.write_message(Bytes(most));
    REQUIRE(written);
    CHECK(written->size() == max_message_size);
}

TEST_CASE("channel: a responder whose key is of low order: no message 1 is made") {
    std::mt19937_64 random(4);
    // RFC 7748 section 6.1: points whose product is all zero; 0 and 1 are two of them.
    for (const std::byte first : {std::byte{0}, std::byte{1}}) {
        ChannelKey low{};
        low.bytes[0] = first;
        HandshakeState state(ikpsk2, Role::initiator, {}, random_key_pair(random), low);
        state.set_ephemeral(Secret(random_bytes(random, key_size)));
        CHECK(state.write_message({}).error() == errc::handshake_failed);
        CHECK(state.write_message({}).error() == errc::handshake_failed);
    }
}
