#include <algorithm>
#include <utility>

#include "support/fake_link_store.h"

namespace countersign::testing {
namespace {

RecordSums sums_of(const FakeRows& rows, LogSeq moment, bool sound) {
    RecordSums sums{.moment = moment, .sound = sound, .leaves = {}};
    sums.leaves.resize(leaf_count);
    for (const auto& [key, row] : rows) {
        const BatchHash hash = digest_of({{key, row}});
        auto& sum = sums.leaves[leaf_of(key.id)];
        for (std::size_t i = 0; i < sum.size(); ++i) sum[i] ^= hash.bytes[i];
    }
    return sums;
}

/// The rows of one moment. `lie`, when not 0, counts down to the page that is forged.
class FakeSource final : public RepairSource {
  public:
    FakeSource(FakeRows rows, LogSeq moment, bool sound, std::size_t& lie)
        : rows_(std::move(rows)), sums_(sums_of(rows_, moment, sound)), lie_(lie) {}
    const RecordSums& sums() const noexcept override { return sums_; }
    Result<CopyPage> read_page(const LeafSet& leaves,
                               const std::optional<RecordKey>& after,
                               std::size_t max_bytes) override {
        CopyPage page{.moment = sums_.moment, .records = {}, .last = true};
        std::size_t bytes = 0;
        for (const auto& [key, row] : rows_) {
            if ((after && key <= *after) || !leaves.has(leaf_of(key.id))) continue;
            bytes += row.sealed.size() + row.handles.size();
            if (!page.records.empty() && bytes > max_bytes) {
                page.last = false;
                break;
            }
            page.records.push_back({key, row.seq, row.sealed, row.handles});
        }
        if (lie_ != 0 && --lie_ == 0) page.records.at(0).sealed.at(0) ^= std::byte{1};
        return page;
    }

  private:
    FakeRows rows_;
    RecordSums sums_;
    std::size_t& lie_;
};

}  // namespace

void FakeLinkStore::damage(std::size_t number, bool note) {
    for (auto& [key, row] : rows_) {
        if (key.kind != user_kind || number-- != 0) continue;
        row.sealed.at(0) ^= std::byte{0x5a};
        break;
    }
    is_damaged = note;
}

Result<RecordSums> FakeLinkStore::examine() {
    if (auto error = faulty("examine")) return *error;
    const bool sound = digest_of(rows_) == content_of(*log_.back()).digest;
    is_damaged = !sound;
    return sums_of(rows_, head_.seq, sound);
}

Result<void> FakeLinkStore::stage_repair(const CopyPage& page, bool first) {
    if (auto error = faulty("stage_repair")) return *error;
    if (first) repair_rows_.clear();
    for (const auto& record : page.records) {
        repair_rows_[record.key] = {record.seq, record.sealed, record.handles};
        ++records_staged;
    }
    return {};
}

Result<bool> FakeLinkStore::repair(const NodeId&, const LeafSet& leaves, LogSeq moment) {
    if (auto error = faulty("repair")) return *error;
    if (head_.seq != moment) return errc::conflict;
    Rows rows = rows_;
    std::erase_if(rows, [&](const auto& each) { return leaves.has(leaf_of(each.first.id)); });
    rows.insert(repair_rows_.begin(), repair_rows_.end());
    if (digest_of(rows) != content_of(*log_.back()).digest) {
        ++repairs_refused;
        return false;
    }
    rows_ = std::move(rows);
    is_damaged = false;
    ++repairs;
    ++writes;
    return true;
}

Result<std::shared_ptr<RepairSource>> FakeLinkStore::open_repair_source() {
    if (auto error = faulty("open_repair_source")) return *error;
    const bool sound = digest_of(rows_) == content_of(*log_.back()).digest;
    if (!sound) is_damaged = true;
    return std::make_shared<FakeSource>(rows_, head_.seq, sound, lie_on_page);
}

}  // namespace countersign::testing
