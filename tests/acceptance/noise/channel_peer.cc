// One end of a channel on standard input and output, to speak with Noise libraries of others:
// channel_peer initiator|responder OWN_PRIVATE_KEY PEER_PUBLIC_KEY PSK, all in hexadecimal. The
// initiator sends frames and wants each back in reverse order; keys are renewed on the way.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include <sys/random.h>
#include <unistd.h>

#include "channel/channel.h"

using namespace countersign;

namespace {

/// Small and large, one and several parts; what is sent while keys change goes under either.
constexpr std::size_t sizes[] = {0, 1, 300, 65'514, 65'515, 200'000, 5, 6, 7, 8, 1'000'000};
constexpr std::string_view greeting[] = {"from the initiator", "from the responder"};

[[noreturn]] void fail(const std::string& what) {
    std::fprintf(stderr, "channel_peer: %s\n", what.c_str());
    std::exit(1);
}

Bytes bytes_of(std::string_view text) {
    const auto bytes = std::as_bytes(std::span(text));
    return {bytes.begin(), bytes.end()};
}

Secret secret(const char* hex) {
    const auto bytes = from_hex(hex);
    if (!bytes || bytes->size() != channel::key_size) fail("not a key: " + std::string(hex));
    return Secret(BytesView(*bytes));
}

/// Each size has its own content, so that parts cannot be mistaken for each other.
Bytes frame(std::size_t size) {
    Bytes bytes(size);
    for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(i * 31 + size);
    return bytes;
}

class Peer {
  public:
    Peer(bool is_initiator, const char* own, const char* peer, const char* psk)
        : is_initiator_(is_initiator), psk_(psk) {
        PoolId pool;
        pool.bytes.fill(std::byte{7});
        channel::Identity identity{.wire_version = channel::WireVersion{1},
                                   .pool = pool,
                                   .static_key = std::make_shared<channel::KeyPair>(
                                       channel::KeyPair::from_private(secret(own)))};
        other_ = *channel::ChannelKey::from_bytes(*from_hex(peer));
        channel::Options options;
        options.session_messages = 9;
        auto made = is_initiator
                        ? channel::Channel::initiate(
                              std::move(identity), other_, offer(), options, Instant{})
                        : channel::Channel::respond(std::move(identity), options, Instant{});
        if (!made) fail(made.error().message());
        channel_.emplace(std::move(*made));
        drain();
    }

    /// Until the other side ends the stream, or all frames came back.
    int run() {
        Bytes buffer(100'000);
        while (!is_done_) {
            const auto got = ::read(STDIN_FILENO, buffer.data(), buffer.size());
            if (got < 0) fail("cannot read");
            if (got == 0) break;
            channel_->on_bytes(BytesView(buffer).first(static_cast<std::size_t>(got)), Instant{});
            drain();
        }
        std::fprintf(stderr, "channel_peer: %zu frames, %d renewals\n", frames_, renewals_);
        return frames_ == std::size(sizes) && renewals_ >= 2 ? 0 : 1;
    }

  private:
    channel::Offer offer() const {
        Bytes ephemeral(channel::key_size);
        if (::getentropy(ephemeral.data(), ephemeral.size()) != 0) fail("no random bytes");
        return {.ephemeral = Secret(BytesView(ephemeral)),
                .psk = secret(psk_),
                .payload = bytes_of(greeting[is_initiator_ ? 0 : 1])};
    }

    void drain() {
        while (auto action = channel_->poll()) {
            std::visit([this](auto& each) { on(each); }, *action);
        }
    }
    void on(channel::Send& send) {
        BytesView rest = send.bytes;
        while (!rest.empty()) {
            const auto written = ::write(STDOUT_FILENO, rest.data(), rest.size());
            if (written <= 0) fail("cannot write");
            rest = rest.subspan(static_cast<std::size_t>(written));
        }
    }
    void on(channel::Deliver& deliver) {
        if (!is_initiator_) {
            ++frames_;
            std::ranges::reverse(deliver.frame);
            return send(deliver.frame);
        }
        auto expected = frame(sizes[frames_]);
        std::ranges::reverse(expected);
        if (deliver.frame != expected) fail("a frame came back as another");
        is_done_ = ++frames_ == std::size(sizes);
        if (!is_done_) send(frame(sizes[frames_]));
    }
    void on(channel::PeerKnown& peer) {
        if (peer.static_key != other_) fail("another static key");
        if (peer.payload != bytes_of(greeting[0])) fail("another payload");
        if (!channel_->accept(offer(), Instant{})) fail("cannot accept");
    }
    void on(channel::Established& established) {
        if (is_initiator_ && established.payload != bytes_of(greeting[1])) fail("another payload");
        if (established.renewal) {
            ++renewals_;
        } else if (is_initiator_) {
            send(frame(sizes[0]));
        }
    }
    void on(channel::RenewalDue&) {
        if (!channel_->renew(offer(), Instant{})) fail("cannot renew");
    }
    void on(channel::WakeAt&) {}
    void on(channel::Close& close) { fail("closed: " + close.reason.message()); }

    void send(const Bytes& bytes) {
        if (!channel_->send(bytes, Instant{})) fail("cannot send");
    }

    bool is_initiator_;
    const char* psk_;
    channel::ChannelKey other_;
    std::optional<channel::Channel> channel_;
    std::size_t frames_ = 0;
    int renewals_ = 0;
    bool is_done_ = false;
};

}  // namespace

int main(int count, char** arguments) {
    if (count != 5) return 2;
    return Peer(std::string_view(arguments[1]) == "initiator",
                arguments[2],
                arguments[3],
                arguments[4])
        .run();
}
