#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <variant>
#include <vector>

#include "countersign/error.h"
#include "countersign/time.h"

#include "attempts/credential.h"
#include "attempts/throttle.h"

namespace countersign::attempts {

class Reservations;

/// The right to verify one guess. Must be given back to Reservations::release: one that goes
/// otherwise is a programmer's error.
class Reservation {
  public:
    Reservation(Reservation&& other) noexcept
        : credential_(std::exchange(other.credential_, std::nullopt)) {}
    Reservation& operator=(Reservation&& other) noexcept;
    Reservation(const Reservation&) = delete;
    Reservation& operator=(const Reservation&) = delete;
    ~Reservation();

  private:
    friend class Reservations;
    explicit Reservation(const CredentialId& credential) : credential_(credential) {}

    std::optional<CredentialId> credential_;  // empty: moved from, or released
};

/// The place of an attempt in the line for its credential.
enum class WaiterId : std::uint64_t {};

/// Nothing may be verified or counted now.
struct Locked {
    /// No value when the node's share is used up: then only a success or an unlock helps.
    std::optional<milliseconds> retry_after;
};

/// Others in flight may use up what is left: ask again, with this id, when woken.
struct Wait {
    WaiterId waiter;
};

/// Guesses being verified and those that wait for them, by credential, so that guesses at the same
/// time get no more tries than guesses one after the other, and right passwords at the same time do
/// not lock each other out. In memory only: an attempt that a crash cut off told nobody anything.
///
/// Not thread-safe: calls for one credential, and the reading of its Standing, are one step under
/// the caller's lock, and calls for different credentials must exclude each other too. A call costs
/// O(log n), and O(k) where it names k waiters.
class Reservations {
  public:
    struct Options {
        std::size_t max_waiting = 16'384;  ///< about 250 bytes each
        std::size_t max_waiting_per_credential = 1'024;
        std::size_t max_in_flight = 65'536;  ///< about 150 bytes for each credential
    };
    using Answer = std::variant<Reservation, Locked, Wait>;

    explicit Reservations(const Options& options) : options_(options) {}

    /// Asks to verify a guess. `locked` when the throttle's time runs or the node's share is used
    /// up; `Wait` when failures and the reservations of others together reach a limit; from
    /// `max_failures` on one reservation at a time. Attempts go in the order in which they came.
    /// An attempt that was told to wait gives its id; after any other answer it waits no more.
    /// Errors: errc::overloaded when a limit is reached, errc::timed_out when `now` is at or past
    /// `deadline` and it would have to wait (it then waits no more).
    Result<Answer> try_reserve(const CredentialId& credential,
                               const Standing& standing,
                               Instant now,
                               Instant deadline,
                               std::optional<WaiterId> waiter = std::nullopt);

    /// The guess was verified, or given up. A wrong one must be counted in `standing` already: in
    /// between, another would be let through. Returns who should ask again, in order.
    std::vector<WaiterId> release(Reservation&& reservation, const Standing& standing, Instant now);

    /// Who should ask again now that something else has changed `standing`: a row of another node,
    /// an unlock, a lock that has run out, or a waiter that left.
    std::vector<WaiterId> wake(const CredentialId& credential,
                               const Standing& standing,
                               Instant now) const;

    /// An attempt waits no more. Its credential's next waiters may be due: see `wake`. False when
    /// it did not wait.
    bool cancel(WaiterId waiter);

    /// Those whose deadline is at or before `now`; they wait no more. Their credentials' next
    /// waiters may be due: see `wake`.
    std::vector<std::pair<WaiterId, CredentialId>> expire(Instant now);

    /// The earliest deadline of those that wait.
    std::optional<Instant> next_deadline() const;

    /// How many guesses of this credential are being verified: held against the share.
    std::size_t in_flight(const CredentialId& credential) const;
    std::size_t waiting() const noexcept { return waiters_.size(); }

  private:
    struct Line {
        std::size_t in_flight = 0;
        std::map<WaiterId, Instant> waiting;  // with deadlines; ids rise, so this is the order
    };

    Result<Answer> enqueue(const CredentialId& credential,
                           Instant now,
                           Instant deadline,
                           std::optional<WaiterId> waiter);
    void forget_if_idle(const CredentialId& credential);

    Options options_;
    std::uint64_t last_waiter_ = 0;
    std::size_t total_in_flight_ = 0;
    std::map<CredentialId, Line> lines_;
    std::map<WaiterId, CredentialId> waiters_;
    std::set<std::pair<Instant, WaiterId>> deadlines_;
};

}  // namespace countersign::attempts
