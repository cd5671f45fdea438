// The encrypted channel: bytes from a stranger at each phase, and from a peer that holds the keys.
#include "channel/channel.h"

#include <algorithm>

#include "fuzz/fuzz.h"
#include "transport/channel/two_channels.h"

namespace countersign::fuzz {
namespace {

using testing::Side;
using testing::TestLink;

enum Choice : unsigned { first_message, second_message, open_stream, peer_with_keys };

/// What may be said of any channel, whatever it was fed.
void check(Side& side, bool stranger) {
    if (stranger) {
        require(side.frames.empty() && side.known.empty(), "a stranger is neither known nor heard");
    }
    for (const auto& frame : side.frames) {
        require(frame.size() <= channel::max_frame_size, "a frame is within its limit");
    }
    require(side.closed.has_value() == (side.channel.phase() == channel::Phase::closed),
            "Close is given when the channel is closed");
    if (!side.closed) return;
    require_documented(*side.closed, {errc::malformed, errc::too_large, errc::handshake_failed});
    const auto frames = side.frames.size();
    side.feed(Bytes(100), Instant(std::chrono::hours(1)));
    require(side.frames.size() == frames, "a closed channel delivers nothing");
}

/// Gives `bytes` in two pieces, to show that the cut changes nothing that the other cases see.
void feed_cut(Side& side, BytesView bytes, std::size_t cut, Instant now) {
    const auto at = std::min(cut, bytes.size());
    side.feed(bytes.first(at), now);
    side.feed(bytes.subspan(at), now);
}

/// The session of an initiator whose keys the test knows.
channel::Session session_with(TestLink& link, Side& responder) {
    Bytes prologue{std::byte{0}, std::byte{1}};
    prologue.insert(prologue.end(), link.pool.bytes.begin(), link.pool.bytes.end());
    channel::HandshakeState handshake(channel::ikpsk2,
                                      channel::Role::initiator,
                                      prologue,
                                      link.initiator_key,
                                      link.responder_key->public_key);
    const auto offer = link.offer();
    handshake.set_ephemeral(offer.ephemeral);
    handshake.set_psk(offer.psk);
    Bytes stream;
    channel::append_message(stream, *handshake.write_message({}));
    responder.feed(stream, link.now);
    link.accept(responder);
    const auto answer = responder.take_sent();
    require(handshake.read_message(BytesView(answer).subspan(channel::size_prefix)).has_value(),
            "the handshake is completed");
    return std::move(handshake).split();
}

/// Each part of `input`, two bytes of size and then its plaintext, as one transport message.
void run_peer(TestLink& link, Input input) {
    auto side = link.responder();
    auto session = session_with(link, side);
    while (!input.empty() && !side.closed) {
        const auto plain = input.bytes(input.number<std::uint16_t>());
        Bytes message(plain.size() + channel::tag_size);
        if (!session.write_message(plain, message)) break;
        Bytes stream;
        channel::append_message(stream, message);
        side.feed(stream, link.now);
    }
    require(side.known.size() == 1, "no renewal is begun without its keys");
    check(side, false);
}

void run(BytesView input) {
    Input from(input);
    const auto choice = from.number<std::uint8_t>() % 4u;
    TestLink link(1);
    if (choice == peer_with_keys) return run_peer(link, from);
    const std::size_t cut = from.number<std::uint8_t>();
    if (choice == first_message) {
        auto side = link.responder();
        feed_cut(side, from.rest(), cut, link.now);
        // The seed is the one message 1 that its owner wrote: it may be heard, and changes nothing.
        require(side.frames.empty() && side.established.empty(), "message 1 establishes nothing");
        check(side, false);
    } else if (choice == second_message) {
        auto side = link.initiator();
        feed_cut(side, from.rest(), cut, link.now);
        require(side.established.empty(), "a stranger cannot answer");
        check(side, true);
    } else {
        auto [initiator, responder] = link.open();
        responder.known.clear();
        feed_cut(responder, from.rest(), cut, link.now);
        check(responder, true);
    }
}

std::vector<Bytes> seeds() {
    TestLink link(1);
    auto first = link.initiator();
    const Bytes message = first.take_sent();
    const std::byte cut{40};
    std::vector<Bytes> all;
    all.push_back(with_choice(first_message, joined({{&cut, 1}, message})));
    all.push_back(with_choice(second_message, joined({{&cut, 1}, Bytes(50, std::byte{})})));
    all.push_back(with_choice(open_stream, joined({{&cut, 1}, Bytes(20, std::byte{})})));
    for (const std::string_view parts :
         {std::string_view("\x05\x00\x01\x00\x00\x00\x00", 7),
          std::string_view("\x07\x00\x01\x00\x00\x00\x04xy\x03\x00\x02zz", 14),
          std::string_view("\x01\x00\x05\x01\x00\x04\x01\x00\x03", 9),
          std::string_view("\x05\x00\x01\x00\xff\xff\xff", 7)}) {
        all.push_back(with_choice(peer_with_keys, view_of(parts)));
    }
    return all;
}

const Target target("channel", run, seeds);

}  // namespace
}  // namespace countersign::fuzz
