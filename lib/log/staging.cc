#include "log/staging.h"

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "countersign/mutants.h"

#include "log/copy_page.h"
#include "log/run.h"
#include "sqlite/read.h"

namespace countersign::log {
namespace {

constexpr std::string_view staged_tables = "staged_";
constexpr std::string_view old_tables = "old_";

constexpr const char* row_schema_sql = R"sql(
CREATE TABLE staging (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    stage INTEGER NOT NULL CHECK (stage IN (1, 2)),
    after_kind INTEGER,
    after_id BLOB CHECK (length(after_id) = 16),
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    known_root_term INTEGER NOT NULL,
    known_epoch INTEGER NOT NULL,
    known_node BLOB NOT NULL,
    indexed INTEGER NOT NULL,
    waiting_handles INTEGER NOT NULL
) STRICT;
)sql";

/// The schema of the live tables, for a set of the same with a prefix.
std::string with_prefix(std::string_view schema, std::string_view prefix) {
    constexpr std::string_view create = "CREATE TABLE ";
    std::string made(schema);
    for (std::size_t at = 0; (at = made.find(create, at)) != std::string::npos;) {
        at += create.size();
        made.insert(at, prefix);
    }
    return made;
}

// Renaming is a change of the schema's rows alone. All three sets always exist and have the same
// schema, so that every statement can be prepared at any time.
constexpr const char* empty_old_sql =
    "DELETE FROM old_record; DELETE FROM old_handle; DELETE FROM old_head; DELETE FROM old_batch";
constexpr const char* staged_to_old_sql = R"sql(
ALTER TABLE staged_record RENAME TO spare_record;
ALTER TABLE old_record RENAME TO staged_record;
ALTER TABLE spare_record RENAME TO old_record;
ALTER TABLE staged_handle RENAME TO spare_handle;
ALTER TABLE old_handle RENAME TO staged_handle;
ALTER TABLE spare_handle RENAME TO old_handle;
ALTER TABLE staged_head RENAME TO spare_head;
ALTER TABLE old_head RENAME TO staged_head;
ALTER TABLE spare_head RENAME TO old_head;
ALTER TABLE staged_batch RENAME TO spare_batch;
ALTER TABLE old_batch RENAME TO staged_batch;
ALTER TABLE spare_batch RENAME TO old_batch;
)sql";
constexpr const char* live_to_old_sql = R"sql(
ALTER TABLE record RENAME TO spare_record;
ALTER TABLE staged_record RENAME TO record;
ALTER TABLE old_record RENAME TO staged_record;
ALTER TABLE spare_record RENAME TO old_record;
ALTER TABLE handle RENAME TO spare_handle;
ALTER TABLE staged_handle RENAME TO handle;
ALTER TABLE old_handle RENAME TO staged_handle;
ALTER TABLE spare_handle RENAME TO old_handle;
ALTER TABLE head RENAME TO spare_head;
ALTER TABLE staged_head RENAME TO head;
ALTER TABLE old_head RENAME TO staged_head;
ALTER TABLE spare_head RENAME TO old_head;
ALTER TABLE batch RENAME TO spare_batch;
ALTER TABLE staged_batch RENAME TO batch;
ALTER TABLE old_batch RENAME TO staged_batch;
ALTER TABLE spare_batch RENAME TO old_batch;
)sql";

Result<std::uint64_t> count_rows(Result<sqlite::Rows> rows) {
    std::uint64_t number = 0;
    const auto read = sqlite::each_row(std::move(rows), [&](const sqlite::Rows&) -> Result<bool> {
        ++number;
        return true;
    });
    if (!read) return read.error();
    return number;
}

}  // namespace

std::string staging_schema_sql() {
    std::string sql;
    for (const auto prefix : {staged_tables, old_tables}) {
        sql += with_prefix(records::schema_sql, prefix);
        sql += with_prefix(schema_sql, prefix);
    }
    return sql + row_schema_sql;
}

