#pragma once

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

    static Result<Ledger> prepare(sqlite::Database& database,
                                  PoolId pool,
                                  sealing::KeyView digest_key);

    /// Puts or erases one record as batch `seq` does, and moves `digest` along.
    Result<void> apply(const records::Change& change, LogSeq seq, Digest& digest);
};

}  // namespace countersign::log
