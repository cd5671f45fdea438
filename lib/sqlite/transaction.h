#pragma once

#include <memory>

#include "countersign/error.h"

#include "sqlite/database.h"

namespace countersign::sqlite {

/// A write transaction (`BEGIN IMMEDIATE`): rolls back unless committed. The caller holds the
/// directory's write lock. One at a time on a handle, and no rows of it are being read when it
/// ends.
class Transaction {
  public:
    static Result<Transaction> begin(Database& database);
    Transaction(Transaction&& other) noexcept : connection_(std::move(other.connection_)) {}
    Transaction& operator=(Transaction&&) = delete;
    ~Transaction();

    /// On disk on return. On any error but the last nothing of the transaction took effect. Errors:
    /// errc::disk_full, errc::busy, the error that rolled it back before; errc::outcome_unknown:
    /// whether it took effect is not known, and the store is suspect until `recover()`.
    Result<void> commit();

  private:
    explicit Transaction(std::shared_ptr<Connection> connection);
    std::shared_ptr<Connection> connection_;
};

/// One snapshot for several reads: what was committed when it began. It holds checkpoints back, so
/// it is kept short.
class ReadTransaction {
  public:
    static Result<ReadTransaction> begin(Database& database);
    ReadTransaction(ReadTransaction&& other) noexcept : connection_(std::move(other.connection_)) {}
    ReadTransaction& operator=(ReadTransaction&&) = delete;
    ~ReadTransaction();

  private:
    explicit ReadTransaction(std::shared_ptr<Connection> connection);
    std::shared_ptr<Connection> connection_;
};

}  // namespace countersign::sqlite
