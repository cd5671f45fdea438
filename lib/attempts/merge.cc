#include "attempts/merge.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace countersign::attempts {
namespace {

Author author(const TallySet::Entry& entry) {
    return entry.row.author();
}

// A total order, so that which of two rows stays does not depend on which came first.
bool supersedes(const TallyRow& row, const TallyRow& held) {
    if (row.row_seq != held.row_seq) return row.row_seq > held.row_seq;
    if (row.failures != held.failures) return row.failures > held.failures;
    return row != held && encode(row) > encode(held);
}

bool failed_since(const TallyRow& row, const TallyRow& held) {
    if (row.window == held.window) return row.failures > held.failures;
    return row.failures > 0;
}

}  // namespace

bool TallySet::merge(TallyRow row, Instant now) {
    assert(row.credential == credential_);
    const auto place = std::ranges::lower_bound(entries_, row.author(), {}, author);
    if (place == entries_.end() || author(*place) != row.author()) {
        entries_.insert(place, {std::move(row), now});
        return true;
    }
    if (!supersedes(row, place->row)) return false;
    if (failed_since(row, place->row)) place->failed_at = now;
    place->row = std::move(row);
    return true;
}

void TallySet::drop(const Author& gone) {
    std::erase_if(entries_, [&](const Entry& entry) { return author(entry) == gone; });
}

const TallyRow* TallySet::find(const Author& wanted) const noexcept {
    const auto place = std::ranges::lower_bound(entries_, wanted, {}, author);
    return place != entries_.end() && author(*place) == wanted ? &place->row : nullptr;
}

std::uint32_t remaining(const TallyRow& row, const TallySet& rows, const WhoseWord& whose) {
    std::uint32_t cleared = 0;
    for (const auto& [other, failed_at] : rows.entries()) {
        const Clear* clear = other.clear_of(row.author());
        if (clear == nullptr || clear->window != row.window || clear->failures <= cleared) continue;
        // Above what its subject has signed a clear has no effect at all. Cut down to that, it
        // would forgive every failure to come.
        if (clear->failures > row.failures || !whose.clears_count(other)) continue;
        cleared = clear->failures;
    }
    return row.failures - cleared;
}

std::uint64_t effective_failures(const TallySet& rows, const WhoseWord& whose) {
    std::uint64_t sum = 0;
    for (const auto& [row, failed_at] : rows.entries()) {
        if (whose.failures_count(row)) sum += remaining(row, rows, whose);
    }
    return sum;
}

std::uint64_t remaining_of(const NodeId& node, const TallySet& rows, const WhoseWord& whose) {
    std::uint64_t sum = 0;
    for (const auto& [row, failed_at] : rows.entries()) {
        if (row.node == node) sum += remaining(row, rows, whose);
    }
    return sum;
}

std::optional<Instant> newest_counted_failure(const TallySet& rows, const WhoseWord& whose) {
    std::optional<Instant> newest;
    for (const auto& [row, failed_at] : rows.entries()) {
        if (newest && failed_at <= *newest) continue;
        if (whose.failures_count(row) && remaining(row, rows, whose) > 0) newest = failed_at;
    }
    return newest;
}

}  // namespace countersign::attempts
