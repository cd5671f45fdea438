#pragma once

#include <cstdint>
#include <optional>

#include "countersign/error.h"
#include "countersign/time.h"

#include "attempts/merge.h"

namespace countersign::attempts {

/// From how many failures on, and for how long, a credential is locked. There is one for passwords
/// and one for codes.
struct ThrottlePolicy {
    std::uint32_t max_failures = 10;
    milliseconds lock_for{30'000};     ///< at `max_failures`; 0: never locked by time
    std::uint32_t backoff = 2;         ///< times longer with each failure more; 1: always as long
    milliseconds lock_cap{3'600'000};  ///< never longer than this

    friend bool operator==(const ThrottlePolicy&, const ThrottlePolicy&) = default;
};

/// The most wrong guesses of one credential between two successes, over the whole pool: NIST
/// SP 800-63B-4, section 3.2.2, allows 100.
constexpr std::uint32_t default_guess_budget = 100;
/// A budget must leave each node that holds the realm at least one guess, so larger pools need more
/// than NIST allows: up to this.
constexpr std::uint32_t max_guess_budget = 100'000;
constexpr std::uint32_t max_max_failures = 100;
constexpr std::uint32_t max_backoff = 10;
constexpr milliseconds max_lock_cap{24LL * 3'600'000};

/// Errors: errc::invalid_argument, and the detail says which figure and what it may be.
Result<void> validate(const ThrottlePolicy& policy, std::uint32_t guess_budget);

/// How long `effective` failures lock. Nothing below `max_failures`; never negative nor above
/// `lock_cap`, whatever the figures, valid or not.
milliseconds lock_time(std::uint64_t effective, const ThrottlePolicy& policy) noexcept;

/// Until when the credential is locked, counted from the moment at which this node learned of the
/// newest counted failure. No value below `max_failures`.
std::optional<Instant> locked_until(std::uint64_t effective,
                                    Instant newest_counted_receipt,
                                    const ThrottlePolicy& policy) noexcept;

/// This node's part of the guess budget, for one credential.
struct Share {
    /// By the share record of this node and realm.
    std::uint32_t granted = default_guess_budget;
    /// This incarnation began with a copied or restored directory: how much of the share was used
    /// since then is not known.
    bool is_restored = false;
    /// It has since caught up with the head that the primary had.
    bool has_caught_up = false;
    /// It has since seen this credential succeed or be unlocked, or the credential is newer.
    bool has_renewed = false;
};

/// As granted; at most 1 for a restored incarnation that has not caught up *and* been renewed.
std::uint32_t share_in_force(const Share& share) noexcept;

/// True when this node must verify no further guess before a success or an unlock reaches it. Such
/// an attempt is `locked` without a time to wait, since none would help.
bool budget_refuses(std::uint64_t own_remaining, std::uint32_t share_in_force) noexcept;

/// What a node answers when its share is lowered from `granted` to `lowered`: what is beyond it is
/// free for others. `most_held` is the most that any one credential of the realm has remaining or
/// reserved here, all incarnations together; `is_restored` as long as the share of any credential
/// is cut down to 1.
std::uint32_t acknowledged_share(std::uint32_t granted,
                                 std::uint32_t lowered,
                                 std::uint64_t most_held,
                                 bool is_restored) noexcept;

/// All that decides whether an attempt may go on, read at one moment under the user's lock.
struct Standing {
    std::uint64_t effective = 0;
    std::uint64_t own_remaining = 0;
    std::uint32_t max_failures = 0;
    std::uint32_t share = 0;  ///< in force
    bool is_cut = false;      ///< to that of a restored incarnation
    std::optional<Instant> locked_until;
};

Standing standing_of(const NodeId& node,
                     const TallySet& rows,
                     const WhoseWord& whose,
                     const ThrottlePolicy& policy,
                     const Share& share);

/// Wrong guesses that this node would still verify before it locks the credential or its share is
/// used up. For the application, not for whoever is guessing.
std::uint64_t tries_left(const Standing& standing) noexcept;

}  // namespace countersign::attempts
