#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "countersign/error.h"

#include "records/record.h"
#include "sqlite/database.h"
#include "sqlite/statement.h"

namespace countersign::records {

/// The tables `record` and `handle`, as `user_version` 1 of the file has them.
extern const char* const schema_sql;

/// Looks records up through one database handle: in its open transaction, or in one of its own per
/// call. Errors: errc::corrupt, errc::io_error.
class Reader {
  public:
    static Result<Reader> prepare(sqlite::Database& database);

    Result<std::optional<StoredRecord>> get(const RecordName& name);
    /// Ids of the records of one kind that carry `handle`, ascending.
    Result<std::vector<RecordId>> find(const Handle& handle, RecordKind kind);
    /// Calls `visit` for records in the order of their names, the first after `after` (none: from
    /// the start), until it returns false. What `visit` gets is valid during that call.
    Result<void> each(const std::optional<RecordName>& after,
                      const std::function<bool(const RecordName&, const StoredRecord&)>& visit);
    /// As `each`, for all records of one kind.
    Result<void> each_of(RecordKind kind,
                         const std::function<bool(const RecordName&, const StoredRecord&)>& visit);
    Result<std::uint64_t> count(RecordKind kind);
    /// The last batch that wrote any record but a user's; 0 when there is none.
    Result<LogSeq> newest_of_pool();

  private:
    Reader(sqlite::Statement get,
           sqlite::Statement find,
           sqlite::Statement each,
           sqlite::Statement count,
           sqlite::Statement newest);
    sqlite::Statement get_;
    sqlite::Statement find_;
    sqlite::Statement each_;
    sqlite::Statement count_;
    sqlite::Statement newest_;
};

/// Changes rows within the caller's transaction.
class Writer {
  public:
    static Result<Writer> prepare(sqlite::Database& database);

    /// Puts or erases one record; `before` is what `Reader::get` has for it now. Handles that stay
    /// are not rewritten.
    Result<void> write(const Change& change, LogSeq seq, const std::optional<StoredRecord>& before);

  private:
    Writer(sqlite::Statement insert,
           sqlite::Statement update,
           sqlite::Statement erase,
           sqlite::Statement add_handle,
           sqlite::Statement drop_handle);
    sqlite::Statement insert_;
    sqlite::Statement update_;
    sqlite::Statement erase_;
    sqlite::Statement add_handle_;
    sqlite::Statement drop_handle_;
};

/// Handles as the column `handles` and the digest have them: 16 bytes each, one after the other.
BytesView as_bytes(const std::vector<Handle>& handles) noexcept;

}  // namespace countersign::records
