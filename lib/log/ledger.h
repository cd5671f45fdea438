#pragma once

#include <optional>
#include <string_view>

#include "log/batch_table.h"
#include "log/digest.h"
#include "log/head.h"
#include "membership/designations.h"
#include "records/table.h"

namespace countersign::log {

/// The log and the records on one writing handle: everything that a transaction over both needs,
/// prepared once. Its calls belong into the caller's transaction.
struct Ledger {
    PoolId pool;
    RowHasher hash_row;
    records::Reader reader;
    records::Writer writer;
    HeadRow head;
    BatchTable batches;
    membership::Designations designations;

    /// `tables` is the prefix of the names of all tables but `designation`.
    static Result<Ledger> prepare(sqlite::Database& database,
                                  PoolId pool,
                                  sealing::KeyView digest_key,
                                  std::string_view tables = {});

    /// Puts or erases one record as batch `seq` does, and moves `digest` along.
    Result<void> apply(const records::Change& change, LogSeq seq, Digest& digest);
    /// The same, unless `seq` or a later batch has written the record already.
    Result<void> apply_if_newer(const records::Change& change, LogSeq seq, Digest& digest);
    /// Puts or erases on tables that are not what was signed: the digest is made anew when they
    /// are (Repair::settle).
    Result<void> overwrite(const records::Change& change, LogSeq seq) {
        return writer.overwrite(change, seq);
    }

  private:
    Result<void> replace(const std::optional<records::StoredRecord>& before,
                         const records::Change& change,
                         LogSeq seq,
                         Digest& digest);
};

}  // namespace countersign::log
