#include "records/table.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "countersign/mutants.h"

#include "sqlite/read.h"

namespace countersign::records {

// The handle table is its own index (WITHOUT ROWID: rows of 35 bytes, looked up whole); records are
// rowid rows, which at their size fill two to three times faster.
const char* const schema_sql = R"sql(
CREATE TABLE record (
    kind INTEGER NOT NULL,
    id BLOB NOT NULL CHECK (length(id) = 16),
    seq INTEGER NOT NULL,
    sealed BLOB NOT NULL,
    handles BLOB NOT NULL CHECK (length(handles) % 16 = 0),
    UNIQUE (kind, id)
) STRICT;
CREATE TABLE handle (
    value BLOB NOT NULL CHECK (length(value) = 16),
    kind INTEGER NOT NULL,
    id BLOB NOT NULL CHECK (length(id) = 16),
    PRIMARY KEY (value, kind, id)
) STRICT, WITHOUT ROWID;
)sql";

namespace {

/// Below every stored kind, so that a cursor there stands before the first row.
constexpr std::int64_t before_all_kinds = -1;

/// The columns `seq, sealed, handles`, from `first` on.
Result<StoredRecord> to_record(const sqlite::Rows& rows, int first) {
    const auto seq = rows.as<LogSeq>(first);
    if (!seq) return seq.error();
    auto handles = to_handles(rows.blob(first + 2));
    if (!handles) return handles.error();
    const auto sealed = rows.blob(first + 1);
    return StoredRecord{
        .seq = *seq, .sealed = {sealed.begin(), sealed.end()}, .handles = std::move(*handles)};
}

/// An insertion that finds the row there: the tables are not what the records say.
Result<void> inserted(Result<void> outcome, const char* what) {
    if (!outcome && outcome.error() == errc::already_exists) {
        return Error(errc::corrupt, std::string(what) + " is in its table before it was written");
    }
    return outcome;
}

}  // namespace

BytesView as_bytes(const std::vector<Handle>& handles) noexcept {
    static_assert(sizeof(Handle) == Handle::size);
    return std::as_bytes(std::span(handles));
}

Result<std::vector<Handle>> to_handles(BytesView bytes) {
    if (bytes.size() % Handle::size != 0) return Error(errc::corrupt, "a record's handles");
    std::vector<Handle> handles(bytes.size() / Handle::size);
    if (!bytes.empty()) std::memcpy(handles.data(), bytes.data(), bytes.size());
    return handles;
}

Result<Reader> Reader::prepare(sqlite::Database& database, std::string_view tables) {
    auto statements = sqlite::Statements<Query>::prepare(
        database,
        {{{Query::get, "SELECT seq, sealed, handles FROM $record WHERE kind = ? AND id = ?"},
          {Query::find, "SELECT id FROM $handle WHERE value = ? AND kind = ? ORDER BY id"},
          {Query::each,
           "SELECT kind, id, seq, sealed, handles FROM $record WHERE (kind, id) > (?, ?)"
           " ORDER BY kind, id"},
          {Query::each_of,
           "SELECT id, seq, sealed, handles FROM $record WHERE kind = ? ORDER BY id"},
          {Query::each_handle,
           "SELECT value, kind, id FROM $handle WHERE (value, kind, id) > (?, ?, ?)"
           " ORDER BY value, kind, id"},
          {Query::number, "SELECT count(*) FROM $record WHERE kind = ?"},
          // Users are the lowest kind, and all but a handful of the rows.
          {Query::newest_of_pool, "SELECT max(seq) FROM $record WHERE kind > 1"}}},
        tables);
    if (!statements) return statements.error();
    return Reader(std::move(*statements));
}

Result<std::optional<StoredRecord>> Reader::get(const RecordName& name) {
    return sqlite::one_row(statements_[Query::get].query(name.kind, name.id),
                           [](const sqlite::Rows& rows) { return to_record(rows, 0); });
}

Result<std::vector<RecordId>> Reader::find(const Handle& handle, RecordKind kind) {
    std::vector<RecordId> ids;
    const auto read = sqlite::each_row(statements_[Query::find].query(handle, kind),
                                       [&](const sqlite::Rows& rows) -> Result<bool> {
                                           const auto id = rows.as<RecordId>(0);
                                           if (!id) return id.error();
                                           ids.push_back(*id);
                                           return true;
                                       });
    if (!read) return read.error();
    return ids;
}

Result<void> Reader::each(const std::optional<RecordName>& after,
                          const std::function<bool(const RecordName&, const StoredRecord&)>& visit,
                          std::uint64_t* broken) {
    const std::int64_t kind = after ? value(after->kind) : before_all_kinds;
    return sqlite::each_row(statements_[Query::each].query(kind, after ? after->id : RecordId{}),
                            [&](const sqlite::Rows& rows) -> Result<bool> {
                                const auto name = sqlite::columns<RecordKind, RecordId>(rows);
                                const auto record = to_record(rows, 2);
                                if (broken && (!name || !record)) {
                                    ++*broken;
                                    return true;
                                }
                                if (!name) return name.error();
                                if (!record) return record.error();
                                return visit({std::get<0>(*name), std::get<1>(*name)}, *record);
                            });
}

