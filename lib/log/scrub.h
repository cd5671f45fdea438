#pragma once

#include <optional>

#include "log/digest.h"
#include "log/head.h"
#include "records/table.h"
#include "sqlite/transaction.h"

namespace countersign::log {

/// Re-reads every record in slices and compares what they add up to with the digest that the head's
/// batch signed, and the table of handles with what the records say: finds any row that was
/// changed, lost or added behind the log's back. One snapshot is held from the first slice to the
/// last, so writers go on and what they commit meanwhile does not count; the WAL grows until then.
class Scrub {
  public:
    /// Begins on a handle of its own, which must do nothing else until the scrub ends; `hash_row`
    /// must live as long.
    static Result<Scrub> begin(sqlite::Database& database, const RowHasher& hash_row);

    /// Reads up to `rows` more, which is 1 or more; true when all are read.
    Result<bool> step(std::size_t rows);
    /// After the last step: whether the records are those of the digest, and the handles those of
    /// the records.
    bool records_sound() const noexcept { return records_ == head_.digest; }
    bool handles_sound() const noexcept { return handles_due_ == handles_; }
    bool sound() const noexcept { return records_sound() && handles_sound(); }
    /// How many records were read so far.
    std::uint64_t rows_read() const noexcept { return rows_read_; }
    const Head& head() const noexcept { return head_; }

  private:
    Scrub(sqlite::ReadTransaction snapshot,
          records::Reader reader,
          const RowHasher& hash_row,
          Head head);
    Result<std::size_t> read_records(std::size_t rows);
    Result<std::size_t> read_handles(std::size_t rows);

    sqlite::ReadTransaction snapshot_;
    records::Reader reader_;
    const RowHasher* hash_row_;
    Head head_;
    Digest records_;
    HandleSum handles_due_;  ///< by what the records say
    HandleSum handles_;      ///< by the table
    std::optional<records::RecordName> record_;
    std::optional<records::HandleRow> handle_;
    bool all_records_ = false;
    std::uint64_t rows_read_ = 0;
};

}  // namespace countersign::log
