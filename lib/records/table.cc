#include "records/table.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace countersign::records {

// The handle table is its own index (WITHOUT ROWID: rows of 35 bytes, looked up whole); records are
// rowid rows, which at their size fill two to three times faster.
const char* const schema_sql = R"sql(
CREATE TABLE record (
    kind INTEGER NOT NULL,
    id BLOB NOT NULL CHECK (length(id) = 16),
    seq INTEGER NOT NULL,
    sealed BLOB NOT NULL,
    handles BLOB NOT NULL CHECK (length(handles) % 16 = 0)
) STRICT;
CREATE UNIQUE INDEX record_name ON record (kind, id);
CREATE TABLE handle (
    value BLOB NOT NULL CHECK (length(value) = 16),
    kind INTEGER NOT NULL,
    id BLOB NOT NULL CHECK (length(id) = 16),
    PRIMARY KEY (value, kind, id)
) STRICT, WITHOUT ROWID;
)sql";

namespace {

Result<std::vector<Handle>> to_handles(BytesView bytes) {
    if (bytes.size() % Handle::size != 0) return Error(errc::corrupt, "a record's handles");
    std::vector<Handle> handles(bytes.size() / Handle::size);
    if (!bytes.empty()) std::memcpy(handles.data(), bytes.data(), bytes.size());
    return handles;
}

/// The columns `seq, sealed, handles`, from `first` on.
Result<StoredRecord> to_record(sqlite::Rows& rows, int first) {
    StoredRecord record;
    const auto sealed = rows.blob(first + 1);
    auto handles = to_handles(rows.blob(first + 2));
    if (!handles) return handles.error();
    record.seq = LogSeq{static_cast<std::uint64_t>(rows.integer(first))};
    record.sealed.assign(sealed.begin(), sealed.end());
    record.handles = std::move(*handles);
    return record;
}

Result<RecordId> to_id(BytesView bytes) {
    const auto id = RecordId::from_bytes(bytes);
    if (!id) return Error(errc::corrupt, "a record's id");
    return *id;
}

}  // namespace

BytesView as_bytes(const std::vector<Handle>& handles) noexcept {
    static_assert(sizeof(Handle) == Handle::size);
    return std::as_bytes(std::span(handles));
}

Reader::Reader(sqlite::Statement get,
               sqlite::Statement find,
               sqlite::Statement each,
               sqlite::Statement count,
               sqlite::Statement newest)
    : get_(std::move(get)),
      find_(std::move(find)),
      each_(std::move(each)),
      count_(std::move(count)),
      newest_(std::move(newest)) {}

Result<Reader> Reader::prepare(sqlite::Database& database) {
    auto get =
        database.prepare("SELECT seq, sealed, handles FROM record WHERE kind = ? AND id = ?");
    if (!get) return get.error();
    auto find = database.prepare("SELECT id FROM handle WHERE value = ? AND kind = ? ORDER BY id");
    if (!find) return find.error();
    auto each = database.prepare(
        "SELECT kind, id, seq, sealed, handles FROM record WHERE (kind, id) > (?, ?)"
        " ORDER BY kind, id");
    if (!each) return each.error();
    auto count = database.prepare("SELECT count(*) FROM record WHERE kind = ?");
    if (!count) return count.error();
    // Users are the lowest kind, and all but a handful of the rows.
    auto newest = database.prepare("SELECT max(seq) FROM record WHERE kind > 1");
    if (!newest) return newest.error();
    return Reader(
        std::move(*get), std::move(*find), std::move(*each), std::move(*count), std::move(*newest));
}

Result<std::optional<StoredRecord>> Reader::get(const RecordName& name) {
    auto rows = get_.query(name.kind, name.id);
    if (!rows) return rows.error();
    const auto found = rows->next();
    if (!found) return found.error();
    if (!*found) return std::nullopt;
    auto record = to_record(*rows, 0);
    if (!record) return record.error();
    return std::optional(std::move(*record));
}

Result<std::vector<RecordId>> Reader::find(const Handle& handle, RecordKind kind) {
    auto rows = find_.query(handle, kind);
    if (!rows) return rows.error();
    std::vector<RecordId> ids;
    for (;;) {
        const auto found = rows->next();
        if (!found) return found.error();
        if (!*found) return ids;
        const auto id = to_id(rows->blob(0));
        if (!id) return id.error();
        ids.push_back(*id);
    }
}

