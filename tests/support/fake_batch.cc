#include "support/fake_batch.h"

#include <sodium.h>

namespace countersign::testing {

BatchHash hash_of(BytesView bytes) {
    BatchHash hash;
    crypto_generichash(reinterpret_cast<unsigned char*>(hash.bytes.data()),
                       hash.bytes.size(),
                       reinterpret_cast<const unsigned char*>(bytes.data()),
                       bytes.size(),
                       nullptr,
                       0);
    return hash;
}

SignatureBytes fake_signature(const NodeId& signer, BytesView bytes) {
    SignatureBytes signature;
    crypto_generichash(reinterpret_cast<unsigned char*>(signature.bytes.data()),
                       signature.bytes.size(),
                       reinterpret_cast<const unsigned char*>(bytes.data()),
                       bytes.size(),
                       reinterpret_cast<const unsigned char*>(signer.bytes.data()),
                       signer.bytes.size());
    return signature;
}

BatchHash digest_of(const FakeRows& rows) {
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

Content content_of(const BatchEnvelope& batch) {
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

void apply(FakeRows& rows, const Content& content, LogSeq seq) {
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

LogHead head_of(const BatchEnvelope& batch) {
    return {.root_term = batch.root_term,
            .epoch = batch.epoch,
            .node = batch.node,
            .seq = batch.seq,
            .hash = hash_of(batch.bytes),
            .time = UnixTime{milliseconds{static_cast<std::int64_t>(value(batch.seq))}}};
}

RecordKey member_key(const NodeId& node) {
    return {member_kind, *RecordId::from_bytes(std::span(node.bytes).first<RecordId::size>())};
}

}  // namespace countersign::testing
