#include "attempts/reservations.h"

#include <algorithm>
#include <cassert>
#include <chrono>
#include <iterator>

#include "countersign/mutants.h"

namespace countersign::attempts {
namespace {

std::optional<Locked> locked(const Standing& standing, Instant now) {
    // The share first: waiting for the throttle would not help then.
    if (budget_refuses(standing.own_remaining, standing.share)) return Locked{std::nullopt};
    if (!standing.locked_until || now >= *standing.locked_until) return std::nullopt;
    // Both may lie at opposite ends of the clock.
    const auto until = standing.locked_until->time_since_epoch();
    const auto since = now.time_since_epoch();
    return Locked{std::chrono::ceil<milliseconds>(until) - std::chrono::floor<milliseconds>(since)};
}

/// How many guesses may be in flight at once.
std::uint64_t room(const Standing& standing) {
    if (budget_refuses(standing.own_remaining, standing.share)) return 0;
    const std::uint64_t of_share = standing.share - standing.own_remaining;
    // At or past max_failures, one at a time, each after the time that its predecessor cost.
    if (standing.effective >= standing.max_failures) return std::min<std::uint64_t>(of_share, 1);
    return std::min(of_share, standing.max_failures - standing.effective);
}

}  // namespace

Reservation& Reservation::operator=(Reservation&& other) noexcept {
    assert(!credential_ && "a reservation must be released before it is replaced");
    credential_ = std::exchange(other.credential_, std::nullopt);
    return *this;
}

Reservation::~Reservation() {
    assert(!credential_ && "a reservation must be released");
}

Result<Reservations::Answer> Reservations::try_reserve(const CredentialId& credential,
                                                       const Standing& standing,
                                                       Instant now,
                                                       Instant deadline,
                                                       std::optional<WaiterId> waiter) {
    assert(!waiter || !waiters_.contains(*waiter) || waiters_.at(*waiter) == credential);
    if (auto answer = locked(standing, now)) {
        if (waiter) cancel(*waiter);
        return Answer(*answer);
    }
    std::uint64_t ahead = 0;
    if (const auto line = lines_.find(credential); line != lines_.end()) {
        const auto& waiting = line->second.waiting;
        ahead = line->second.in_flight + waiting.size();
        if (waiter) {
            const auto place = waiting.lower_bound(*waiter);
            ahead = line->second.in_flight;
            ahead += static_cast<std::uint64_t>(std::distance(waiting.begin(), place));
        }
    }
    const bool has_room = is_planted(Mutant::check_then_count) || ahead < room(standing);
    if (!has_room) return enqueue(credential, now, deadline, waiter);

    if (waiter) cancel(*waiter);
    if (total_in_flight_ >= options_.max_in_flight) {
        return Error(errc::overloaded, "too many attempts are being verified; try again later");
    }
    ++lines_[credential].in_flight;
    ++total_in_flight_;
    return Answer(Reservation(credential));
}

Result<Reservations::Answer> Reservations::enqueue(const CredentialId& credential,
                                                   Instant now,
                                                   Instant deadline,
                                                   std::optional<WaiterId> waiter) {
    if (now >= deadline) {
        if (waiter) cancel(*waiter);
        return Error(errc::timed_out, "others are trying the same credential; try again later");
    }
    if (waiter && waiters_.contains(*waiter)) return Answer(Wait{*waiter});

    const auto line = lines_.find(credential);
    if (waiters_.size() >= options_.max_waiting ||
        (line != lines_.end() &&
         line->second.waiting.size() >= options_.max_waiting_per_credential)) {
        return Error(errc::overloaded, "too many attempts wait for each other; try again later");
    }
    const WaiterId id{++last_waiter_};
    lines_[credential].waiting.emplace(id, deadline);
    waiters_.emplace(id, credential);
    deadlines_.emplace(deadline, id);
    return Answer(Wait{id});
}

std::vector<WaiterId> Reservations::release(Reservation&& reservation,
                                            const Standing& standing,
                                            Instant now) {
    assert(reservation.credential_ && "a reservation is released once");
    const CredentialId credential = *std::exchange(reservation.credential_, std::nullopt);
    const auto line = lines_.find(credential);
    assert(line != lines_.end() && line->second.in_flight > 0);
    --line->second.in_flight;
    --total_in_flight_;
    auto due = wake(credential, standing, now);
    forget_if_idle(credential);
    return due;
}

std::vector<WaiterId> Reservations::wake(const CredentialId& credential,
                                         const Standing& standing,
                                         Instant now) const {
    std::vector<WaiterId> due;
    const auto line = lines_.find(credential);
    if (line == lines_.end()) return due;
    const auto& [in_flight, waiting] = line->second;
    const bool all = locked(standing, now).has_value();
    const std::uint64_t allowed = room(standing);
    for (const auto& [waiter, deadline] : waiting) {
        if (!all && in_flight + due.size() >= allowed) break;
        due.push_back(waiter);
    }
    return due;
}

bool Reservations::cancel(WaiterId waiter) {
    const auto place = waiters_.find(waiter);
    if (place == waiters_.end()) return false;
    const CredentialId credential = place->second;
    auto& waiting = lines_.at(credential).waiting;
    deadlines_.erase({waiting.at(waiter), waiter});
    waiting.erase(waiter);
    waiters_.erase(place);
    forget_if_idle(credential);
    return true;
}

std::vector<std::pair<WaiterId, CredentialId>> Reservations::expire(Instant now) {
    std::vector<std::pair<WaiterId, CredentialId>> expired;
    while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
        const WaiterId waiter = deadlines_.begin()->second;
        expired.emplace_back(waiter, waiters_.at(waiter));
        cancel(waiter);
    }
    return expired;
}

std::optional<Instant> Reservations::next_deadline() const {
    if (deadlines_.empty()) return std::nullopt;
    return deadlines_.begin()->first;
}

std::size_t Reservations::in_flight(const CredentialId& credential) const {
    const auto line = lines_.find(credential);
    return line == lines_.end() ? 0 : line->second.in_flight;
}

void Reservations::forget_if_idle(const CredentialId& credential) {
    const auto line = lines_.find(credential);
    if (line != lines_.end() && line->second.in_flight == 0 && line->second.waiting.empty()) {
        lines_.erase(line);
    }
}

}  // namespace countersign::attempts
