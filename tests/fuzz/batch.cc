// A batch of the log (batch.capnp), behind the place that its envelope names.
#include "log/batch.h"

#include "fuzz/fuzz.h"

namespace countersign::fuzz {
namespace {

void check_limits(const log::Batch& batch) {
    require(batch.changes.size() <= log::batch_changes_limit, "changes within their limit");
    const records::RecordName* last = nullptr;
    for (const auto& change : batch.changes) {
        require(last == nullptr || *last < change.name, "changes ascend");
        last = &change.name;
        if (!change.put) continue;
        require(change.put->sealed.size() <= log::sealed_limit, "a record within its limit");
        require(change.put->handles.size() <= log::handles_limit, "handles within their limit");
    }
}

void run(BytesView input) {
    Input from(input);
    log::SignedBatch given;
    given.place.root_term = RootTerm{from.number<std::uint64_t>()};
    given.place.epoch = Epoch{from.number<std::uint64_t>()};
    given.place.node = from.id<NodeId>();
    given.place.seq = LogSeq{from.number<std::uint64_t>()};
    given.bytes.assign(from.rest().begin(), from.rest().end());
    const auto batch = log::decode(given);
    if (!batch) {
        return require_documented(batch.error(),
                                  {errc::malformed, errc::too_large, errc::unsupported_version});
    }
    require(batch->place == given.place, "a batch is of the place that its envelope names");
    check_limits(*batch);
    given.bytes = log::encode(*batch);
    std::size_t most = 512;
    for (const auto& change : batch->changes) most += log::encoded_size(change);
    require(given.bytes.size() <= most, "encoded_size is never less than what is added");
    const auto again = log::decode(given);
    require(again && log::encode(*again) == given.bytes, "what was read can be written and read");
}

Bytes input_of(const log::Batch& batch) {
    const auto bytes_of = [](const auto& number) { return std::as_bytes(std::span(&number, 1)); };
    return joined({bytes_of(batch.place.root_term),
                   bytes_of(batch.place.epoch),
                   batch.place.node.bytes,
                   bytes_of(batch.place.seq),
                   log::encode(batch)});
}

records::RecordName name(int id) {
    return {records::RecordKind::user, filled_id<RecordId>(id)};
}

std::vector<Bytes> seeds() {
    log::Batch batch{.pool = filled_id<PoolId>(1),
                     .place = {RootTerm{1}, Epoch{2}, filled_id<NodeId>(3), LogSeq{4}},
                     .previous = filled_id<sealing::Hash256>(5),
                     .time = UnixTime{milliseconds{1'700'000'000'000}},
                     .digest = filled_id<sealing::Hash256>(6)};
    std::vector<Bytes> all{input_of(batch)};
    batch.changes.push_back({.name = name(1), .put = std::nullopt});
    batch.changes.push_back(
        {.name = name(2),
         .put = records::Change::Put{
             .sealed = Bytes(40, std::byte{7}),
             .handles = {filled_id<records::Handle>(8), filled_id<records::Handle>(9)}}});
    all.push_back(input_of(batch));
    batch.feature_level = log::feature_level + 1;
    all.push_back(input_of(batch));
    return all;
}

const Target target("batch", run, seeds);

}  // namespace
}  // namespace countersign::fuzz
