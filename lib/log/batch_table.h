#pragma once

#include <optional>
#include <string_view>

#include "countersign/error.h"

#include "log/batch.h"
#include "sqlite/database.h"
#include "sqlite/prepare.h"

namespace countersign::log {

/// The tables `head` and `batch`, as `user_version` 1 of the file has them.
extern const char* const schema_sql;

/// The table `batch`: the signed batches of the branch that this store holds, one per seq, from
/// some first one that retention left up to the head. `tables` is the prefix of its name.
class BatchTable {
  public:
    static Result<BatchTable> prepare(sqlite::Database& database, std::string_view tables = {});

    /// `time` is the batch's own, by which retention counts its age.
    Result<void> put(const SignedBatch& batch, UnixTime time);
    Result<std::optional<SignedBatch>> get(LogSeq seq);
    /// The lowest seq held, and the highest; 0 when none is.
    Result<LogSeq> first();
    Result<LogSeq> last();
    /// How many batches there are and how many bytes they hold, by the first and the last: the rows
    /// between are not read.
    struct Size {
        std::uint64_t batches = 0;
        std::uint64_t bytes = 0;
    };
    Result<Size> size();
    /// The highest seq whose batch is older than `time`; 0 when none is. As all that follows, it
    /// reads a number of rows that grows with the logarithm of the log.
    Result<LogSeq> last_before(UnixTime time);
    /// The highest seq such that it and all above it hold more than `bytes`; 0 when they do not.
    Result<LogSeq> last_beyond(std::uint64_t bytes);
    /// Erases at most `limit` batches, the lowest first, of those up to and with `last`; returns
    /// how many went.
    Result<std::uint64_t> erase_to(LogSeq last, std::uint64_t limit);

  private:
    struct Row {
        UnixTime time;
        std::uint64_t bytes;
        std::uint64_t bytes_through;
    };
    enum class Query { put, get, first, last, row, erase, count };
    explicit BatchTable(sqlite::Statements<Query> statements)
        : statements_(std::move(statements)) {}
    Result<LogSeq> end(Query which);
    Result<Row> row(LogSeq seq);
    template <class Holds>
    Result<LogSeq> last_where(Holds&& holds);

    sqlite::Statements<Query> statements_;
};

}  // namespace countersign::log
