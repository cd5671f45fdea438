#pragma once

#include <algorithm>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include <capnp/message.h>
#include <capnp/serialize.h>

#include "countersign/error.h"
#include "countersign/ids.h"
#include "countersign/mutants.h"
#include "countersign/time.h"

// Included by codecs only: what they share about Cap'n Proto messages as stored bytes.
namespace countersign::records::flat {

/// Structures point into structures at most this deep.
constexpr int nesting_limit = 16;
constexpr std::size_t word = sizeof(capnp::word);

inline kj::ArrayPtr<const kj::byte> view(BytesView bytes) {
    return {reinterpret_cast<const kj::byte*>(bytes.data()), bytes.size()};
}
inline BytesView view(capnp::Data::Reader data) {
    return {reinterpret_cast<const std::byte*>(data.begin()), data.size()};
}
inline Bytes to_bytes(capnp::Data::Reader data) {
    return {view(data).begin(), view(data).end()};
}
inline std::string to_string(capnp::Text::Reader text) {
    return {text.begin(), text.end()};
}
inline capnp::Text::Reader text(const std::string& value) {
    return {value.c_str(), value.size()};
}

/// Where a message begins that will hardly be larger, so that nothing is allocated for it. It is
/// zeroed when the message goes.
struct FirstSegment {
    capnp::word words[256]{};
};

/// Copies exactly `Array`'s size, or throws what `read` turns into errc::malformed.
template <class Array>
Array sized(capnp::Data::Reader data) {
    Array array{};
    KJ_REQUIRE(data.size() == array.size(), "a byte string of another size");
    std::memcpy(array.data(), data.begin(), array.size());
    return array;
}
template <class IdType>
IdType id(capnp::Data::Reader data) {
    return IdType{sized<decltype(IdType::bytes)>(data)};
}

/// Whether `bytes` are one whole segment with nothing before or behind: the only framing we store.
inline bool is_one_segment(BytesView bytes) {
    std::uint32_t header[2];
    if (bytes.size() < sizeof header + word || bytes.size() % word != 0) return false;
    std::memcpy(header, bytes.data(), sizeof header);  // little-endian, as are all our machines
    const std::size_t words = (bytes.size() - sizeof header) / word;
    if (is_planted(Mutant::trailing_bytes) && header[1] < words) return header[0] == 0;
    return header[0] == 0 && header[1] == words;
}

/// Calls `decode` with the root of the message that `bytes` hold, word-aligned or not. Every list
/// and struct may be followed once: the traversal limit is the message's own size. Errors:
/// errc::malformed; whatever `decode` throws as kj::Exception becomes that.
template <class Schema, class Decode>
Result<void> read(BytesView bytes, std::string_view what, Decode&& decode) {
    if (!is_one_segment(bytes)) {
        return Error(errc::malformed, std::string(what) + " is not one whole segment");
    }
    kj::Array<capnp::word> aligned;
    const auto* words = reinterpret_cast<const capnp::word*>(bytes.data());
    if (reinterpret_cast<std::uintptr_t>(bytes.data()) % alignof(std::uint64_t) != 0) {
        aligned = kj::heapArray<capnp::word>(bytes.size() / word);
        std::memcpy(aligned.begin(), bytes.data(), bytes.size());
        words = aligned.begin();
    }
    try {
        capnp::ReaderOptions limits;
        limits.traversalLimitInWords = bytes.size() / word;
        limits.nestingLimit = nesting_limit;
        capnp::FlatArrayMessageReader reader({words, bytes.size() / word}, limits);
        decode(reader.getRoot<Schema>());
    } catch (const kj::Exception& exception) {
        return Error(errc::malformed,
                     std::string(what) + ": " + std::string(exception.getDescription().cStr()));
    }
    return {};
}

/// The bytes of one segment that holds the whole message. `edited`: something in it was set anew,
/// so what is no longer reachable is left out.
inline Bytes write(capnp::MallocMessageBuilder& message, bool edited = false) {
    if (edited || message.getSegmentsForOutput().size() != 1) {
        capnp::MallocMessageBuilder whole(static_cast<unsigned>(message.sizeInWords() + 1));
        whole.setRoot(message.getRoot<capnp::AnyPointer>().asReader());
        return write(whole);
    }
    const auto segment = message.getSegmentsForOutput()[0].asBytes();
    const std::uint32_t header[2] = {0, static_cast<std::uint32_t>(segment.size() / word)};
    Bytes bytes(sizeof header + segment.size());
    std::memcpy(bytes.data(), header, sizeof header);
    std::memcpy(bytes.data() + sizeof header, segment.begin(), segment.size());
    return bytes;
}

/// A message whose root is a copy of `before`, unknown fields and all, or empty without one. (One
/// that cannot be copied did not decode either.)
template <class Schema>
typename Schema::Builder start(capnp::MallocMessageBuilder& message, BytesView before) {
    if (!before.empty()) {
        const auto copied =
            read<Schema>(before, "the former record", [&](auto root) { message.setRoot(root); });
        if (copied) return message.getRoot<Schema>();
    }
    return message.initRoot<Schema>();
}

inline UnixTime time(std::int64_t unix_ms) {
    return UnixTime{milliseconds{unix_ms}};
}
inline std::int64_t unix_ms(UnixTime time) {
    return time.time_since_epoch().count();
}

}  // namespace countersign::records::flat
