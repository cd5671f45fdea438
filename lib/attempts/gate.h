#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <variant>
#include <vector>

#include "countersign/error.h"
#include "countersign/time.h"

#include "attempts/admission.h"
#include "attempts/credential.h"
#include "attempts/reservations.h"
#include "attempts/throttle.h"

namespace countersign::attempts {

/// What every attempt passes: first for the memory of its hash, then for the right to make one
/// guess. Admission and Reservations for many threads. A caller that may not pass yet either waits
/// on its own thread (the calls with `wait_`) or is called back; both stand in the same lines.
///
/// A call back comes exactly once unless cancelled, with no lock held, on whichever thread made
/// room, or called expire or close; it may come before the call that asked has returned. It must
/// not block and not throw; it may call the gate. Starts
/// no thread and reads no clock: expire is to be called at next_deadline. Only a thread that waits
/// measures the time to its deadline itself, since it has nobody to wake it; it then leaves the
/// line. Calls of admission and of reservation do not wait for each other.
class Gate {
  public:
    /// Reads the standing of one credential, new from the disk. Called under the gate's lock, so
    /// that no failure is counted between the reading and the decision; it must not call the gate.
    using ReadStanding = std::function<Result<Standing>()>;
    using Admitted = std::move_only_function<void(Result<void>)>;
    using Pass = std::variant<Reservation, Locked>;
    using Reserved = std::move_only_function<void(Result<Pass>)>;

    Gate(Admission admission, const Reservations::Options& reservations);
    Gate(const Gate&) = delete;
    Gate& operator=(const Gate&) = delete;
    /// Nobody waits any more, and no call is under way: see close.
    ~Gate();

    /// Asks for `bytes` (at least 1) of memory for a hash. No value: granted now, and `admitted` is
    /// dropped. Else `admitted` will be called: with success once it is granted, or with
    /// errc::timed_out, errc::overloaded (had to make room for another source) or errc::cancelled.
    /// What is granted must be given back by release. Errors: errc::overloaded, errc::cancelled.
    Result<std::optional<AdmissionId>> admit(
        SourceKey source, std::uint64_t bytes, Instant deadline, Instant now, Admitted admitted);
    /// As admit, and waits for it.
    Result<void> wait_admitted(SourceKey source,
                               std::uint64_t bytes,
                               Instant deadline,
                               Instant now);
    void release(std::uint64_t bytes, Instant now);
    /// True when it waited: its call back is then dropped.
    bool cancel(AdmissionId id, Instant now);

    /// What a reservation was asked with; to be called back when it is decided.
    struct Queued {
        WaiterId waiter;
    };
    using Answer = std::variant<Reservation, Locked, Queued>;

    /// Asks to verify one guess. A reservation must be given back by the other release. `Queued`:
    /// `reserved` will be called with one, with Locked, or with errc::timed_out, errc::cancelled or
    /// an error of `read`. Errors: errc::overloaded, errc::timed_out, errc::cancelled, and those of
    /// `read`.
    Result<Answer> reserve(const CredentialId& credential,
                           Instant deadline,
                           Instant now,
                           const ReadStanding& read,
                           Reserved reserved);
    /// As reserve, and waits for it.
    Result<Pass> wait_reserved(const CredentialId& credential,
                               Instant deadline,
                               Instant now,
                               const ReadStanding& read);
    /// The guess was verified and, if it was wrong, its row is durable. `read` as in reserve.
    void release(Reservation&& reservation, const ReadStanding& read, Instant now);
    /// True when it waited: its call back is then dropped.
    bool cancel(WaiterId waiter);
    /// Something else has changed what stands of a credential: a row of another node, an unlock.
    void standing_changed(const CredentialId& credential, const ReadStanding& read, Instant now);

    /// Calls back those whose deadline has come.
    void expire(Instant now);
    std::optional<Instant> next_deadline() const;

    /// Calls back all that wait, with errc::cancelled, and refuses from then on. What was granted
    /// is still to be released.
    void close();

    std::uint64_t bytes_in_use() const;
    std::size_t queued() const;   ///< for memory
    std::size_t waiting() const;  ///< for a reservation
    /// Guesses of this credential being verified: held against the share.
    std::size_t in_flight(const CredentialId& credential) const;

  private:
    struct QueuedHash {
        std::uint64_t bytes;
        Admitted admitted;
    };
    struct QueuedGuess {
        CredentialId credential;
        Instant deadline;
        Reserved reserved;
    };
    using Call = std::move_only_function<void()>;

    static void deliver(std::vector<Call> calls);
    void take_turn(const Admission::Turn& turn, std::vector<Call>& calls);
    void answer(AdmissionId id, Result<void> result, std::vector<Call>& calls);
    void answer(WaiterId waiter, Result<Pass> pass, std::vector<Call>& calls);
    void ask_again(const std::vector<WaiterId>& due,
                   const Result<Standing>& standing,
                   Instant now,
                   std::vector<Call>& calls);

    mutable std::mutex admission_mutex_;
    Admission admission_;
    std::map<AdmissionId, QueuedHash> queued_;
    bool is_admission_closed_ = false;

    mutable std::mutex reservation_mutex_;
    Reservations reservations_;
    std::map<WaiterId, QueuedGuess> waiting_;
    bool is_reservation_closed_ = false;
};

}  // namespace countersign::attempts
