#pragma once

#ifdef COUNTERSIGN_MUTANTS
#include <atomic>
#endif

namespace countersign {

/// Planted bugs, for testing the tests: not installed, and in builds without the option `mutants`
/// not there at all. transport/simulation/mutants.cc says of each what it is.
enum class Mutant {
    none,
    // The log and its records.
    skip_digest,
    digest_keeps_erased,
    skip_batch_row,
    skip_signature,
    trailing_bytes,
    keep_handle,
    login_twice,
    reuse_seq,
    skip_commit_error,
    async_commit,
    hide_group_failure,
    first_change_stays,
    ack_before_durable,
    // Copies.
    skip_copy_proof,
    keep_deleted,
    // Attempts.
    check_then_count,
    answer_before_durable,
    keep_failures,
    same_incarnation,
    full_share_restored,
    unlock_at_restart,
    step_at_last,
    forget_spent,
    disabled_signs_in,
    // What others have seen of them.
    newest_row_alone,
    deaf_to_failures,
    deaf_to_spent,
    silent_double_use,
    // Nodes and the age of what they know.
    keep_removed,
    hide_fork,
    age_restarts,
    age_by_any_pulse,
    // Secrets, and what is left of them.
    constant_nonce,
    login_in_event,
    login_in_clear,
    keep_erased_rows,
    keep_wal,
};

#ifdef COUNTERSIGN_MUTANTS
/// At most one at a time in a process; `simulation::plant` sets it.
inline std::atomic<Mutant> planted_mutant{Mutant::none};
inline bool is_planted(Mutant mutant) noexcept {
    return planted_mutant.load(std::memory_order_relaxed) == mutant;
}
#else
constexpr bool is_planted(Mutant) noexcept {
    return false;
}
#endif

}  // namespace countersign
