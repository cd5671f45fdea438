#include <algorithm>
#include <iterator>
#include <utility>

#include "support/fake_link_store.h"

namespace countersign::testing {
namespace {

SignatureBytes signature_of(const RowAuthor& author, RowSeq seq, BytesView bytes) {
    Cursor all;
    all.put(value(author.incarnation));
    all.put(value(seq));
    all.put(bytes);
    return fake_signature(author.node, all.bytes);
}

}  // namespace

bool FakeLinkStore::is_member(const NodeId& id) const {
    return std::ranges::any_of(peers_, [&](const auto& entry) {
        return entry.second.node == id && entry.second.standing == Peer::Standing::member;
    });
}

void FakeLinkStore::put_row(const RowAuthor& by, AttemptRow row) {
    auto& rows = attempts_[by];
    std::erase_if(rows, [&](const auto& entry) { return entry.second.bytes[0] == row.bytes[0]; });
    row_vector_[by] = row.seq;
    rows[row.seq] = std::move(row);
    shared_vector_.reset();
}

void FakeLinkStore::see_attempt(std::uint8_t slot, std::size_t size) {
    AttemptRow row{.seq = RowSeq{value(row_vector_[author()]) + 1},
                   .kind = slot % 2 ? RowKind::spent : RowKind::tally,
                   .signature = {},
                   .bytes = random_bytes(size)};
    row.bytes[0] = std::byte{slot};
    row.signature = signature_of(author(), row.seq, row.bytes);
    put_row(author(), std::move(row));
    ++writes;
}

void FakeLinkStore::forget_newest_attempt() {
    attempts_[author()].erase(std::prev(attempts_[author()].end()));
}

std::shared_ptr<const RowVector> FakeLinkStore::row_vector() {
    if (head_.seq == LogSeq{}) return nullptr;
    if (!shared_vector_) shared_vector_ = std::make_shared<const RowVector>(row_vector_);
    return shared_vector_;
}

Result<RowPage> FakeLinkStore::read_rows(const RowVector& known,
                                         std::size_t max_bytes,
                                         std::size_t max_rows) {
    if (auto error = faulty("read_rows")) return *error;
    RowPage page;
    std::size_t bytes = 0;
    std::size_t count = 0;
    for (const auto& [by, seq] : row_vector_) {
        const auto place = known.find(by);
        const RowSeq after = place == known.end() ? RowSeq{} : place->second;
        RowRun run{.author = by, .after = after, .rows = {}};
        for (const auto& [row_seq, row] : attempts_[by]) {
            if (row_seq <= after) continue;
            if (count > 0 && (bytes >= max_bytes || count >= max_rows)) page.all = false;
            if (!page.all) break;
            bytes += row.bytes.size();
            ++count;
            run.rows.push_back(row);
        }
        if (page.all) page.reached[by] = seq;
        if (run.rows.empty()) continue;
        if (!page.all) page.reached[by] = run.rows.back().seq;
        page.runs.push_back(std::move(run));
        if (!page.all) break;
    }
    rows_read += count;
    return page;
}

/// Whether it shows that another directory writes under this one's name.
bool FakeLinkStore::is_twins(const RowRun& run) const {
    if (run.author != author()) return false;
    const auto held = attempts_.find(author());
    const auto place = row_vector_.find(author());
    return std::ranges::any_of(run.rows, [&](const AttemptRow& row) {
        if (place == row_vector_.end() || row.seq > place->second) return true;
        const auto own = held->second.find(row.seq);
        return own != held->second.end() && own->second != row;
    });
}

Result<RowsTaken> FakeLinkStore::take_rows(std::span<const RowRun> runs) {
    if (auto error = faulty("take_rows")) return *error;
    for (const auto& run : runs) {
        for (const auto& row : run.rows) {
            if (row.signature != signature_of(run.author, row.seq, row.bytes)) {
                return errc::bad_signature;
            }
        }
    }
    RowsTaken taken;
    for (const auto& run : runs) {
        if (!is_twins(run)) continue;
        const auto counted = attempts_[author()];
        incarnation = Incarnation{value(incarnation) + 1000};
        ++lives_begun;
        for (const auto& [seq, row] : counted) {
            see_attempt(static_cast<std::uint8_t>(row.bytes[0]), row.bytes.size());
        }
        taken.is_new_life = true;
        break;
    }
    ++takes;
    for (const auto& run : runs) {
        if (!is_member(run.author.node)) {
            taken.ask_again = true;
            continue;
        }
        for (const auto& row : run.rows) {
            const auto place = row_vector_.find(run.author);
            const RowSeq held = place == row_vector_.end() ? RowSeq{} : place->second;
            if (run.after > held || row.seq <= held || run.author == author()) {
                ++rows_ignored;
                continue;
            }
            put_row(run.author, row);
            ++rows_taken;
            ++writes;
        }
    }
    return taken;
}

Result<void> FakeLinkStore::rows_complete(const NodeId& peer) {
    if (auto error = faulty("rows_complete")) return *error;
    ++completed[peer];
    return {};
}

}  // namespace countersign::testing
