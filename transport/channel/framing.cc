#include "channel/framing.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <utility>

namespace countersign::channel {
namespace {

constexpr std::size_t kind_size = 1;
constexpr std::size_t frame_size_size = 4;
constexpr std::size_t first_part = max_payload_size - kind_size - frame_size_size;
constexpr std::size_t later_part = max_payload_size - kind_size;

std::array<std::byte, size_prefix> prefix(std::size_t size) {
    assert(size <= max_message_size);
    return {static_cast<std::byte>(size >> 8), static_cast<std::byte>(size)};
}

/// The size that a prefix says, once it is known to be allowed.
Result<std::size_t> message_size(std::byte high, std::byte low, SizeBounds bounds) {
    const std::size_t size =
        std::to_integer<std::size_t>(high) << 8 | std::to_integer<std::size_t>(low);
    if (size < bounds.least) {
        return Error(errc::malformed, "a message of the channel is too short for its place");
    }
    if (size > bounds.most) {
        return Error(errc::too_large, "a message of the channel is too long for its place");
    }
    return size;
}

void append(std::vector<std::byte>& to, std::span<const std::byte> bytes) {
    to.insert(to.end(), bytes.begin(), bytes.end());
}

std::span<const std::byte> take(std::span<const std::byte>& stream, std::size_t size) {
    const auto front = stream.first(std::min(size, stream.size()));
    stream = stream.subspan(front.size());
    return front;
}

}  // namespace

Result<std::optional<std::span<const std::byte>>> MessageReader::feed(
    std::span<const std::byte>& stream, SizeBounds bounds) {
    assert(bounds.most <= max_message_size);
    if (whole_) {
        buffer_.clear();
        whole_ = false;
    }
    if (buffer_.empty() && stream.size() >= size_prefix) {
        const auto size = message_size(stream[0], stream[1], bounds);
        if (!size) return size.error();
        if (stream.size() - size_prefix >= *size) {  // whole already: not copied
            return take(stream, size_prefix + *size).subspan(size_prefix);
        }
    }
    if (buffer_.size() < size_prefix) append(buffer_, take(stream, size_prefix - buffer_.size()));
    if (buffer_.size() < size_prefix) return std::nullopt;
    const auto size = message_size(buffer_[0], buffer_[1], bounds);
    if (!size) {
        buffer_.clear();
        return size.error();
    }
    append(buffer_, take(stream, size_prefix + *size - buffer_.size()));
    if (buffer_.size() < size_prefix + *size) return std::nullopt;
    whole_ = true;
    return std::span<const std::byte>(buffer_).subspan(size_prefix);
}

Result<std::optional<std::vector<std::byte>>> FrameAssembler::add(
    Kind kind, std::span<const std::byte> contents) {
    if (kind == Kind::frame) {
        if (missing_ != 0 || contents.size() < frame_size_size) {
            return Error(errc::malformed, "a frame of the channel begins where it may not");
        }
        std::size_t total = 0;
        for (const std::byte byte : take(contents, frame_size_size)) {
            total = total << 8 | std::to_integer<std::size_t>(byte);
        }
        if (total > max_frame_size) {
            return Error(errc::too_large, "a frame of the channel is above 9 MiB");
        }
        if (total != 0 && contents.empty()) {
            return Error(errc::malformed, "a part of a frame is empty");
        }
        missing_ = total;
    } else if (missing_ == 0 || contents.empty()) {
        return Error(errc::malformed, "a part of a frame comes where there is none to go on with");
    }
    if (contents.size() > missing_) {
        missing_ = 0;
        frame_.clear();
        return Error(errc::malformed, "a frame of the channel is longer than it said");
    }
    append(frame_, contents);
    missing_ -= contents.size();
    if (missing_ != 0) return std::nullopt;
    return std::exchange(frame_, {});
}

void append_message(std::vector<std::byte>& stream, std::span<const std::byte> message) {
    append(stream, prefix(message.size()));
    append(stream, message);
}

Result<void> append_transport(std::vector<std::byte>& stream,
                              Session& session,
                              Kind kind,
                              std::span<const std::byte> head,
                              std::span<const std::byte> rest) {
    const std::size_t payload_size = kind_size + head.size() + rest.size();
    if (payload_size > max_payload_size) return errc::too_large;
    const std::size_t before = stream.size();
    append(stream, prefix(payload_size + tag_size));
    stream.push_back(static_cast<std::byte>(kind));
    append(stream, head);
    append(stream, rest);
    stream.resize(stream.size() + tag_size);
    const auto message = std::span(stream).subspan(before + size_prefix);
    auto done = session.write_message(message.first(payload_size), message);  // sealed in place
    if (!done) {
        std::fill(stream.begin() + static_cast<std::ptrdiff_t>(before), stream.end(), std::byte{});
        stream.resize(before);
    }
    return done;
}

std::size_t stream_size(std::size_t size) noexcept {
    const std::size_t later = size > first_part ? size - first_part : 0;
    const std::size_t messages = 1 + (later + later_part - 1) / later_part;
    return size + frame_size_size + messages * (size_prefix + kind_size + tag_size);
}

Result<void> append_frame(std::vector<std::byte>& stream,
                          Session& session,
                          std::span<const std::byte> frame) {
    if (frame.size() > max_frame_size) {
        return Error(errc::too_large, "a frame of the channel holds at most 9 MiB");
    }
    std::array<std::byte, frame_size_size> total{};
    for (std::size_t i = 0; i < total.size(); ++i) {
        total[i] = static_cast<std::byte>(frame.size() >> (8 * (total.size() - 1 - i)));
    }
    auto done = append_transport(stream, session, Kind::frame, total, take(frame, first_part));
    while (done && !frame.empty()) {
        done = append_transport(stream, session, Kind::more, {}, take(frame, later_part));
    }
    return done;
}

}  // namespace countersign::channel
