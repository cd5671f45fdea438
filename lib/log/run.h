#pragma once

#include <span>
#include <vector>

#include "log/author.h"
#include "log/batch.h"

namespace countersign::log {

// What batches that follow one another must be before they are applied.

/// A batch that its author has signed, or that a signed one names through the chain.
struct Proved {
    Batch batch;
    sealing::Hash256 hash;
};

/// That they begin at `due` and leave none out. Errors: errc::chain_gap.
Result<void> check_sequence(std::span<const SignedBatch> run, LogSeq due);

/// Decodes a run from its last batch to its first: each is proved, by its signature where it is the
/// last of its designation in the run and by the chain of the one behind it elsewhere, before a
/// byte of it is decoded. Errors: those of check_author and decode; errc::chain_gap,
/// errc::wrong_pool.
Result<std::vector<Proved>> prove(membership::Designations& designations,
                                  const PoolId& pool,
                                  std::span<const SignedBatch> run);

/// That a proved batch follows the head, and that no later designation leaves it out. Errors:
/// errc::wrong_epoch, errc::fork, errc::malformed.
Result<void> check_follows(membership::Designations& designations,
                           const Head& head,
                           const Proved& next,
                           Successors& successors);

}  // namespace countersign::log