Result<void> Reader::each(
    const std::optional<RecordName>& after,
    const std::function<bool(const RecordName&, const StoredRecord&)>& visit) {
    constexpr std::int64_t before_all_kinds = -1;
    const RecordId id = after ? after->id : RecordId{};
    auto rows =
        each_.query(after ? static_cast<std::int64_t>(value(after->kind)) : before_all_kinds, id);
    if (!rows) return rows.error();
    for (;;) {
        const auto found = rows->next();
        if (!found) return found.error();
        if (!*found) return {};
        const auto name_id = to_id(rows->blob(1));
        if (!name_id) return name_id.error();
        const auto record = to_record(*rows, 2);
        if (!record) return record.error();
        if (!visit({RecordKind{static_cast<std::uint16_t>(rows->integer(0))}, *name_id}, *record)) {
            return {};
        }
    }
}

Result<std::uint64_t> Reader::count(RecordKind kind) {
    auto rows = count_.query(kind);
    if (!rows) return rows.error();
    const auto found = rows->next();
    if (!found) return found.error();
    return static_cast<std::uint64_t>(rows->integer(0));
}

Result<void> Reader::each_of(
    RecordKind kind, const std::function<bool(const RecordName&, const StoredRecord&)>& visit) {
    RecordName before{.kind = RecordKind{static_cast<std::uint16_t>(value(kind) - 1)}, .id = {}};
    before.id.bytes.fill(std::byte{0xff});
    return each(before, [&](const RecordName& name, const StoredRecord& record) {
        return name.kind == kind && visit(name, record);
    });
}

Result<LogSeq> Reader::newest_of_pool() {
    auto rows = newest_.query();
    if (!rows) return rows.error();
    const auto found = rows->next();
    if (!found) return found.error();
    return LogSeq{static_cast<std::uint64_t>(rows->integer(0))};
}

Writer::Writer(sqlite::Statement insert,
               sqlite::Statement update,
               sqlite::Statement erase,
               sqlite::Statement add_handle,
               sqlite::Statement drop_handle)
    : insert_(std::move(insert)),
      update_(std::move(update)),
      erase_(std::move(erase)),
      add_handle_(std::move(add_handle)),
      drop_handle_(std::move(drop_handle)) {}

Result<Writer> Writer::prepare(sqlite::Database& database) {
    auto insert = database.prepare(
        "INSERT INTO record (kind, id, seq, sealed, handles) VALUES (?, ?, ?, ?, ?)");
    if (!insert) return insert.error();
    auto update = database.prepare(
        "UPDATE record SET seq = ?, sealed = ?, handles = ? WHERE kind = ? AND id = ?");
    if (!update) return update.error();
    auto erase = database.prepare("DELETE FROM record WHERE kind = ? AND id = ?");
    if (!erase) return erase.error();
    auto add_handle = database.prepare("INSERT INTO handle (value, kind, id) VALUES (?, ?, ?)");
    if (!add_handle) return add_handle.error();
    auto drop_handle =
        database.prepare("DELETE FROM handle WHERE value = ? AND kind = ? AND id = ?");
    if (!drop_handle) return drop_handle.error();
    return Writer(std::move(*insert),
                  std::move(*update),
                  std::move(*erase),
                  std::move(*add_handle),
                  std::move(*drop_handle));
}

Result<void> Writer::write(const Change& change,
                           LogSeq seq,
                           const std::optional<StoredRecord>& before) {
    static const std::vector<Handle> none;
    const auto& name = change.name;
    const auto& old_handles = before ? before->handles : none;
    const auto& new_handles = change.put ? change.put->handles : none;
    std::vector<Handle> gone;
    std::vector<Handle> added;
    std::ranges::set_difference(old_handles, new_handles, std::back_inserter(gone));
    std::ranges::set_difference(new_handles, old_handles, std::back_inserter(added));

    for (const auto& handle : gone) {
        if (auto done = drop_handle_.run(handle, name.kind, name.id); !done) return done;
    }
    for (const auto& handle : added) {
        if (auto done = add_handle_.run(handle, name.kind, name.id); !done) return done;
    }
    if (!change.put) {
        return before ? erase_.run(name.kind, name.id) : Result<void>();
    }
    const auto& put = *change.put;
    return before ? update_.run(seq, put.sealed, as_bytes(put.handles), name.kind, name.id)
                  : insert_.run(name.kind, name.id, seq, put.sealed, as_bytes(put.handles));
}

}  // namespace countersign::records
