#include "log/copy_page.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <utility>

#include "log/batch.h"

namespace countersign::log {
namespace {

constexpr std::uint64_t seq_limit = std::numeric_limits<std::int64_t>::max();

CopiedRecord to_copied(const records::RecordName& name, const records::StoredRecord& record) {
    const auto handles = records::as_bytes(record.handles);
    return {.key = {.kind = value(name.kind), .id = name.id},
            .seq = record.seq,
            .sealed = record.sealed,
            .handles = {handles.begin(), handles.end()}};
}

std::size_t size_of(const CopiedRecord& record) {
    return record.sealed.size() + record.handles.size();
}

Result<void> check_record(const CopiedRecord& record, LogSeq moment) {
    if (record.seq == LogSeq{0} || record.seq > moment) {
        return Error(errc::malformed, "a copied record of a batch beyond its page's moment");
    }
    if (record.sealed.size() > sealed_limit ||
        record.handles.size() > handles_limit * records::Handle::size) {
        return Error(errc::too_large, "a copied record above its limit");
    }
    const auto handles = records::to_handles(record.handles);
    if (!handles || std::ranges::adjacent_find(*handles, std::greater_equal{}) != handles->end()) {
        return Error(errc::malformed, "a copied record whose handles do not ascend");
    }
    return {};
}

template <class Wanted>
Result<CopyPage> read(records::Reader& reader,
                      LogSeq moment,
                      const std::optional<RecordKey>& after,
                      std::size_t max_bytes,
                      Wanted&& wanted) {
    CopyPage page{.moment = moment, .records = {}, .last = true};
    std::size_t room = std::min(max_bytes, copy_page_limit);
    const auto from = after ? std::optional(name_of(*after)) : std::nullopt;
    const auto done = reader.each(
        from, [&](const records::RecordName& name, const records::StoredRecord& record) {
            if (!wanted(name.id)) return true;
            auto copied = to_copied(name, record);
            const std::size_t size = size_of(copied);
            if (!page.records.empty() && size > room) {
                page.last = false;
                return false;
            }
            room -= std::min(size, room);
            page.records.push_back(std::move(copied));
            return true;
        });
    if (!done) return done.error();
    return page;
}

}  // namespace

Result<CopyPage> read_page(records::Reader& reader,
                           HeadRow& head_row,
                           const std::optional<RecordKey>& after,
                           std::size_t max_bytes) {
    const auto head = head_row.read();
    if (!head) return head.error();
    return read(reader, head->place.seq, after, max_bytes, [](const RecordId&) { return true; });
}

Result<CopyPage> read_page_of(records::Reader& reader,
                              LogSeq moment,
                              const LeafSet& leaves,
                              const std::optional<RecordKey>& after,
                              std::size_t max_bytes) {
    return read(reader, moment, after, max_bytes, [&](const RecordId& id) {
        return leaves.has(leaf_of(id));
    });
}

Result<void> check_page(const CopyPage& page, const std::optional<RecordKey>& after) {
    if (page.moment == LogSeq{0} || value(page.moment) > seq_limit) {
        return Error(errc::malformed, "a copied page of an impossible moment");
    }
    if (page.records.empty() && !page.last) {
        return Error(errc::malformed, "a copied page without records that is not the last");
    }
    std::size_t bytes = 0;
    const RecordKey* before = after ? &*after : nullptr;
    for (const auto& record : page.records) {
        if (before && record.key <= *before) {
            return Error(errc::malformed, "copied records that do not ascend");
        }
        before = &record.key;
        if (auto right = check_record(record, page.moment); !right) return right;
        bytes += size_of(record);
    }
    if (bytes > copy_page_limit) return Error(errc::too_large, "a copied page above 256 KiB");
    return {};
}

}  // namespace countersign::log
