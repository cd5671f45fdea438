#include "attempts/row_bounds.h"

namespace countersign::attempts {

Result<bool> RowBounds::admit(
    const NodeId& node, RowKind kind, const CountUsers& users, Tables& tables, Instant now) {
    const bool is_tally = kind == RowKind::tally;
    Load& load = loads_[{node, kind}];
    const bool seems_full = load.rows >= load.bound;
    // Rows take the place of others, and are dropped, without being told here.
    if (!load.counted || (seems_full && now >= *load.counted + counted_again)) {
        const auto rows = is_tally ? tables.count_tallies(node) : tables.count_spent(node);
        if (!rows) return rows.error();
        load.rows = *rows;
        load.counted = now;
        if (load.rows >= load.bound) {
            const auto number = users();
            if (!number) return number.error();
            load.bound = rows_of_unknown + *number * (is_tally ? tallies_per_user : spent_per_user);
        }
    }
    if (load.rows >= load.bound) return false;
    ++load.rows;
    return true;
}

bool RowBounds::is_news(const NodeId& node, Instant now) {
    const auto [told, is_first] = told_.try_emplace(node, now);
    if (!is_first && now < told->second + told_again) return false;
    told->second = now;
    return true;
}

}  // namespace countersign::attempts
