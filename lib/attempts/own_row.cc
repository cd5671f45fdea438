#include "attempts/own_row.h"

#include <algorithm>
#include <cassert>
#include <limits>
#include <utility>
#include <vector>

namespace countersign::attempts {
namespace {

bool is_needless(const Clear& clear, const TallySet& rows) {
    const TallyRow* row = rows.find(clear.subject());
    return row != nullptr && row->window > clear.window;
}

// The own row as it stands, under the new stamp; in a window of its own when it is the first.
TallyRow restamped(const TallySet& rows, const Stamp& stamp) {
    const TallyRow* own = rows.find(stamp.author());
    assert(own == nullptr || own->row_seq < stamp.row_seq);
    TallyRow row = own != nullptr ? *own : TallyRow{.credential = rows.credential()};
    if (own == nullptr) row.window = stamp.row_seq;
    row.node = stamp.node;
    row.incarnation = stamp.incarnation;
    row.row_seq = stamp.row_seq;
    row.head = stamp.head;
    std::erase_if(row.clears, [&](const Clear& clear) { return is_needless(clear, rows); });
    return row;
}

// What a success here has to say of others: of each row that still counts, all of it.
std::vector<Clear> clears_to_add(const TallyRow& own,
                                 const TallySet& rows,
                                 const WhoseWord& whose) {
    std::vector<std::pair<std::uint32_t, Clear>> wanted;
    for (const auto& [row, failed_at] : rows.entries()) {
        if (row.author() == own.author()) continue;
        if (!whose.failures_count(row)) continue;
        const std::uint32_t left = remaining(row, rows, whose);
        const Clear* held = own.clear_of(row.author());
        // What is held of a window never falls, also where this node has since lost the row.
        const bool known =
            held != nullptr && (held->window > row.window ||
                                (held->window == row.window && held->failures >= row.failures));
        if (left == 0 || known) continue;
        wanted.emplace_back(left, Clear{row.node, row.incarnation, row.window, row.failures});
    }
    std::ranges::sort(wanted, [](const auto& a, const auto& b) {
        if (a.first != b.first) return a.first > b.first;
        return a.second.subject() < b.second.subject();
    });
    std::vector<Clear> clears;
    for (auto& [left, clear] : wanted) clears.push_back(std::move(clear));
    return clears;
}

// True when there was room.
bool put(std::vector<Clear>& clears, const Clear& clear) {
    const auto place = std::ranges::lower_bound(clears, clear.subject(), {}, &Clear::subject);
    if (place != clears.end() && place->subject() == clear.subject()) {
        *place = clear;
        return true;
    }
    if (clears.size() == max_clears) return false;
    clears.insert(place, clear);
    return true;
}

std::optional<TallyRow> clear_all_known(const TallySet& rows,
                                        const Stamp& stamp,
                                        const WhoseWord& whose) {
    TallyRow row = restamped(rows, stamp);
    bool changed = false;
    for (const Clear& clear : clears_to_add(row, rows, whose)) {
        if (put(row.clears, clear)) changed = true;
    }
    if (row.failures > 0) {
        row.failures = 0;
        row.window = stamp.row_seq;
        changed = true;
    }
    if (!changed) return std::nullopt;
    return row;
}

}  // namespace

TallyRow count_failure(const TallySet& rows, const Stamp& stamp) {
    TallyRow row = restamped(rows, stamp);
    if (row.failures == 0) row.window = stamp.row_seq;
    if (row.failures < std::numeric_limits<std::uint32_t>::max()) ++row.failures;
    return row;
}

std::optional<TallyRow> record_success(const TallySet& rows,
                                       const Stamp& stamp,
                                       const WhoseWord& whose) {
    return clear_all_known(rows, stamp, whose);
}

std::optional<TallyRow> operator_clear(const TallySet& rows,
                                       const Stamp& stamp,
                                       const WhoseWord& whose) {
    return clear_all_known(rows, stamp, whose);
}

std::optional<TallyRow> open_new_window(const TallySet& rows,
                                        const Stamp& stamp,
                                        const WhoseWord& whose) {
    const TallyRow* own = rows.find(stamp.author());
    if (own == nullptr || own->failures == 0 || remaining(*own, rows, whose) > 0) {
        return std::nullopt;
    }
    TallyRow row = restamped(rows, stamp);
    row.failures = 0;
    row.window = stamp.row_seq;
    return row;
}

std::optional<TallyRow> drop_clears(const TallySet& rows, const Stamp& stamp) {
    const TallyRow* own = rows.find(stamp.author());
    if (own == nullptr) return std::nullopt;
    TallyRow row = restamped(rows, stamp);
    if (row.clears.size() == own->clears.size()) return std::nullopt;
    return row;
}

std::optional<TallyRow> copy_from(Incarnation left,
                                  const TallySet& rows,
                                  const Stamp& stamp,
                                  const WhoseWord& whose) {
    assert(left != stamp.incarnation && rows.find(stamp.author()) == nullptr);
    const TallyRow* source = rows.find({stamp.node, left});
    if (source == nullptr) return std::nullopt;
    TallyRow row = restamped(rows, stamp);
    row.failures = remaining(*source, rows, whose);
    row.clears = source->clears;
    // A twin under the same incarnation may have heard of this new one already.
    std::erase_if(row.clears, [&](const Clear& clear) {
        return is_needless(clear, rows) || clear.subject() == row.author();
    });
    if (says_nothing(row)) return std::nullopt;
    return row;
}

bool says_nothing(const TallyRow& row) noexcept {
    return row.failures == 0 && row.clears.empty();
}

}  // namespace countersign::attempts
