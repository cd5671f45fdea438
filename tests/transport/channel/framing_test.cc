#include "channel/framing.h"

#include <doctest/doctest.h>

#include "transport/channel/two_channels.h"

using namespace countersign;
using namespace countersign::channel;
using countersign::testing::Bytes;
using countersign::testing::TestLink;

namespace {

constexpr SizeBounds any = {1, max_message_size};

Bytes filled(std::size_t size) {
    Bytes bytes(size);
    for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(i * 31 + (i >> 8));
    return bytes;
}

/// A first part: the total size, then the bytes.
Bytes first_part(std::uint32_t total, std::size_t size) {
    Bytes part = {static_cast<std::byte>(total >> 24),
                  static_cast<std::byte>(total >> 16),
                  static_cast<std::byte>(total >> 8),
                  static_cast<std::byte>(total)};
    part.resize(4 + size);
    return part;
}

}  // namespace

TEST_CASE("channel: messages in a stream cut in two at every byte: the same messages") {
    Bytes stream;
    const std::vector<Bytes> messages = {filled(1), filled(300), filled(17)};
    for (const Bytes& message : messages) append_message(stream, message);
    for (std::size_t cut = 0; cut <= stream.size(); ++cut) {
        MessageReader reader;
        std::vector<Bytes> got;
        for (auto piece : {std::span<const std::byte>(stream).first(cut),
                           std::span<const std::byte>(stream).subspan(cut)}) {
            while (!piece.empty()) {
                const auto message = reader.feed(piece, any);
                REQUIRE(message);
                if (*message) got.emplace_back((*message)->begin(), (*message)->end());
            }
            CHECK(reader.held() <= 302);
        }
        CHECK(got == messages);
        CHECK(reader.held() == 0);
    }
}

TEST_CASE("channel: a size out of bounds: refused at its second byte, nothing is held") {
    for (const std::size_t size : {99u, 201u, 65'535u, 0u}) {
        CAPTURE(size);
        const Bytes prefix = {static_cast<std::byte>(size >> 8), static_cast<std::byte>(size)};
        MessageReader reader;
        auto rest = std::span<const std::byte>(prefix).first(1);
        CHECK_FALSE(reader.feed(rest, {100, 200})->has_value());
        rest = std::span<const std::byte>(prefix).last(1);
        const auto refused = reader.feed(rest, {100, 200});
        REQUIRE_FALSE(refused);
        CHECK(refused.error() == (size < 100 ? errc::malformed : errc::too_large));
        CHECK(reader.held() == 0);
    }
}

TEST_CASE("channel: parts of frames out of place: each its own error") {
    const auto error_of = [](FrameAssembler& assembler, Kind kind, const Bytes& contents) {
        const auto result = assembler.add(kind, contents);
        return result ? std::optional<errc>() : result.error().code();
    };
    FrameAssembler none;
    CHECK(error_of(none, Kind::more, filled(5)) == errc::malformed);
    FrameAssembler cut_short;
    CHECK(error_of(cut_short, Kind::frame, filled(3)) == errc::malformed);
    FrameAssembler above;
    CHECK(error_of(above, Kind::frame, first_part(max_frame_size + 1, 9)) == errc::too_large);
    FrameAssembler wild;
    CHECK(error_of(wild, Kind::frame, first_part(0xffff'ffff, 9)) == errc::too_large);
    FrameAssembler idle;
    CHECK(error_of(idle, Kind::frame, first_part(9, 0)) == errc::malformed);
    FrameAssembler longer;
    CHECK(error_of(longer, Kind::frame, first_part(8, 9)) == errc::malformed);
    FrameAssembler twice;
    CHECK_FALSE(error_of(twice, Kind::frame, first_part(9, 1)));
    CHECK(error_of(twice, Kind::frame, first_part(9, 1)) == errc::malformed);
    FrameAssembler empty_part;
    CHECK_FALSE(error_of(empty_part, Kind::frame, first_part(9, 1)));
    CHECK(error_of(empty_part, Kind::more, {}) == errc::malformed);
    FrameAssembler overrun;
    CHECK_FALSE(error_of(overrun, Kind::frame, first_part(9, 8)));
    CHECK(error_of(overrun, Kind::more, filled(2)) == errc::malformed);
}

TEST_CASE("channel: frames of sizes around every limit: carried whole; above 9 MiB refused") {
    TestLink link(21);
    auto [first, second] = link.open();
    for (const std::size_t size : {std::size_t{0},
                                   std::size_t{1},
                                   std::size_t{65'513},
                                   std::size_t{65'514},
                                   std::size_t{65'515},
                                   std::size_t{65'519},
                                   std::size_t{65'514 + 65'518},
                                   std::size_t{65'514 + 65'518 + 1},
                                   max_frame_size}) {
        CAPTURE(size);
        const Bytes frame = filled(size);
        for (auto [from, to] : {std::pair(&first, &second), std::pair(&second, &first)}) {
            REQUIRE(from->channel.send(frame, link.now));
            from->drain();
            const Bytes stream = from->take_sent();
            CHECK(stream.size() == stream_size(size));
            to->feed(stream, link.now);
            REQUIRE(to->frames.size() == 1);
            CHECK((to->frames[0] == frame));
            to->frames.clear();
        }
    }
    const Bytes above(max_frame_size + 1);
    CHECK(first.channel.send(above, link.now).error() == errc::too_large);
    first.drain();
    CHECK(first.sent.empty());
    link.send(first, filled(3));
    link.deliver(first, second);
    CHECK(second.frames == std::vector<Bytes>{filled(3)});
}
