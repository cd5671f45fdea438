#include <algorithm>

#include "log/batch.capnp.h"
#include "log/batch.h"
#include "records/flat_message.h"

namespace countersign::log {
namespace {

namespace flat = records::flat;

/// Of a change, in 8-byte words: its numbers, three pointers and the id.
constexpr std::size_t change_words = 1 + 3 + 2;

void write_change(schema::Change::Builder to, const records::Change& from) {
    to.setKind(value(from.name.kind));
    to.setId(flat::view(from.name.id.bytes));
    if (!from.put) {
        to.setErase();
        return;
    }
    auto put = to.initPut();
    put.setSealed(flat::view(from.put->sealed));
    const auto& handles = from.put->handles;
    auto bytes = put.initHandles(static_cast<unsigned>(handles.size() * records::Handle::size));
    kj::byte* end = bytes.begin();
    for (const auto& handle : handles) {
        end = std::ranges::copy(flat::view(handle.bytes), end).out;
    }
}

std::vector<records::Handle> read_handles(BytesView bytes) {
    KJ_REQUIRE(bytes.size() % records::Handle::size == 0, "handles of another size");
    KJ_REQUIRE(bytes.size() / records::Handle::size <= handles_limit, "too many handles");
    std::vector<records::Handle> handles;
    for (; !bytes.empty(); bytes = bytes.subspan(records::Handle::size)) {
        handles.push_back(*records::Handle::from_bytes(bytes.first(records::Handle::size)));
        KJ_REQUIRE(handles.size() == 1 || handles[handles.size() - 2] < handles.back(),
                   "handles that do not ascend");
    }
    return handles;
}

records::Change read_change(schema::Change::Reader from) {
    records::Change to{
        .name = {records::RecordKind{from.getKind()}, flat::id<RecordId>(from.getId())},
        .put = std::nullopt};
    switch (from.which()) {
        case schema::Change::PUT: {
            const auto put = from.getPut();
            to.put.emplace();
            to.put->sealed = flat::to_bytes(put.getSealed());
            KJ_REQUIRE(to.put->sealed.size() <= sealed_limit, "a sealed record above its limit");
            to.put->handles = read_handles(flat::view(put.getHandles()));
            break;
        }
        case schema::Change::ERASE:
            break;
        default:
            KJ_FAIL_REQUIRE("an effect that this release does not know");
    }
    return to;
}

}  // namespace

std::size_t encoded_size(const records::Change& change) {
    std::size_t bytes = change_words * flat::word;
    if (change.put) {
        bytes += (change.put->sealed.size() + flat::word - 1) / flat::word * flat::word +
                 change.put->handles.size() * records::Handle::size;
    }
    return bytes;
}

Bytes encode(const Batch& batch) {
    std::size_t bytes = 512;
    for (const auto& change : batch.changes) bytes += encoded_size(change);
    capnp::MallocMessageBuilder message(static_cast<unsigned>(bytes / flat::word));
    auto root = message.initRoot<schema::Batch>();
    root.setPool(flat::view(batch.pool.bytes));
    root.setRootTerm(value(batch.place.root_term));
    root.setEpoch(value(batch.place.epoch));
    root.setNode(flat::view(batch.place.node.bytes));
    root.setSeq(value(batch.place.seq));
    root.setPrevious(flat::view(batch.previous.bytes));
    root.setTime(flat::unix_ms(batch.time));
    root.setDigest(flat::view(batch.digest.bytes));
    root.setFeatureLevel(batch.feature_level);
    auto changes = root.initChanges(static_cast<unsigned>(batch.changes.size()));
    for (unsigned i = 0; i < changes.size(); ++i) write_change(changes[i], batch.changes[i]);
    return flat::write(message);
}

Result<Batch> decode(const SignedBatch& signed_batch) {
    if (signed_batch.bytes.size() > batch_bytes_limit) {
        return Error(errc::too_large, "a batch above 8 MiB");
    }
    Batch batch;
    const auto read = flat::read<schema::Batch>(signed_batch.bytes, "a batch", [&](auto root) {
        batch.pool = flat::id<PoolId>(root.getPool());
        batch.place = {.root_term = RootTerm{root.getRootTerm()},
                       .epoch = Epoch{root.getEpoch()},
                       .node = flat::id<NodeId>(root.getNode()),
                       .seq = LogSeq{root.getSeq()}};
        batch.previous = flat::id<sealing::Hash256>(root.getPrevious());
        batch.time = flat::time(root.getTime());
        batch.digest = flat::id<sealing::Hash256>(root.getDigest());
        batch.feature_level = root.getFeatureLevel();
        if (batch.feature_level > feature_level) return;
        const auto changes = root.getChanges();
        KJ_REQUIRE(changes.size() <= batch_changes_limit, "too many changes");
        batch.changes.reserve(changes.size());
        for (const auto& each : changes) {
            auto change = read_change(each);
            KJ_REQUIRE(batch.changes.empty() || batch.changes.back().name < change.name,
                       "changes that do not ascend");
            batch.changes.push_back(std::move(change));
        }
    });
    if (!read) return read.error();
    if (batch.feature_level > feature_level) {
        return Error(errc::unsupported_version,
                     "a batch needs feature level " + std::to_string(batch.feature_level));
    }
    if (!(batch.place == signed_batch.place)) {
        return Error(errc::malformed, "a batch and its envelope name different places");
    }
    return batch;
}

}  // namespace countersign::log
