#include "log/survey.h"

#include <algorithm>
#include <cassert>
#include <functional>
#include <utility>

namespace countersign {

std::vector<RecordSum> RecordSums::buckets() const {
    std::vector<RecordSum> sums(leaves.empty() ? 0 : bucket_count);
    for (std::size_t leaf = 0; leaf < leaves.size(); ++leaf) {
        auto& sum = sums[leaf / leaves_per_bucket];
        std::ranges::transform(sum, leaves[leaf], sum.begin(), std::bit_xor{});
    }
    return sums;
}

namespace log {
namespace {

constexpr std::size_t rows_a_slice = 10'000;

void toggle(RecordSum& sum, const sealing::Hash256& row) noexcept {
    std::transform(sum.begin(), sum.end(), row.bytes.begin(), sum.begin(), std::bit_xor{});
}

}  // namespace

Result<std::optional<SignedHead>> read_signed_head(BatchTable& batches,
                                                   membership::Designations& designations) {
    const std::optional<SignedHead> none;
    const auto last = batches.last();
    if (!last) return last.error();
    if (*last == LogSeq{0}) return none;
    const auto stored = batches.get(*last);
    if (!stored && stored.error() == errc::corrupt) return none;
    if (!stored) return stored.error();
    if (!*stored || !check_author(designations, **stored)) return none;
    const auto batch = decode(**stored);
    if (!batch) return none;
    return std::optional(SignedHead{.place = batch->place,
                                    .hash = (*stored)->hash(),
                                    .time = batch->time,
                                    .digest = batch->digest});
}

Result<void> Survey::run(records::Reader& reader) {
    for (;;) {
        const auto done = step(reader, rows_a_slice);
        if (!done) return done.error();
        if (*done) return {};
    }
}

Result<bool> Survey::step(records::Reader& reader, std::size_t rows) {
    assert(rows != 0);
    if (!all_records_) {
        const auto read = read_records(reader, rows);
        if (!read) return read.error();
        all_records_ = *read < rows;
        rows -= *read;
    }
    if (rows == 0) return false;
    const auto read = read_handles(reader, rows);
    if (!read) return read.error();
    return *read < rows;
}

Result<std::size_t> Survey::read_records(records::Reader& reader, std::size_t rows) {
    std::size_t visited = 0;
    const auto read = reader.each(
        record_,
        [&](const records::RecordName& name, const records::StoredRecord& record) {
            const auto hash = (*hash_row_)(name, record.seq, record.sealed, record.handles);
            records_.add(hash);
            toggle(leaves_[leaf_of(name.id)], hash);
            for (const auto& handle : record.handles) {
                handles_due_.toggle((*hash_row_)(records::HandleRow{handle, name}));
            }
            record_ = name;
            return ++visited < rows;
        },
        &broken_);
    if (!read) return read.error();
    rows_read_ += visited;
    return visited;
}

Result<std::size_t> Survey::read_handles(records::Reader& reader, std::size_t rows) {
    std::size_t visited = 0;
    const auto read = reader.each_handle(handle_, [&](const records::HandleRow& row) {
        handles_.toggle((*hash_row_)(row));
        handle_ = row;
        return ++visited < rows;
    });
    if (!read && read.error() == errc::corrupt) {
        handles_broken_ = true;
        return std::size_t{0};
    }
    if (!read) return read.error();
    return visited;
}

}  // namespace log
}  // namespace countersign
