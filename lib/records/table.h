#pragma once

#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "countersign/error.h"

#include "records/record.h"
#include "sqlite/database.h"
#include "sqlite/prepare.h"

namespace countersign::records {

/// The tables `record` and `handle`, as `user_version` 1 of the file has them. The file has other
/// sets of the same tables, whose names have a prefix (log/staging.h).
extern const char* const schema_sql;

/// Looks records up through one database handle: in its open transaction, or in one of its own per
/// call. `tables` is the prefix of their names. Errors: errc::corrupt, errc::io_error.
class Reader {
  public:
    static Result<Reader> prepare(sqlite::Database& database, std::string_view tables = {});

    Result<std::optional<StoredRecord>> get(const RecordName& name);
    /// Ids of the records of one kind that carry `handle`, ascending.
    Result<std::vector<RecordId>> find(const Handle& handle, RecordKind kind);
    /// Calls `visit` for records in the order of their names, the first after `after` (none: from
    /// the start), until it returns false. What `visit` gets is valid during that call. A row that
    /// is none of a record is counted in `broken` where that is given; else it is errc::corrupt.
    Result<void> each(const std::optional<RecordName>& after,
                      const std::function<bool(const RecordName&, const StoredRecord&)>& visit,
                      std::uint64_t* broken = nullptr);
    /// As `each`, for all records of one kind; what rows of other kinds hold does not matter.
    Result<void> each_of(RecordKind kind,
                         const std::function<bool(const RecordName&, const StoredRecord&)>& visit);
    /// As `each`, for the rows of `handle`, in their own order.
    Result<void> each_handle(const std::optional<HandleRow>& after,
                             const std::function<bool(const HandleRow&)>& visit);
    Result<std::uint64_t> count(RecordKind kind);
    /// The last batch that wrote any record but a user's; 0 when there is none.
    Result<LogSeq> newest_of_pool();

  private:
    enum class Query { get, find, each, each_of, each_handle, number, newest_of_pool, count };
    explicit Reader(sqlite::Statements<Query> statements) : statements_(std::move(statements)) {}
    sqlite::Statements<Query> statements_;
};

/// Changes rows within the caller's transaction.
class Writer {
  public:
    static Result<Writer> prepare(sqlite::Database& database, std::string_view tables = {});

    /// Puts or erases one record; `before` is what `Reader::get` has for it now. Handles that stay
    /// are not rewritten. Errors: errc::corrupt when the table of handles has what it should not.
    Result<void> write(const Change& change, LogSeq seq, const std::optional<StoredRecord>& before);
    /// The same on damaged tables, whatever they hold. Handles that the record had and lost may
    /// stay: `handle` is to be made anew.
    Result<void> overwrite(const Change& change, LogSeq seq);

    /// The two parts of putting a new record, for who brings the handles of many into their own
    /// order first: `handles` is the column, `HandleRow` a row of the table. Errors: errc::corrupt
    /// when it is there already.
    Result<void> insert(const RecordName& name, LogSeq seq, BytesView sealed, BytesView handles);
    Result<void> insert(const HandleRow& handle);
    /// Empties the table of handles.
    Result<void> forget_handles();

  private:
    enum class Query {
        insert,
        update,
        erase,
        add_handle,
        drop_handle,
        replace,
        ensure_handle,
        forget_handles,
        count
    };
    explicit Writer(sqlite::Statements<Query> statements) : statements_(std::move(statements)) {}
    Result<void> write_handles(const Change& change, const std::optional<StoredRecord>& before);
    sqlite::Statements<Query> statements_;
};

/// Handles as the column `handles` and the digest have them: 16 bytes each, one after the other.
BytesView as_bytes(const std::vector<Handle>& handles) noexcept;
/// Errors: errc::corrupt when the size is none of handles.
Result<std::vector<Handle>> to_handles(BytesView bytes);

}  // namespace countersign::records