Result<void> Reader::each_of(
    RecordKind kind, const std::function<bool(const RecordName&, const StoredRecord&)>& visit) {
    return sqlite::each_row(statements_[Query::each_of].query(kind),
                            [&](const sqlite::Rows& rows) -> Result<bool> {
                                const auto id = rows.as<RecordId>(0);
                                if (!id) return id.error();
                                const auto record = to_record(rows, 1);
                                if (!record) return record.error();
                                return visit({kind, *id}, *record);
                            });
}

Result<void> Reader::each_handle(const std::optional<HandleRow>& after,
                                 const std::function<bool(const HandleRow&)>& visit) {
    const HandleRow from = after.value_or(HandleRow{});
    const std::int64_t kind = after ? value(after->name.kind) : before_all_kinds;
    return sqlite::each_row(statements_[Query::each_handle].query(from.value, kind, from.name.id),
                            [&](const sqlite::Rows& rows) -> Result<bool> {
                                const auto row =
                                    sqlite::columns<Handle, RecordKind, RecordId>(rows);
                                if (!row) return row.error();
                                const auto& [value, kind_of_row, id] = *row;
                                return visit({value, {kind_of_row, id}});
                            });
}

Result<std::uint64_t> Reader::count(RecordKind kind) {
    const auto number =
        sqlite::one_row(statements_[Query::number].query(kind),
                        [](const sqlite::Rows& rows) { return rows.as<std::uint64_t>(0); });
    if (!number) return number.error();
    return number->value_or(0);
}

Result<LogSeq> Reader::newest_of_pool() {
    const auto seq =
        sqlite::one_row(statements_[Query::newest_of_pool].query(),
                        [](const sqlite::Rows& rows) { return rows.as<std::optional<LogSeq>>(0); });
    if (!seq) return seq.error();
    return (*seq)->value_or(LogSeq{0});
}

Result<Writer> Writer::prepare(sqlite::Database& database, std::string_view tables) {
    auto statements = sqlite::Statements<Query>::prepare(
        database,
        {{{Query::insert,
           "INSERT INTO $record (kind, id, seq, sealed, handles) VALUES (?, ?, ?, ?, ?)"},
          {Query::update,
           "UPDATE $record SET seq = ?, sealed = ?, handles = ? WHERE kind = ? AND id = ?"},
          {Query::erase, "DELETE FROM $record WHERE kind = ? AND id = ?"},
          {Query::add_handle, "INSERT INTO $handle (value, kind, id) VALUES (?, ?, ?)"},
          {Query::drop_handle, "DELETE FROM $handle WHERE value = ? AND kind = ? AND id = ?"},
          {Query::replace,
           "INSERT OR REPLACE INTO $record (kind, id, seq, sealed, handles) VALUES (?, ?, ?, ?, "
           "?)"},
          {Query::ensure_handle,
           "INSERT OR IGNORE INTO $handle (value, kind, id) VALUES (?, ?, ?)"},
          {Query::forget_handles, "DELETE FROM $handle"}}},
        tables);
    if (!statements) return statements.error();
    return Writer(std::move(*statements));
}

Result<void> Writer::write(const Change& change,
                           LogSeq seq,
                           const std::optional<StoredRecord>& before) {
    if (auto done = write_handles(change, before); !done) return done;
    const auto& name = change.name;
    if (!change.put) {
        return before ? statements_[Query::erase].run(name.kind, name.id) : Result<void>();
    }
    const auto handles = as_bytes(change.put->handles);
    if (before) {
        return statements_[Query::update].run(seq, change.put->sealed, handles, name.kind, name.id);
    }
    return insert(name, seq, change.put->sealed, handles);
}

Result<void> Writer::overwrite(const Change& change, LogSeq seq) {
    const auto& name = change.name;
    if (!change.put) return statements_[Query::erase].run(name.kind, name.id);
    for (const auto& handle : change.put->handles) {
        auto there = statements_[Query::ensure_handle].run(handle, name.kind, name.id);
        if (!there) return there;
    }
    return statements_[Query::replace].run(
        name.kind, name.id, seq, change.put->sealed, as_bytes(change.put->handles));
}

Result<void> Writer::forget_handles() {
    return statements_[Query::forget_handles].run();
}

Result<void> Writer::insert(const RecordName& name,
                            LogSeq seq,
                            BytesView sealed,
                            BytesView handles) {
    return inserted(statements_[Query::insert].run(name.kind, name.id, seq, sealed, handles),
                    "a record");
}

Result<void> Writer::insert(const HandleRow& handle) {
    const auto& [value, name] = handle;
    return inserted(statements_[Query::add_handle].run(value, name.kind, name.id), "a handle");
}

Result<void> Writer::write_handles(const Change& change,
                                   const std::optional<StoredRecord>& before) {
    static const std::vector<Handle> none;
    const auto& name = change.name;
    const auto& old_handles = before ? before->handles : none;
    const auto& new_handles = change.put ? change.put->handles : none;
    std::vector<Handle> gone;
    std::vector<Handle> added;
    std::ranges::set_difference(old_handles, new_handles, std::back_inserter(gone));
    std::ranges::set_difference(new_handles, old_handles, std::back_inserter(added));
    if (is_planted(Mutant::keep_handle) && !change.put) gone.clear();
    for (const auto& handle : gone) {
        auto done = statements_[Query::drop_handle].run(handle, name.kind, name.id);
        if (!done) return done;
    }
    for (const auto& handle : added) {
        if (auto done = insert(HandleRow{handle, name}); !done) return done;
    }
    return {};
}

}  // namespace countersign::records
