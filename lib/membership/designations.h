#pragma once

#include <optional>
#include <vector>

#include "countersign/error.h"

#include "records/statements.h"
#include "sqlite/database.h"
#include "sqlite/statement.h"

namespace countersign::membership {

/// The table `designation`, as `user_version` 1 of the file has it.
extern const char* const schema_sql;

/// Signs a designation, with the root key or with the node's own.
records::SignedStatement sign(const records::Designation& designation,
                              const sealing::SigningKey& key);

/// Every designation that this store has heard of: who was, and is, primary from which batch on.
/// They are ordered by (root term, epoch), then node; the greatest holds. None is ever dropped.
class Designations {
  public:
    static Result<Designations> prepare(sqlite::Database& database);

    /// The one that holds; none in a store that has heard of none.
    Result<std::optional<records::Designation>> current();
    Result<std::optional<records::Designation>> find(RootTerm root_term, Epoch epoch, NodeId node);
    /// All, the lowest first, as they were signed.
    Result<std::vector<records::SignedStatement>> all();

    /// Verifies and stores one; storing it again does nothing. `self_signers` says whose own
    /// signature is as good as the root key's: members that hold `stand`. Errors: errc::malformed,
    /// errc::wrong_pool, errc::bad_signature.
    struct Signers {
        PoolId pool;
        sealing::PublicKey root_key;
        std::vector<NodeId> self_signers;
    };
    Result<records::Designation> add(const records::SignedStatement& statement,
                                     const Signers& signers);

  private:
    Designations(sqlite::Statement current,
                 sqlite::Statement find,
                 sqlite::Statement all,
                 sqlite::Statement add);
    sqlite::Statement current_;
    sqlite::Statement find_;
    sqlite::Statement all_;
    sqlite::Statement add_;
};

}  // namespace countersign::membership
