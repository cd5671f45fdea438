#pragma once

#include <cstdint>
#include <optional>

#include "countersign/link.h"

#include "log/ledger.h"
#include "log/survey.h"

namespace countersign::log {

/// The sums of a finished survey.
RecordSums to_sums(const Survey& survey, LogSeq moment, bool sound);

/// Mends a store whose tables are not what was signed. Records come from elsewhere, into
/// `staged_record`; the rest is made of the records. All calls belong into a transaction of the
/// caller's on the handle that writes, which commits when they give a value and is rolled back on
/// an error: then nothing happened.
class Repair {
  public:
    static Result<Repair> prepare(sqlite::Database& database);

    /// Adds a page behind those before; the first wants empty tables (Staging::discard). Errors:
    /// errc::malformed, errc::too_large.
    Result<void> stage(const CopyPage& page);

    struct Mended {
        BucketSet buckets;           ///< of the records that follow
        std::uint64_t replaced = 0;  ///< they were others than those that were staged
        std::uint64_t added = 0;     ///< they were missing
        std::uint64_t erased = 0;    ///< nobody had signed them
        bool handles = false;        ///< the table of handles was made anew
        bool head = false;           ///< so was the head
        Head now;
    };
    /// Puts the staged records in the place of those of `leaves` (none: changes no record), proves
    /// all of them from scratch by the last batch, and makes anew what follows from them. Errors:
    /// errc::digest_mismatch when they do not prove it; errc::bad_signature when that batch itself
    /// is damaged, so that nothing can be proved.
    Result<Mended> settle(Ledger& live, const LeafSet* leaves);

  private:
    enum class Query { rows, erase, count };
    Repair(records::Reader reader, records::Writer writer, sqlite::Statements<Query> statements)
        : staged_(std::move(reader)),
          staging_(std::move(writer)),
          statements_(std::move(statements)) {}

    Result<void> replace(Ledger& live, const LeafSet& leaves, Mended& mended);
    Result<void> add_missing(Ledger& live, Mended& mended);
    static Result<void> index_handles(Ledger& live);

    records::Reader staged_;
    records::Writer staging_;
    sqlite::Statements<Query> statements_;
};

}  // namespace countersign::log
