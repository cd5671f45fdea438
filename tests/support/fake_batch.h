#pragma once

#include <algorithm>
#include <cstring>
#include <map>
#include <span>
#include <vector>

#include "countersign/link.h"

namespace countersign::testing {

/// A record as the fake store keeps it.
struct FakeRow {
    LogSeq seq{};
    Bytes sealed;
    Bytes handles;
    friend bool operator==(const FakeRow&, const FakeRow&) = default;
};
using FakeRows = std::map<RecordKey, FakeRow>;

inline constexpr std::uint16_t user_kind = 1;
inline constexpr std::uint16_t member_kind = 2;

/// BLAKE2b-256.
BatchHash hash_of(BytesView bytes);
/// A stand-in for a signature: a hash under the signer's name. Notices every changed byte.
SignatureBytes fake_signature(const NodeId& signer, BytesView bytes);

/// Writes and reads numbers and byte strings one after the other. Reading past the end reads zeros,
/// which no check of this store lets pass.
class Cursor {
  public:
    Bytes bytes;
    std::size_t at = 0;

    template <class T>
    void put(T number) {
        const auto* first = reinterpret_cast<const std::byte*>(&number);
        bytes.insert(bytes.end(), first, first + sizeof number);
    }
    void put(BytesView raw) { bytes.insert(bytes.end(), raw.begin(), raw.end()); }
    void put_sized(BytesView raw) {
        put(static_cast<std::uint32_t>(raw.size()));
        put(raw);
    }
    template <class T>
    T get() {
        T number{};
        const Bytes raw = get_bytes(sizeof number);
        std::memcpy(&number, raw.data(), sizeof number);
        return number;
    }
    Bytes get_bytes(std::size_t size) {
        Bytes raw(size);
        for (std::byte& byte : raw) byte = at < bytes.size() ? bytes[at++] : std::byte{};
        return raw;
    }
    Bytes get_sized() {
        const auto size = get<std::uint32_t>();
        return get_bytes(std::min<std::size_t>(size, bytes.size()));
    }
    template <class IdType>
    IdType get_id() {
        return *IdType::from_bytes(get_bytes(IdType::size));
    }
};

/// What the bytes of a fake batch say.
struct Content {
    BatchHash previous;
    BatchHash digest;
    struct Change {
        RecordKey key;
        bool put = false;
        Bytes sealed;
        Bytes handles;
    };
    std::vector<Change> changes;
};

/// Of all records, as a batch signs it.
BatchHash digest_of(const FakeRows& rows);
Content content_of(const BatchEnvelope& batch);
/// Puts and erases what is older than `seq`.
void apply(FakeRows& rows, const Content& content, LogSeq seq);
LogHead head_of(const BatchEnvelope& batch);
/// The record that makes `node` a member.
RecordKey member_key(const NodeId& node);

}  // namespace countersign::testing
