#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "countersign/error.h"

#include "channel/session.h"

namespace countersign::channel {

/// What an application may send as one frame.
inline constexpr std::size_t max_frame_size = 9u << 20;
/// What a handshake message may carry. Far below the 64 KiB that a peer of unknown name may make
/// us hold, because anyone may open a thousand connections.
inline constexpr std::size_t max_handshake_payload = 1024;

/// Each Noise message is preceded by its size: two bytes, most significant first.
inline constexpr std::size_t size_prefix = 2;

/// What a transport message is about: the first byte of its plaintext.
enum class Kind : std::uint8_t {
    frame = 1,        ///< four bytes of total size, most significant first; then the frame's start
    more = 2,         ///< goes on with that frame
    handshake_1 = 3,  ///< a renewal: Noise message 1
    handshake_2 = 4,  ///< its answer, Noise message 2: the responder's last under the old keys
    switch_keys = 5,  ///< empty: the initiator's last under the old keys
};

/// Sizes that a Noise message can have where it stands.
struct SizeBounds {
    std::size_t least;
    std::size_t most;  ///< at most max_message_size
};

/// Cuts an ordered byte stream into Noise messages. Holds at most one unfinished message, and
/// nothing of one whose size is out of bounds.
class MessageReader {
  public:
    /// Takes from the front of `stream` what belongs to the next message. Gives that message once
    /// it is whole; the view is good until the next call, and while what `stream` viewed lives.
    /// No value: all of `stream` was taken and more is needed.
    /// Errors: errc::malformed (smaller than `bounds.least`), errc::too_large.
    Result<std::optional<std::span<const std::byte>>> feed(std::span<const std::byte>& stream,
                                                           SizeBounds bounds);
    /// Bytes held of an unfinished message.
    std::size_t held() const noexcept { return whole_ ? 0 : buffer_.size(); }

  private:
    std::vector<std::byte> buffer_;
    bool whole_ = false;  // buffer_ is a message that was given out: free at the next call
};

/// Puts the application's frames together again from transport messages. Holds at most one
/// unfinished frame, grown as its parts come, not by what its first part claims.
class FrameAssembler {
  public:
    /// `kind` is frame or more; `contents` is the plaintext after its kind. Gives the frame that
    /// is now whole. Errors: errc::too_large (a frame above max_frame_size), errc::malformed (a
    /// part out of place, empty, or longer than what is missing).
    Result<std::optional<std::vector<std::byte>>> add(Kind kind,
                                                      std::span<const std::byte> contents);

  private:
    std::vector<std::byte> frame_;
    std::size_t missing_ = 0;  // 0: no frame is unfinished
};

/// Appends one Noise message and its size prefix to `stream`.
void append_message(std::vector<std::byte>& stream, std::span<const std::byte> message);

/// Appends one transport message with its size prefix to `stream`. `contents` come in two pieces
/// so that a frame's size need not be copied in front of it.
/// Errors: those of Session::write_message; `stream` is then as it was.
Result<void> append_transport(std::vector<std::byte>& stream,
                              Session& session,
                              Kind kind,
                              std::span<const std::byte> head,
                              std::span<const std::byte> rest);

/// What a frame of `size` bytes, at most max_frame_size, takes in the stream.
std::size_t stream_size(std::size_t size) noexcept;

/// Appends a frame, in as few transport messages as hold it.
/// Errors: errc::too_large (above max_frame_size; nothing is appended), those of
/// Session::write_message.
Result<void> append_frame(std::vector<std::byte>& stream,
                          Session& session,
                          std::span<const std::byte> frame);

}  // namespace countersign::channel
