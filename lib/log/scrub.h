#pragma once

#include <optional>

#include "log/digest.h"
#include "log/head.h"
#include "records/table.h"
#include "sqlite/transaction.h"

namespace countersign::log {

/// Re-reads every record in slices and compares what they add up to with the digest that the head's
/// batch signed: finds any row that was changed, lost or added behind the log's back. One snapshot
/// is held from the first slice to the last, so writers go on and what they commit meanwhile does
/// not count; the WAL grows until then.
class Scrub {
  public:
    /// Begins on a handle of its own, which must do nothing else until the scrub ends; `hash_row`
    /// must live as long.
    static Result<Scrub> begin(sqlite::Database& database, const RowHasher& hash_row);

    /// Reads up to `rows` more; true when all are read.
    Result<bool> step(std::size_t rows);
    /// After the last step: whether the rows add up.
    bool sound() const noexcept { return sum_ == head_.digest; }
    std::uint64_t rows_read() const noexcept { return rows_read_; }
    const Head& head() const noexcept { return head_; }

  private:
    Scrub(sqlite::ReadTransaction snapshot,
          records::Reader reader,
          const RowHasher& hash_row,
          Head head);

    sqlite::ReadTransaction snapshot_;
    records::Reader reader_;
    const RowHasher* hash_row_;
    Head head_;
    Digest sum_;
    std::optional<records::RecordName> cursor_;
    std::uint64_t rows_read_ = 0;
};

}  // namespace countersign::log