Result<Staging> Staging::prepare(sqlite::Database& database,
                                 PoolId pool,
                                 sealing::KeyView digest_key) {
    auto staged = Ledger::prepare(database, pool, digest_key, staged_tables);
    if (!staged) return staged.error();
    auto statements = sqlite::Statements<Query>::prepare(
        database,
        {{{Query::read,
           "SELECT stage, first, last, known_root_term, known_epoch, known_node, indexed,"
           " waiting_handles, after_kind, after_id FROM staging"},
          {Query::write,
           "INSERT OR REPLACE INTO staging (one, stage, first, last, known_root_term, known_epoch,"
           " known_node, indexed, waiting_handles, after_kind, after_id)"
           " VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"},
          {Query::end, "DELETE FROM staging"},
          {Query::unindexed,
           "SELECT rowid, kind, id, handles FROM staged_record WHERE rowid > ? ORDER BY rowid"},
          {Query::anything_staged,
           "SELECT EXISTS (SELECT 1 FROM staged_record) OR EXISTS (SELECT 1 FROM staged_handle)"
           " OR EXISTS (SELECT 1 FROM staged_batch)"},
          {Query::forget_head, "DELETE FROM staged_head"},
          {Query::drop_records,
           "DELETE FROM old_record WHERE rowid IN"
           " (SELECT rowid FROM old_record ORDER BY rowid LIMIT ?) RETURNING 1"},
          {Query::drop_handles,
           "DELETE FROM old_handle WHERE (value, kind, id) IN"
           " (SELECT value, kind, id FROM old_handle ORDER BY value, kind, id LIMIT ?) RETURNING "
           "1"},
          {Query::drop_batches,
           "DELETE FROM old_batch WHERE seq IN (SELECT seq FROM old_batch ORDER BY seq LIMIT ?)"
           " RETURNING 1"},
          {Query::drop_head, "DELETE FROM old_head"},
          {Query::left_out,
           "SELECT kind, id FROM record WHERE NOT EXISTS (SELECT 1 FROM staged_record AS staged"
           " WHERE staged.kind = record.kind AND staged.id = record.id)"}}});
    if (!statements) return statements.error();
    return Staging(std::move(*staged), std::move(*statements));
}

Result<std::optional<Staging::Row>> Staging::read_row() {
    auto row = sqlite::one_row(
        statements_[Query::read].query(), [](const sqlite::Rows& rows) -> Result<Row> {
            const auto columns = sqlite::columns<CopyState::Stage,
                                                 LogSeq,
                                                 LogSeq,
                                                 RootTerm,
                                                 Epoch,
                                                 NodeId,
                                                 std::int64_t,
                                                 std::uint64_t,
                                                 std::optional<std::uint16_t>,
                                                 std::optional<RecordId>>(rows);
            if (!columns) return columns.error();
            const auto& [stage, first, last, root_term, epoch, node, indexed, waiting, kind, id] =
                *columns;
            Row read{.state = {.stage = stage, .after = {}, .first = first, .last = last},
                     .known = {.root_term = root_term, .epoch = epoch, .node = node},
                     .indexed = indexed,
                     .waiting_handles = waiting};
            if (kind && id) read.state.after = RecordKey{.kind = *kind, .id = *id};
            return read;
        });
    if (!row || !*row) return row;
    const auto head = staged_.head.read();
    if (!head) return head.error();
    (*row)->state.replayed = head->place.seq;
    return row;
}

Result<void> Staging::write_row(const Row& row) {
    const auto& after = row.state.after;
    return statements_[Query::write].run(row.state.stage,
                                         row.state.first,
                                         row.state.last,
                                         row.known.root_term,
                                         row.known.epoch,
                                         row.known.node,
                                         row.indexed,
                                         row.waiting_handles,
                                         after ? std::optional(after->kind) : std::nullopt,
                                         after ? std::optional(after->id) : std::nullopt);
}

/// None also when a designation ends the copy.
Result<std::optional<Staging::Row>> Staging::valid_row() {
    auto row = read_row();
    if (!row || !*row) return row;
    const auto& known = (*row)->known;
    const auto later = staged_.designations.after(known.root_term, known.epoch, known.node);
    if (!later) return later.error();
    const bool over = std::ranges::any_of(*later, [&](const records::Designation& designation) {
        return designation.base_seq < (*row)->state.last;
    });
    if (over) row->reset();
    return row;
}

Result<void> Staging::note_designation(Row& row) {
    const auto current = staged_.designations.current();
    if (!current) return current.error();
    if (*current) {
        row.known = {.root_term = (*current)->root_term,
                     .epoch = (*current)->epoch,
                     .node = (*current)->node};
    }
    return {};
}

