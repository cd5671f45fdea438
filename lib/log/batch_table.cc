#include "log/batch_table.h"

#include <algorithm>
#include <string>
#include <utility>

#include "sqlite/read.h"

namespace countersign::log {

const char* const schema_sql = R"sql(
CREATE TABLE head (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    root_term INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    node BLOB NOT NULL,
    seq INTEGER NOT NULL,
    hash BLOB NOT NULL,
    time INTEGER NOT NULL,
    digest BLOB NOT NULL
) STRICT;
CREATE TABLE batch (
    seq INTEGER PRIMARY KEY,
    root_term INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    node BLOB NOT NULL,
    time INTEGER NOT NULL,
    bytes_through INTEGER NOT NULL,
    signature BLOB NOT NULL,
    bytes BLOB NOT NULL
) STRICT;
)sql";

namespace {

Result<SignedBatch> to_batch(const sqlite::Rows& rows) {
    auto row = sqlite::columns<RootTerm, Epoch, NodeId, LogSeq, sealing::Signature, Bytes>(rows);
    if (!row) return row.error();
    auto& [root_term, epoch, node, seq, signature, bytes] = *row;
    return SignedBatch{.place = {.root_term = root_term, .epoch = epoch, .node = node, .seq = seq},
                       .signature = signature,
                       .bytes = std::move(bytes)};
}

}  // namespace

// bytes_through counts this batch and all before it that the store has had, so that what a stretch
// of the log holds is the difference of two rows.
Result<BatchTable> BatchTable::prepare(sqlite::Database& database, std::string_view tables) {
    auto statements = sqlite::Statements<Query>::prepare(
        database,
        {{{Query::put,
           "INSERT INTO $batch"
           " (seq, root_term, epoch, node, time, bytes_through, signature, bytes)"
           " VALUES (?1, ?2, ?3, ?4, ?5, length(?7) +"
           " coalesce((SELECT bytes_through FROM $batch WHERE seq = ?1 - 1), 0), ?6, ?7)"},
          {Query::get,
           "SELECT root_term, epoch, node, seq, signature, bytes FROM $batch WHERE seq = ?"},
          {Query::first, "SELECT min(seq) FROM $batch"},
          {Query::last, "SELECT max(seq) FROM $batch"},
          {Query::row, "SELECT time, length(bytes), bytes_through FROM $batch WHERE seq = ?"},
          {Query::erase, "DELETE FROM $batch WHERE seq <= ?"}}},
        tables);
    if (!statements) return statements.error();
    return BatchTable(std::move(*statements));
}

Result<void> BatchTable::put(const SignedBatch& batch, UnixTime time) {
    const auto& place = batch.place;
    return statements_[Query::put].run(
        place.seq, place.root_term, place.epoch, place.node, time, batch.signature, batch.bytes);
}

Result<std::optional<SignedBatch>> BatchTable::get(LogSeq seq) {
    return sqlite::one_row(statements_[Query::get].query(seq), to_batch);
}

Result<LogSeq> BatchTable::end(Query which) {
    const auto seq = sqlite::one_row(statements_[which].query(), [](const sqlite::Rows& rows) {
        return rows.as<std::optional<LogSeq>>(0);
    });
    if (!seq) return seq.error();
    return (*seq)->value_or(LogSeq{0});
}

Result<LogSeq> BatchTable::first() {
    return end(Query::first);
}

Result<LogSeq> BatchTable::last() {
    return end(Query::last);
}

Result<BatchTable::Row> BatchTable::row(LogSeq seq) {
    const auto row = sqlite::one_row(statements_[Query::row].query(seq), [](const auto& rows) {
        return sqlite::columns<UnixTime, std::uint64_t, std::uint64_t>(rows);
    });
    if (!row) return row.error();
    if (!*row) return Error(errc::corrupt, "batch " + std::to_string(value(seq)) + " is missing");
    const auto& [time, bytes, bytes_through] = **row;
    return Row{.time = time, .bytes = bytes, .bytes_through = bytes_through};
}

/// The highest seq for which `holds`, which holds for all below one that it holds for; 0: for none.
template <class Holds>
Result<LogSeq> BatchTable::last_where(Holds&& holds) {
    const auto lowest = first();
    if (!lowest) return lowest.error();
    const auto highest = last();
    if (!highest) return highest.error();
    if (*highest == LogSeq{0}) return *highest;
    std::uint64_t from = value(*lowest);     // all below hold
    std::uint64_t to = value(*highest) + 1;  // none from here on holds
    while (from < to) {
        const std::uint64_t middle = from + (to - from) / 2;
        const auto found = row(LogSeq{middle});
        if (!found) return found.error();
        if (holds(*found)) {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    return from == value(*lowest) ? LogSeq{0} : LogSeq{from - 1};
}

Result<BatchTable::Size> BatchTable::size() {
    const auto lowest = first();
    if (!lowest) return lowest.error();
    if (*lowest == LogSeq{0}) return Size{};
    const auto highest = last();
    if (!highest) return highest.error();
    const auto from = row(*lowest);
    if (!from) return from.error();
    const auto to = row(*highest);
    if (!to) return to.error();
    return Size{.batches = value(*highest) - value(*lowest) + 1,
                .bytes = to->bytes_through - from->bytes_through + from->bytes};
}

Result<LogSeq> BatchTable::last_before(UnixTime time) {
    return last_where([&](const Row& row) { return row.time < time; });
}

Result<LogSeq> BatchTable::last_beyond(std::uint64_t bytes) {
    const auto highest = last();
    if (!highest) return highest.error();
    if (*highest == LogSeq{0}) return *highest;
    const auto all = row(*highest);
    if (!all) return all.error();
    return last_where(
        [&](const Row& row) { return all->bytes_through - row.bytes_through + row.bytes > bytes; });
}

Result<std::uint64_t> BatchTable::erase_to(LogSeq last, std::uint64_t limit) {
    const auto lowest = first();
    if (!lowest) return lowest.error();
    const auto highest = this->last();
    if (!highest) return highest.error();
    last = std::min(last, *highest);
    if (*lowest == LogSeq{0} || last < *lowest || limit == 0) return 0;
    const std::uint64_t number = std::min(value(last) - value(*lowest) + 1, limit);
    auto erased = statements_[Query::erase].run(LogSeq{value(*lowest) + number - 1});
    if (!erased) return erased.error();
    return number;
}

}  // namespace countersign::log
