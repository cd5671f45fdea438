#pragma once

#include <optional>

#include "log/survey.h"
#include "sqlite/transaction.h"

namespace countersign::log {

/// Re-reads every record in slices and compares what they add up to with the digest that the last
/// batch signs, the table of handles with what the records say, and the head with that batch: finds
/// any row that was changed, lost or added behind the log's back. One snapshot is held from the
/// first slice until the scrub goes, so writers go on and what they commit meanwhile does not
/// count; the WAL grows until then.
class Scrub {
  public:
    /// Begins on a handle of its own, which must do nothing else while the scrub reads; `hash_row`
    /// must live as long.
    static Result<Scrub> begin(sqlite::Database& database, const RowHasher& hash_row);

    /// Reads up to `rows` more, which is 1 or more; true when all are read.
    Result<bool> step(std::size_t rows) { return survey_.step(reader_, rows); }
    /// Reads all that is left.
    Result<void> run() { return survey_.run(reader_); }

    // After the last step.
    /// Whether the records are those that the last batch signs. When that one is damaged, the
    /// digest kept at the head stands for it.
    bool records_sound() const;
    bool handles_sound() const noexcept { return survey_.handles_sound(); }
    /// Whether the head says what the last batch does. A damaged batch says nothing.
    bool head_sound() const;
    /// Whether the last batch is as its author signed it.
    bool log_sound() const { return signed_.has_value() || head_.place.seq == LogSeq{0}; }
    bool sound() const { return records_sound() && handles_sound() && head_sound(); }
    /// How many records were read so far.
    std::uint64_t rows_read() const noexcept { return survey_.rows_read(); }
    const Head& head() const noexcept { return head_; }
    /// The seq of the last batch.
    LogSeq moment() const { return signed_ ? signed_->place.seq : head_.place.seq; }
    const Survey& survey() const noexcept { return survey_; }
    /// For more reads of the same snapshot.
    records::Reader& reader() noexcept { return reader_; }

  private:
    Scrub(sqlite::ReadTransaction snapshot, records::Reader reader, const RowHasher& hash_row)
        : snapshot_(std::move(snapshot)), reader_(std::move(reader)), survey_(hash_row) {}

    sqlite::ReadTransaction snapshot_;
    records::Reader reader_;
    Head head_;
    std::optional<SignedHead> signed_;
    Survey survey_;
};

}  // namespace countersign::log
