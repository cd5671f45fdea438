#pragma once

#include <vector>

#include "countersign/error.h"
#include "countersign/ids.h"
#include "countersign/time.h"

#include "records/record.h"
#include "sealing/hash.h"
#include "sealing/signature.h"

namespace countersign::log {

/// Both limits bound a batch; whichever is met first closes the group that is being committed.
constexpr std::size_t batch_bytes_limit = 8 * 1024 * 1024;
constexpr std::size_t batch_changes_limit = 10'000;
/// Of one record's sealed bytes, and of its handles.
constexpr std::size_t sealed_limit = 72 * 1024;
constexpr std::size_t handles_limit = 64;
/// What this release can apply. A change of rules that older nodes would get wrong raises it.
constexpr std::uint16_t feature_level = 1;

/// Under which designation, by whom and where in the log a batch was written.
struct Place {
    RootTerm root_term{};
    Epoch epoch{};
    NodeId node;
    LogSeq seq{};
    friend bool operator==(const Place&, const Place&) = default;
};

/// The content of one commit.
struct Batch {
    PoolId pool;
    Place place;
    sealing::Hash256 previous;
    UnixTime time{};
    sealing::Hash256 digest;
    std::uint16_t feature_level = log::feature_level;
    std::vector<records::Change> changes;  ///< ascending by name, each record once
};

/// A batch as it is stored and shipped: its place in the clear, and the exact signed bytes, which
/// say the same place again.
struct SignedBatch {
    Place place;
    sealing::Signature signature{};
    Bytes bytes;

    /// What the next batch names as `previous`.
    sealing::Hash256 hash() const { return sealing::hash256(bytes); }
};

/// The batch's bytes: one Cap'n Proto segment (batch.capnp).
Bytes encode(const Batch& batch);
/// About how many bytes `change` adds to a batch; never less.
std::size_t encoded_size(const records::Change& change);

/// Strict: limits, sizes, ascending names and handles, a feature level that this release knows, and
/// a place equal to the envelope's. The signature must have been verified before. Errors:
/// errc::malformed, errc::too_large, errc::unsupported_version.
Result<Batch> decode(const SignedBatch& signed_batch);

}  // namespace countersign::log
