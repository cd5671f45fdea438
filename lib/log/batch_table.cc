#include "log/batch_table.h"

#include <utility>

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
    signature BLOB NOT NULL,
    bytes BLOB NOT NULL
) STRICT;
)sql";

namespace {

/// The number in the only row of an aggregate; 0 for NULL.
Result<std::uint64_t> number(Result<sqlite::Rows> rows, int column = 0) {
    if (!rows) return rows.error();
    const auto found = rows->next();
    if (!found) return found.error();
    return *found && !rows->is_null(column) ? static_cast<std::uint64_t>(rows->integer(column)) : 0;
}

}  // namespace

BatchTable::BatchTable(sqlite::Statement put,
                       sqlite::Statement get,
                       sqlite::Statement first,
                       sqlite::Statement size,
                       sqlite::Statement last_before,
                       sqlite::Statement sizes_down,
                       sqlite::Statement erase)
    : put_(std::move(put)),
      get_(std::move(get)),
      first_(std::move(first)),
      size_(std::move(size)),
      last_before_(std::move(last_before)),
      sizes_down_(std::move(sizes_down)),
      erase_(std::move(erase)) {}

Result<BatchTable> BatchTable::prepare(sqlite::Database& database) {
    auto put = database.prepare(
        "INSERT INTO batch (seq, root_term, epoch, node, time, signature, bytes)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)");
    if (!put) return put.error();
    auto get = database.prepare(
        "SELECT root_term, epoch, node, signature, bytes FROM batch WHERE seq = ?");
    if (!get) return get.error();
    auto first = database.prepare("SELECT min(seq) FROM batch");
    if (!first) return first.error();
    auto size = database.prepare("SELECT count(*), sum(length(bytes)) FROM batch");
    if (!size) return size.error();
    auto last_before = database.prepare("SELECT max(seq) FROM batch WHERE time < ?");
    if (!last_before) return last_before.error();
    auto sizes_down = database.prepare("SELECT seq, length(bytes) FROM batch ORDER BY seq DESC");
    if (!sizes_down) return sizes_down.error();
    auto erase = database.prepare(
        "DELETE FROM batch WHERE seq IN (SELECT seq FROM batch WHERE seq <= ? ORDER BY seq LIMIT ?)"
        " RETURNING seq");
    if (!erase) return erase.error();
    return BatchTable(std::move(*put),
                      std::move(*get),
                      std::move(*first),
                      std::move(*size),
                      std::move(*last_before),
                      std::move(*sizes_down),
                      std::move(*erase));
}

Result<void> BatchTable::put(const SignedBatch& batch, UnixTime time) {
    const auto& place = batch.place;
    return put_.run(place.seq,
                    place.root_term,
                    place.epoch,
                    place.node,
                    time.time_since_epoch().count(),
                    batch.signature,
                    batch.bytes);
}

Result<std::optional<SignedBatch>> BatchTable::get(LogSeq seq) {
    auto rows = get_.query(seq);
    if (!rows) return rows.error();
    const auto found = rows->next();
    if (!found) return found.error();
    if (!*found) return std::nullopt;
    const auto node = NodeId::from_bytes(rows->blob(2));
    const auto signature = sealing::Signature::from_bytes(rows->blob(3));
    if (!node || !signature) return Error(errc::corrupt, "batch " + std::to_string(value(seq)));
    const auto bytes = rows->blob(4);
    return SignedBatch{
        .place = {.root_term = RootTerm{static_cast<std::uint64_t>(rows->integer(0))},
                  .epoch = Epoch{static_cast<std::uint64_t>(rows->integer(1))},
                  .node = *node,
                  .seq = seq},
        .signature = *signature,
        .bytes = {bytes.begin(), bytes.end()}};
}

Result<LogSeq> BatchTable::first() {
    const auto seq = number(first_.query());
    if (!seq) return seq.error();
    return LogSeq{*seq};
}

Result<BatchTable::Size> BatchTable::size() {
    auto rows = size_.query();
    if (!rows) return rows.error();
    const auto found = rows->next();
    if (!found) return found.error();
    if (!*found || rows->is_null(1)) return Size{};
    return Size{.batches = static_cast<std::uint64_t>(rows->integer(0)),
                .bytes = static_cast<std::uint64_t>(rows->integer(1))};
}

Result<LogSeq> BatchTable::last_before(UnixTime time) {
    const auto seq = number(last_before_.query(time.time_since_epoch().count()));
    if (!seq) return seq.error();
    return LogSeq{*seq};
}

Result<LogSeq> BatchTable::last_beyond(std::uint64_t bytes) {
    auto rows = sizes_down_.query();
    if (!rows) return rows.error();
    for (std::uint64_t sum = 0;;) {
        const auto found = rows->next();
        if (!found) return found.error();
        if (!*found) return LogSeq{0};
        sum += static_cast<std::uint64_t>(rows->integer(1));
        if (sum > bytes) return LogSeq{static_cast<std::uint64_t>(rows->integer(0))};
    }
}

Result<std::uint64_t> BatchTable::erase_to(LogSeq last, std::uint64_t limit) {
    auto rows = erase_.query(last, limit);
    if (!rows) return rows.error();
    for (std::uint64_t erased = 0;; ++erased) {
        const auto found = rows->next();
        if (!found) return found.error();
        if (!*found) return erased;
    }
}

}  // namespace countersign::log
