#pragma once

#include <cstddef>
#include <mutex>
#include <span>
#include <vector>

#include "countersign/time.h"

#include "attempts/merge.h"
#include "attempts/tables.h"

namespace countersign::attempts {

/// All failures up to `arrival` were known by then.
struct SightingMark {
    Arrival arrival{};
    Instant known_by{};
    friend bool operator==(const SightingMark&, const SightingMark&) = default;
};

/// When this directory learned of failures, by the monotonic clock: what the throttle counts from.
/// Kept as marks "up to this arrival all was known by then", not by row, so no flood of names can
/// push a locked one out; a mark also covers what another process on the directory wrote. Marks
/// thin out with age: a failure may pass for up to 1/64 younger than it is, never for older, so a
/// lock lasts at most that much longer. At most 128 KiB. Thread-safe.
class Sightings {
  public:
    /// `known` are the marks that earlier processes left, rising, as far as their clock was this
    /// one's. `arrival` is the author row's when the process opened the directory at `start`: the
    /// time of failures that no mark covers counts from then.
    Sightings(std::vector<SightingMark> known, Arrival arrival, Instant start);

    /// All failures up to `arrival` are on disk and known to this process. To be called after each
    /// commit, and when another process has committed.
    void note(Arrival arrival, Instant now);

    /// When the failure became known; `now` when no note covers it yet.
    Instant known_since(Arrival arrival, Instant now) const;

    /// The rows of one credential, each with the instant at which its newest failure became known.
    TallySet set_of(const CredentialId& credential,
                    std::span<const StoredTally> rows,
                    Instant now) const;

    /// Reads a credential through a handle of the caller's, and notes how far that has come.
    /// Errors: those of Tables.
    Result<TallySet> read(Tables& tables, const CredentialId& credential, Instant now);

    std::size_t marks() const;

  private:
    void thin_out(Instant now);
    Instant known_since_locked(Arrival arrival, Instant now) const;

    mutable std::mutex mutex_;
    std::vector<SightingMark> marks_;  // both rising; never empty
};

}  // namespace countersign::attempts
