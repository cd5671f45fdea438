#pragma once

#include <optional>
#include <vector>

#include "countersign/link.h"

#include "log/author.h"
#include "log/batch_table.h"
#include "log/digest.h"
#include "log/head.h"
#include "records/table.h"

namespace countersign::log {

/// What the last batch that is held says of the records, by its author's signature alone.
struct SignedHead {
    Place place;
    sealing::Hash256 hash;
    UnixTime time{};
    sealing::Hash256 digest;
};
/// None: no batch is held, or the last one is damaged. Errors: those of the disk.
Result<std::optional<SignedHead>> read_signed_head(BatchTable& batches,
                                                   membership::Designations& designations);

/// Reads every record and handle in slices, and adds them up: the digest of all, the sums of the
/// leaves, and whether the handles are those of the records. All calls belong to one transaction.
class Survey {
  public:
    explicit Survey(const RowHasher& hash_row) : hash_row_(&hash_row), leaves_(leaf_count) {}

    /// Reads up to `rows` more, which is 1 or more; true when all are read. Errors: errc::corrupt
    /// when the file cannot be read through.
    Result<bool> step(records::Reader& reader, std::size_t rows);
    /// Reads all.
    Result<void> run(records::Reader& reader);

    const Digest& records() const noexcept { return records_; }
    /// Rows that are none of a record; a row that two slices meet counts twice.
    std::uint64_t broken() const noexcept { return broken_; }
    bool proves(const sealing::Hash256& digest) const {
        return broken_ == 0 && records_.digest() == digest;
    }
    bool handles_sound() const noexcept { return !handles_broken_ && handles_due_ == handles_; }
    std::uint64_t rows_read() const noexcept { return rows_read_; }
    const std::vector<RecordSum>& leaves() const noexcept { return leaves_; }

  private:
    Result<std::size_t> read_records(records::Reader& reader, std::size_t rows);
    Result<std::size_t> read_handles(records::Reader& reader, std::size_t rows);

    const RowHasher* hash_row_;
    Digest records_;
    HandleSum handles_due_;  ///< by what the records say
    HandleSum handles_;      ///< by the table
    std::vector<RecordSum> leaves_;
    std::optional<records::RecordName> record_;
    std::optional<records::HandleRow> handle_;
    bool all_records_ = false;
    bool handles_broken_ = false;
    std::uint64_t broken_ = 0;
    std::uint64_t rows_read_ = 0;
};

}  // namespace countersign::log
