#include "attempts/throttle.h"

#include <algorithm>
#include <chrono>

#include "countersign/mutants.h"

namespace countersign::attempts {
namespace {

bool is_cut(const Share& share) noexcept {
    if (is_planted(Mutant::full_share_restored)) return false;
    return share.is_restored && !(share.has_caught_up && share.has_renewed);
}

}  // namespace

Result<void> validate(const ThrottlePolicy& policy, std::uint32_t guess_budget) {
    if (guess_budget < 1 || guess_budget > max_guess_budget) {
        return Error(errc::invalid_argument, "guess_budget must be 1 to 100,000");
    }
    if (policy.max_failures < 1 || policy.max_failures > max_max_failures ||
        policy.max_failures > guess_budget) {
        return Error(errc::invalid_argument, "max_failures must be 1 to 100, and to guess_budget");
    }
    if (policy.backoff < 1 || policy.backoff > max_backoff) {
        return Error(errc::invalid_argument, "backoff must be 1 to 10");
    }
    if (policy.lock_for < milliseconds::zero() || policy.lock_for > policy.lock_cap) {
        return Error(errc::invalid_argument, "lock_for must be 0 to lock_cap");
    }
    if (policy.lock_cap > max_lock_cap) {
        return Error(errc::invalid_argument, "lock_cap must be at most a day");
    }
    return {};
}

milliseconds lock_time(std::uint64_t effective, const ThrottlePolicy& policy) noexcept {
    const milliseconds cap = std::max(policy.lock_cap, milliseconds::zero());
    if (effective < policy.max_failures || policy.lock_for <= milliseconds::zero()) {
        return milliseconds::zero();
    }
    milliseconds time = std::min(policy.lock_for, cap);
    if (policy.backoff <= 1) return time;
    for (std::uint64_t i = policy.max_failures; i < effective && time < cap; ++i) {
        if (time > cap / policy.backoff) return cap;
        time *= policy.backoff;
    }
    return time;
}

std::optional<Instant> locked_until(std::uint64_t effective,
                                    Instant newest_counted_receipt,
                                    const ThrottlePolicy& policy) noexcept {
    if (effective < policy.max_failures) return std::nullopt;
    const milliseconds time = lock_time(effective, policy);
    // Compared in milliseconds: in nanoseconds the longest times would overflow.
    const auto room = std::chrono::floor<milliseconds>(Instant::max().time_since_epoch()) -
                      std::chrono::ceil<milliseconds>(newest_counted_receipt.time_since_epoch());
    return time > room ? Instant::max() : newest_counted_receipt + time;
}

std::uint32_t share_in_force(const Share& share) noexcept {
    return is_cut(share) ? std::min(share.granted, 1U) : share.granted;
}

bool budget_refuses(std::uint64_t own_remaining, std::uint32_t share_in_force) noexcept {
    return own_remaining >= share_in_force;
}

std::uint32_t acknowledged_share(std::uint32_t granted,
                                 std::uint32_t lowered,
                                 std::uint64_t most_held,
                                 bool is_restored) noexcept {
    if (is_restored || lowered >= granted) return std::max(granted, lowered);
    const std::uint64_t held = std::max<std::uint64_t>(lowered, most_held);
    return static_cast<std::uint32_t>(std::min<std::uint64_t>(held, granted));
}

Standing standing_of(const NodeId& node,
                     const TallySet& rows,
                     const WhoseWord& whose,
                     const ThrottlePolicy& policy,
                     const Share& share) {
    Standing standing{
        .effective = is_planted(Mutant::deaf_to_failures) ? remaining_of(node, rows, whose)
                                                          : effective_failures(rows, whose),
        .own_remaining = remaining_of(node, rows, whose),
        .max_failures = policy.max_failures,
        .share = share_in_force(share),
        .is_cut = is_cut(share),
        .locked_until = std::nullopt,
    };
    if (const auto newest = newest_counted_failure(rows, whose)) {
        standing.locked_until = locked_until(standing.effective, *newest, policy);
    }
    return standing;
}

std::uint64_t tries_left(const Standing& standing) noexcept {
    if (budget_refuses(standing.own_remaining, standing.share)) return 0;
    if (standing.effective >= standing.max_failures) return 0;
    return std::min(standing.max_failures - standing.effective,
                    standing.share - standing.own_remaining);
}

}  // namespace countersign::attempts
