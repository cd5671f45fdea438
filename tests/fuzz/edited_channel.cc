// A whole conversation of two channels, handshake, frames and renewal, one or more of whose pieces
// are edited on their way by somebody without the keys.
#include <algorithm>

#include "channel/channel.h"
#include "fuzz/edits.h"
#include "transport/channel/two_channels.h"

namespace countersign::fuzz {
namespace {

using testing::Side;
using testing::TestLink;

struct Heard {
    std::vector<Bytes> frames[2];  ///< by the initiator, by the responder
    std::size_t established[2] = {};
    std::size_t renewed[2] = {};
    std::optional<Error> closed[2];
    std::size_t pieces = 0;
};

/// Changes the pieces of the stream that the input names.
class Carrier {
  public:
    explicit Carrier(BytesView script) : from_(script) { choose(); }

    Bytes carry(Bytes piece) {
        const auto here = piece;
        while (next_ == at_ && !done_) {
            apply(piece);
            choose();
        }
        ++at_;
        earlier_.push_back(here);
        return piece;
    }

  private:
    void choose() {
        done_ = from_.empty();
        next_ = std::max<std::size_t>(at_, from_.number<std::uint8_t>() % 24u);
    }
    void apply(Bytes& piece) {
        const auto choice = from_.number<std::uint8_t>() % 4u;
        if (choice == 0 && !earlier_.empty()) {  // replayed
            const auto& one = earlier_[from_.number<std::uint8_t>() % earlier_.size()];
            piece.insert(piece.begin(), one.begin(), one.end());
        } else {
            edit(piece, from_);
        }
    }

    Input from_;
    std::size_t at_ = 0;
    std::size_t next_ = 0;
    bool done_ = false;
    std::vector<Bytes> earlier_;
};

/// All that was sent, until neither side has more to say. Offers are accepted, renewals begun.
void exchange(TestLink& link, Side& first, Side& second, Carrier& carrier, Heard& heard) {
    for (bool more = true; more;) {
        more = false;
        for (auto* side : {&first, &second}) {
            auto& other = side == &first ? second : first;
            if (!side->sent.empty()) {
                more = true;
                ++heard.pieces;
                other.feed(carrier.carry(side->take_sent()), link.now);
            }
            if (!side->known.empty()) {
                link.accept(*side, Bytes(3, std::byte{'p'}));
                side->known.clear();
                more = true;
            }
        }
        if (first.renewals_due > 0) {
            first.renewals_due = 0;
            (void)first.channel.renew(link.offer(), link.now);
            first.drain();
            more = true;
        }
    }
}

Heard converse(BytesView script) {
    TestLink link(1);
    Carrier carrier(script);
    Heard heard;
    Side sides[2] = {link.initiator(Bytes(5, std::byte{'q'})), link.responder()};
    exchange(link, sides[0], sides[1], carrier, heard);
    const auto say = [&](Side& side, const Bytes& frame) {
        if (side.channel.phase() == channel::Phase::open) link.send(side, frame);
    };
    for (const std::size_t size : {0u, 1u, 300u, 70'000u}) {
        for (auto& side : sides) {
            say(side, Bytes(size, static_cast<std::byte>(size)));
            exchange(link, sides[0], sides[1], carrier, heard);
        }
        link.now += link.options.session_age;
        sides[0].channel.on_time(link.now);
        sides[0].drain();
        say(sides[1], Bytes(9, std::byte{'r'}));  // while the keys change
        exchange(link, sides[0], sides[1], carrier, heard);
    }
    for (int i = 0; i < 2; ++i) {
        heard.frames[i] = sides[i].frames;
        heard.established[i] = sides[i].established.size();
        heard.renewed[i] = static_cast<std::size_t>(
            std::ranges::count_if(sides[i].established, &channel::Established::renewal));
        heard.closed[i] = sides[i].closed;
        require(sides[i].closed.has_value() == (sides[i].channel.phase() == channel::Phase::closed),
                "Close is given when the channel is closed");
    }
    return heard;
}

void run(BytesView input) {
    static const Heard genuine = converse({});
    require(!genuine.closed[0] && !genuine.closed[1] && genuine.renewed[0] == 4 &&
                genuine.renewed[1] == 4 && genuine.frames[1].size() == 4 &&
                genuine.frames[0].size() == 8,
            "unedited, everything arrives");
    const auto heard = converse(input);
    for (int i = 0; i < 2; ++i) {
        require(heard.frames[i].size() <= genuine.frames[i].size() &&
                    std::equal(
                        heard.frames[i].begin(), heard.frames[i].end(), genuine.frames[i].begin()),
                "what was not said is not heard, nor twice, nor after a gap");
        require(heard.established[i] <= genuine.established[i], "no session but those agreed");
        if (heard.closed[i]) {
            require_documented(
                *heard.closed[i],
                {errc::malformed, errc::too_large, errc::handshake_failed, errc::timed_out});
        }
    }
}

/// `at` is the piece, of 0 to 23; then one edit.
Bytes script(unsigned at, std::initializer_list<unsigned> edit) {
    Bytes bytes{static_cast<std::byte>(at)};
    for (const auto each : edit) bytes.push_back(static_cast<std::byte>(each));
    return bytes;
}

std::vector<Bytes> seeds() {
    std::vector<Bytes> inputs{{}};
    for (unsigned at = 0; at < 24; ++at) {
        inputs.push_back(script(at, {1, 0, 40, 0, 3}));  // a bit
        if (at % 3 == 0) inputs.push_back(script(at, {0, at / 2}));
        if (at % 4 == 0) inputs.push_back(script(at, {1, 5, 20, 0, 0}));  // cut short
    }
    return inputs;
}

const Target target("edited_channel", run, seeds);

}  // namespace
}  // namespace countersign::fuzz