Result<CopyState> Staging::state() {
    auto row = valid_row();
    if (!row) return row.error();
    return *row ? std::move((*row)->state) : CopyState{};
}

Result<void> Staging::set_aside(sqlite::Database& database) {
    const auto anything =
        sqlite::one_row(statements_[Query::anything_staged].query(),
                        [](const sqlite::Rows& rows) { return rows.as<std::int64_t>(0); });
    if (!anything) return anything.error();
    if (anything->value_or(0) != 0) {
        if (auto emptied = database.execute(empty_old_sql); !emptied) return emptied;
        if (auto renamed = database.execute(staged_to_old_sql); !renamed) return renamed;
    }
    return statements_[Query::forget_head].run();
}

Result<CopyState> Staging::begin(sqlite::Database& database) {
    if (auto aside = set_aside(database); !aside) return aside.error();
    Row row{.state = {.stage = CopyState::Stage::paging}};
    if (auto noted = note_designation(row); !noted) return noted.error();
    if (auto written = write_row(row); !written) return written.error();
    return std::move(row.state);
}

Result<CopyState> Staging::stage(const CopyPage& page) {
    auto found = valid_row();
    if (!found) return found.error();
    if (!*found || (*found)->state.stage != CopyState::Stage::paging) {
        return Error(errc::conflict, "a page came while no records are being copied");
    }
    Row& row = **found;
    CopyState& state = row.state;
    if (auto right = check_page(page, state.after); !right) return right.error();
    if (auto written = write_records(page); !written) return written.error();
    for (const auto& record : page.records) {
        row.waiting_handles += record.handles.size() / records::Handle::size;
    }
    if (page.last || row.waiting_handles >= waiting_handles_limit) {
        if (auto indexed = index_handles(row); !indexed) return indexed.error();
    }
    if (!page.records.empty()) state.after = page.records.back().key;
    state.first = state.first == LogSeq{0} ? page.moment : std::min(state.first, page.moment);
    state.last = std::max(state.last, page.moment);
    if (page.last) state.stage = CopyState::Stage::replaying;
    if (auto noted = note_designation(row); !noted) return noted.error();
    if (auto written = write_row(row); !written) return written.error();
    return std::move(state);
}

Result<void> Staging::write_records(const CopyPage& page) {
    auto head = staged_.head.read();
    if (!head) return head.error();
    for (const auto& record : page.records) {
        const auto name = name_of(record.key);
        const auto handles = records::to_handles(record.handles);
        if (!handles) return handles.error();
        auto written = staged_.writer.insert(name, record.seq, record.sealed, record.handles);
        if (!written) return written;
        head->digest.add(staged_.hash_row(name, record.seq, record.sealed, *handles));
    }
    return staged_.head.write(*head);
}

Result<void> Staging::index_handles(Row& row) {
    std::vector<records::HandleRow> due;
    due.reserve(row.waiting_handles);
    const auto add = [&](const sqlite::Rows& rows) -> Result<bool> {
        const auto columns = sqlite::columns<std::int64_t, records::RecordKind, RecordId>(rows);
        if (!columns) return columns.error();
        const auto handles = records::to_handles(rows.blob(3));
        if (!handles) return handles.error();
        const auto& [rowid, kind, id] = *columns;
        for (const auto& handle : *handles) due.push_back({handle, {kind, id}});
        row.indexed = rowid;
        return true;
    };
    const auto read = sqlite::each_row(statements_[Query::unindexed].query(row.indexed), add);
    if (!read) return read;
    std::ranges::sort(due);
    for (const auto& handle : due) {
        if (auto written = staged_.writer.insert(handle); !written) return written;
    }
    row.waiting_handles = 0;
    return {};
}

Result<std::optional<Error>> Staging::apply(const SignedBatch& signed_batch,
                                            const Proved& proved,
                                            Successors& successors,
                                            Head& head) {
    const Batch& batch = proved.batch;
    if (auto within = successors.check(batch.place, proved.hash); !within) {
        if (within.error() == errc::wrong_epoch) return std::optional(within.error());
        return within.error();
    }
    const bool anchor = head.place.seq == LogSeq{0};
    if (anchor) {
        // Those behind it may have proved it; its signature is stored, and others will ask for it.
        auto authored = check_author(staged_.designations, signed_batch);
        if (!authored) return authored.error();
    } else {
        auto follows = check_follows(staged_.designations, head, proved, successors);
        if (!follows) {
            if (follows.error() == errc::fork) return std::optional(follows.error());
            return follows.error();
        }
        for (const auto& change : batch.changes) {
            auto applied = staged_.apply_if_newer(change, batch.place.seq, head.digest);
            if (!applied) return applied.error();
        }
    }
    auto stored = staged_.batches.put(signed_batch, batch.time);
    if (!stored) return stored.error();
    head.place = batch.place;
    head.hash = proved.hash;
    head.time = batch.time;
    return std::optional<Error>();
}

