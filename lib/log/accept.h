#pragma once

#include <functional>
#include <span>

#include "log/ledger.h"

namespace countersign::log {

/// Whether what the batches are applied to is what was signed.
enum class Rows { sound, damaged };

/// The replica's half of the log: verifies batches that another node sent and applies them, within
/// one transaction of the caller's, which must be rolled back on any error: then nothing happened.
///
/// The batches follow one another. The last of each designation's run proves by its signature those
/// before it, which it names through the chain, so a run costs one signature check; the
/// signatures of the others are kept unread, for whoever wants to check each (`verify` does; a
/// feeder that ends a run at one checks that one first). Batches that are held already are skipped.
/// Each is applied row by row and must bring the digest that it signs.
///
/// Errors: errc::chain_gap when the first does not follow the head; errc::fork when a signed one
/// contradicts a batch that is held; errc::wrong_epoch when no known designation covers it (ask for
/// those first) or a later one excludes it; errc::bad_signature; errc::wrong_pool; errc::malformed,
/// errc::too_large and errc::unsupported_version as `decode`; errc::digest_mismatch when the rows
/// here, or the batch, are damaged. Returns the head after the last.
///
/// `Rows::damaged`: the rows here are known not to be what was signed. They are written all the
/// same, and the digest is neither kept nor compared until they have been repaired.
///
/// `applied` hears of each change once its row is written.
Result<Head> accept(Ledger& ledger,
                    std::span<const SignedBatch> batches,
                    const std::function<void(const records::Change&)>& applied = {},
                    Rows rows = Rows::sound);

}  // namespace countersign::log
