// The stream of a link before anything is decrypted: messages out of bytes, frames out of messages.
#include "channel/framing.h"

#include <algorithm>

#include "fuzz/fuzz.h"

namespace countersign::fuzz {
namespace {

struct Read {
    std::vector<Bytes> messages;
    std::optional<errc> error;
    friend bool operator==(const Read&, const Read&) = default;
};

Read read_in_pieces(BytesView stream, std::size_t piece, channel::SizeBounds bounds) {
    channel::MessageReader reader;
    Read read;
    while (!stream.empty()) {
        auto now = stream.first(std::min(piece, stream.size()));
        stream = stream.subspan(now.size());
        while (!now.empty()) {
            const auto before = now.size();
            const auto message = reader.feed(now, bounds);
            if (!message) {
                require_documented(message.error(), {errc::malformed, errc::too_large});
                read.error = message.error().code();
                return read;
            }
            require(now.size() < before, "something is taken");
            require(reader.held() <= channel::size_prefix + bounds.most, "one message is held");
            if (!*message) {
                require(now.empty(), "all is taken when more is needed");
            } else {
                require((**message).size() >= bounds.least && (**message).size() <= bounds.most,
                        "a message is within its bounds");
                read.messages.emplace_back((**message).begin(), (**message).end());
            }
        }
    }
    return read;
}

/// What the messages hold as parts of frames: their first byte says which, the rest is the part.
void assemble(const std::vector<Bytes>& messages) {
    channel::FrameAssembler assembler;
    std::size_t given = 0;
    for (const auto& message : messages) {
        if (message.empty()) continue;
        const bool more = (message.front() & std::byte{1}) != std::byte{};
        const auto part = BytesView(message).subspan(1);
        const auto frame = assembler.add(more ? channel::Kind::more : channel::Kind::frame, part);
        if (!frame) {
            return require_documented(frame.error(), {errc::malformed, errc::too_large});
        }
        given += part.size();
        if (!*frame) continue;
        require((**frame).size() <= channel::max_frame_size, "a frame is within its limit");
        require((**frame).size() <= given, "a frame is made of what came");
        given = 0;
    }
}

void run(BytesView input) {
    Input from(input);
    const channel::SizeBounds bounds{.least = from.number<std::uint8_t>() % 64u,
                                     .most = from.number<std::uint16_t>() | 64u};
    const std::size_t piece = 1 + from.number<std::uint8_t>() % 19u;
    const auto whole =
        read_in_pieces(from.rest(), std::max<std::size_t>(1, from.rest().size()), bounds);
    require(read_in_pieces(from.rest(), piece, bounds) == whole, "cuts change nothing");
    assemble(whole.messages);
}

Bytes stream(std::initializer_list<Bytes> messages) {
    Bytes all{std::byte{1}, std::byte{0xff}, std::byte{0xff}, std::byte{2}};
    for (const auto& each : messages) channel::append_message(all, each);
    return all;
}

std::vector<Bytes> seeds() {
    const auto part = [](std::initializer_list<int> values) {
        Bytes bytes;
        for (const int value : values) bytes.push_back(static_cast<std::byte>(value));
        return bytes;
    };
    return {stream({part({0, 0, 0, 0, 3, 'a', 'b', 'c'})}),
            stream({part({0, 0, 0, 0, 4, 'a', 'b'}), part({1, 'c', 'd'})}),
            stream({part({0, 0, 0, 0, 0}), part({0, 0, 0, 0, 1, 'x'})}),
            stream({Bytes(300, std::byte{'y'})})};
}

const Target target("framing", run, seeds);

}  // namespace
}  // namespace countersign::fuzz
