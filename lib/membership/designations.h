#pragma once

#include <optional>
#include <vector>

#include "countersign/error.h"

#include "records/statements.h"
#include "sqlite/database.h"
#include "sqlite/prepare.h"

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

    /// Those greater than this one, the lowest first.
    Result<std::vector<records::Designation>> after(RootTerm root_term, Epoch epoch, NodeId node);

    /// Verifies and stores one; storing it again does nothing. It must follow one that is held:
    /// its epoch is one more, and the root term the same, or greater where the root key signs. The
    /// first of a pool is the root key's and follows none (term and epoch 1, no base).
    /// `self_signers` says whose own signature will do: members that hold `stand`. Errors:
    /// errc::malformed, errc::wrong_pool, errc::bad_signature; errc::chain_gap when the one before
    /// is not held; errc::fork when its node has signed another of that term and epoch.
    struct Signers {
        PoolId pool;
        sealing::PublicKey root_key;
        std::vector<NodeId> self_signers;
    };
    Result<records::Designation> add(const records::SignedStatement& statement,
                                     const Signers& signers);

  private:
    enum class Query { current, find, after, of_epoch, all, add, count };
    explicit Designations(sqlite::Statements<Query> statements)
        : statements_(std::move(statements)) {}
    Result<void> check_succession(const records::Designation& designation, bool by_root_key);

    sqlite::Statements<Query> statements_;
};

}  // namespace countersign::membership