Result<Staging::Replayed> Staging::replay(sqlite::Database& database,
                                          std::span<const SignedBatch> batches,
                                          LogSeq useful_from) {
    auto now = state();
    if (!now) return now.error();
    if (now->stage != CopyState::Stage::replaying) {
        return Error(errc::conflict, "batches came while no copy is being replayed");
    }
    auto head = staged_.head.read();
    if (!head) return head.error();
    const LogSeq due = now->replayed == LogSeq{0} ? now->first : next(now->replayed);
    if (auto right = check_sequence(batches, due); !right) return right.error();
    if (!batches.empty() && batches.back().place.seq > now->last) {
        return Error(errc::chain_gap,
                     described(batches.back().place.seq) + " lies beyond the copy's last, " +
                         described(now->last));
    }
    const auto proved = prove(staged_.designations, staged_.pool, batches);
    if (!proved) return proved.error();

    Successors successors(staged_.designations);
    for (std::size_t i = 0; i < batches.size(); ++i) {
        auto failure = apply(batches[i], (*proved)[i], successors, *head);
        if (!failure) return failure.error();
        if (*failure) return give_up(database, std::move(**failure));
    }
    if (auto moved = staged_.head.write(*head); !moved) return moved.error();
    now->replayed = head->place.seq;
    if (now->replayed != now->last) return Replayed{.state = std::move(*now)};
    const bool needs_proof =
        !is_planted(Mutant::skip_copy_proof) && !is_planted(Mutant::keep_deleted);
    if (needs_proof && head->digest.digest() != proved->back().batch.digest) {
        return give_up(
            database,
            Error(errc::digest_mismatch,
                  "the copied records are not those that " + described(now->last) + " signs"));
    }
    if (now->last < useful_from) {
        if (auto gone = discard(database); !gone) return gone.error();
        return Replayed{};
    }
    auto left_out = read_left_out();
    if (!left_out) return left_out.error();
    if (auto swapped = swap_in(database); !swapped) return swapped.error();
    return Replayed{.head = std::move(*head), .left_out = std::move(*left_out)};
}

Result<std::vector<RecordKey>> Staging::read_left_out() {
    std::vector<RecordKey> left_out;
    const auto read = sqlite::each_row(
        statements_[Query::left_out].query(), [&](const sqlite::Rows& rows) -> Result<bool> {
            const auto columns = sqlite::columns<std::uint16_t, RecordId>(rows);
            if (!columns) return columns.error();
            const auto& [kind, id] = *columns;
            left_out.push_back({.kind = kind, .id = id});
            return true;
        });
    if (!read) return read.error();
    return left_out;
}

Result<void> Staging::swap_in(sqlite::Database& database) {
    if (auto emptied = database.execute(empty_old_sql); !emptied) return emptied;
    if (auto renamed = database.execute(live_to_old_sql); !renamed) return renamed;
    return statements_[Query::end].run();
}

Result<void> Staging::discard(sqlite::Database& database) {
    if (auto aside = set_aside(database); !aside) return aside;
    return statements_[Query::end].run();
}

Result<Staging::Replayed> Staging::give_up(sqlite::Database& database, Error why) {
    if (auto gone = discard(database); !gone) return gone.error();
    return Replayed{.failure = std::move(why)};
}

Result<std::uint64_t> Staging::drop_old(std::uint64_t limit) {
    std::uint64_t dropped = 0;
    for (const auto query : {Query::drop_records, Query::drop_handles, Query::drop_batches}) {
        if (dropped == limit) return dropped;
        const auto rows = count_rows(statements_[query].query(limit - dropped));
        if (!rows) return rows.error();
        dropped += *rows;
    }
    if (dropped == limit) return dropped;
    if (auto forgotten = statements_[Query::drop_head].run(); !forgotten) return forgotten.error();
    return dropped;
}

}  // namespace countersign::log
