#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <utility>
#include <vector>

#include "channel/channel.h"

namespace countersign::testing {

using Bytes = std::vector<std::byte>;

inline Bytes random_bytes(std::mt19937_64& random, std::size_t size) {
    Bytes bytes(size);
    for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
    return bytes;
}

inline std::shared_ptr<const channel::KeyPair> random_key_pair(std::mt19937_64& random) {
    return std::make_shared<channel::KeyPair>(
        channel::KeyPair::from_private(Secret(random_bytes(random, channel::key_size))));
}

/// One side of a link and all that it has said so far, sorted.
struct Side {
    channel::Channel channel;
    std::vector<Bytes> sent;  ///< one entry a Send, in order; tests take from it
    std::vector<Bytes> frames;
    std::vector<channel::PeerKnown> known;
    std::vector<channel::Established> established;
    int renewals_due = 0;
    std::optional<Instant> wake_at;
    std::optional<Error> closed;

    explicit Side(channel::Channel made) : channel(std::move(made)) { drain(); }

    void drain() {
        while (auto action = channel.poll()) {
            std::visit([this](auto&& one) { take(std::forward<decltype(one)>(one)); },
                       std::move(*action));
        }
    }
    void feed(std::span<const std::byte> bytes, Instant now) {
        channel.on_bytes(bytes, now);
        drain();
    }
    /// All that was sent and not taken yet, as one.
    Bytes take_sent() {
        Bytes all;
        for (const Bytes& bytes : sent) all.insert(all.end(), bytes.begin(), bytes.end());
        sent.clear();
        return all;
    }

  private:
    void take(channel::Send&& send) { sent.push_back(std::move(send.bytes)); }
    void take(channel::Deliver&& deliver) { frames.push_back(std::move(deliver.frame)); }
    void take(channel::PeerKnown&& peer) { known.push_back(std::move(peer)); }
    void take(channel::Established&& one) { established.push_back(std::move(one)); }
    void take(channel::RenewalDue&&) { ++renewals_due; }
    void take(channel::WakeAt&& wake) { wake_at = wake.at; }
    void take(channel::Close&& close) { closed = std::move(close.reason); }
};

/// Keys, options and randomness of one link under test, all drawn from the seed.
struct TestLink {
    std::mt19937_64 random;
    channel::Options options;
    Instant now{std::chrono::hours(1)};
    PoolId pool{};
    std::shared_ptr<const channel::KeyPair> initiator_key, responder_key;
    Bytes psk;

    explicit TestLink(std::uint64_t seed) : random(seed) {
        initiator_key = random_key_pair(random);
        responder_key = random_key_pair(random);
        psk = random_bytes(random, channel::key_size);
        pool.bytes[3] = std::byte{7};
    }

    channel::Identity identity(std::shared_ptr<const channel::KeyPair> key) const {
        return {
            .wire_version = channel::WireVersion{1}, .pool = pool, .static_key = std::move(key)};
    }
    channel::Offer offer(Bytes payload = {}) {
        return {.ephemeral = Secret(random_bytes(random, channel::key_size)),
                .psk = Secret(psk),
                .payload = std::move(payload)};
    }
    Side initiator(Bytes payload = {}) {
        return Side(*channel::Channel::initiate(identity(initiator_key),
                                                responder_key->public_key,
                                                offer(std::move(payload)),
                                                options,
                                                now));
    }
    Side responder() {
        return Side(channel::Channel::respond(identity(responder_key), options, now));
    }
    void accept(Side& side, Bytes payload = {}) {
        (void)side.channel.accept(offer(std::move(payload)), now);
        side.drain();
    }
    void send(Side& side, std::span<const std::byte> frame) {
        (void)side.channel.send(frame, now);
        side.drain();
    }
    void deliver(Side& from, Side& to) { to.feed(from.take_sent(), now); }

    /// Both sides up to the point where the initiator may send.
    std::pair<Side, Side> answered() {
        Side first = initiator();
        Side second = responder();
        deliver(first, second);
        accept(second);
        deliver(second, first);
        return {std::move(first), std::move(second)};
    }
    /// Both sides open; one empty frame has gone to the responder, and is forgotten.
    std::pair<Side, Side> open() {
        auto [first, second] = answered();
        send(first, {});
        deliver(first, second);
        second.frames.clear();
        return {std::move(first), std::move(second)};
    }
};

}  // namespace countersign::testing
