#pragma once

#include <algorithm>
#include <cstring>
#include <vector>

#include "support/fake_link_store.h"

// The bytes of the fake store's batches: shared by its parts, and nobody else's business.
namespace countersign::testing::fake_log {

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

inline BatchHash digest_of(const FakeLinkStore::Rows& rows) {
    Cursor all;
    for (const auto& [key, row] : rows) {
        all.put(key.kind);
        all.put(key.id.bytes);
        all.put(value(row.seq));
        all.put_sized(row.sealed);
        all.put_sized(row.handles);
    }
    return hash_of(all.bytes);
}

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

inline Content content_of(const BatchEnvelope& batch) {
    Cursor from{batch.bytes, 0};
    Content content;
    content.previous = from.get_id<BatchHash>();
    content.digest = from.get_id<BatchHash>();
    content.changes.resize(std::min<std::size_t>(from.get<std::uint32_t>(), 100'000));
    for (auto& change : content.changes) {
        change.key.kind = from.get<std::uint16_t>();
        change.key.id = from.get_id<RecordId>();
        change.put = from.get<std::uint8_t>() != 0;
        if (!change.put) continue;
        change.sealed = from.get_sized();
        change.handles = from.get_sized();
    }
    return content;
}

inline void apply(FakeLinkStore::Rows& rows, const Content& content, LogSeq seq) {
    for (const auto& change : content.changes) {
        const auto found = rows.find(change.key);
        if (found != rows.end() && found->second.seq >= seq) continue;
        if (change.put) {
            rows[change.key] = {seq, change.sealed, change.handles};
        } else if (found != rows.end()) {
            rows.erase(found);
        }
    }
}

inline LogHead head_of(const BatchEnvelope& batch) {
    return {.root_term = batch.root_term,
            .epoch = batch.epoch,
            .node = batch.node,
            .seq = batch.seq,
            .hash = hash_of(batch.bytes),
            .time = UnixTime{milliseconds{static_cast<std::int64_t>(value(batch.seq))}}};
}

inline RecordKey member_key(const NodeId& node) {
    return {FakeLinkStore::member_kind,
            *RecordId::from_bytes(std::span(node.bytes).first<RecordId::size>())};
}

}  // namespace countersign::testing::fake_log
