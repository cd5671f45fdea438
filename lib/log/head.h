#pragma once

#include <string_view>

#include "countersign/error.h"

#include "log/batch.h"
#include "log/digest.h"
#include "sqlite/database.h"
#include "sqlite/prepare.h"

namespace countersign::log {

/// Where this store stands: the last batch that it holds, and what its records add up to.
struct Head {
    Place place;  ///< of the last batch; seq 0: nothing yet
    sealing::Hash256 hash;
    UnixTime time{};
    Digest digest;
};

/// The table `head`: one row, read first and written last in every transaction that changes
/// records. `tables` is the prefix of its name.
class HeadRow {
  public:
    static Result<HeadRow> prepare(sqlite::Database& database, std::string_view tables = {});
    /// The head of an empty log where there is no row yet.
    Result<Head> read();
    Result<void> write(const Head& head);

  private:
    enum class Query { read, write, count };
    explicit HeadRow(sqlite::Statements<Query> statements) : statements_(std::move(statements)) {}
    sqlite::Statements<Query> statements_;
};

}  // namespace countersign::log
