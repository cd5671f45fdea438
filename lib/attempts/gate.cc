#include "attempts/gate.h"

#include <algorithm>
#include <cassert>
#include <chrono>
#include <deque>
#include <iterator>
#include <memory>
#include <semaphore>
#include <utility>

namespace countersign::attempts {
namespace {

constexpr std::chrono::hours longest_wait{24};

/// One caller that waits on its own thread. Shared with its call back, which may still be releasing
/// the semaphore when the caller has left.
template <class Outcome>
struct Waiter {
    std::binary_semaphore woken{0};
    std::optional<Outcome> outcome;
};

// The one place where real time passes: a thread that waits cannot be told the time by anybody.
// `cancel` is true when it took the caller out of its line; else the outcome is on its way.
template <class Outcome, class Cancel>
Outcome wait_for(Waiter<Outcome>& waiter, Instant deadline, Instant now, Cancel cancel) {
    const auto time = deadline > now + longest_wait ? longest_wait : deadline - now;
    if (!waiter.woken.try_acquire_for(time)) {
        if (cancel()) return Error(errc::timed_out, "too many attempts; try again later");
        waiter.woken.acquire();
    }
    return std::move(*waiter.outcome);
}

Error closed() {
    return {errc::cancelled, "the store is closing"};
}

}  // namespace

Gate::Gate(Admission admission, const Reservations::Options& reservations)
    : admission_(std::move(admission)), reservations_(reservations) {}

Gate::~Gate() {
    assert(queued_.empty() && waiting_.empty() && "a gate is closed before it goes");
}

// A call back may release something and so cause further calls: they are made from here too, one
// after the other, so that a line of thousands does not become a stack of thousands.
void Gate::deliver(std::vector<Call> calls) {
    thread_local std::deque<Call>* under_way = nullptr;
    const bool is_outermost = under_way == nullptr;
    std::deque<Call> own;
    if (is_outermost) under_way = &own;
    std::ranges::move(calls, std::back_inserter(*under_way));
    if (!is_outermost) return;
    while (!own.empty()) {
        Call call = std::move(own.front());
        own.pop_front();
        call();
    }
    under_way = nullptr;
}

void Gate::answer(AdmissionId id, Result<void> result, std::vector<Call>& calls) {
    const auto place = queued_.find(id);
    assert(place != queued_.end());
    calls.emplace_back([admitted = std::move(place->second.admitted),
                        result = std::move(result)]() mutable { admitted(std::move(result)); });
    queued_.erase(place);
}

void Gate::take_turn(const Admission::Turn& turn, std::vector<Call>& calls) {
    for (const AdmissionId id : turn.expired) {
        answer(id, Error(errc::timed_out, "too many sign-ins at once; try again later"), calls);
    }
    for (const AdmissionId id : turn.granted) answer(id, {}, calls);
}

Result<std::optional<AdmissionId>> Gate::admit(
    SourceKey source, std::uint64_t bytes, Instant deadline, Instant now, Admitted admitted) {
    std::vector<Call> calls;
    std::optional<AdmissionId> id;
    {
        const std::lock_guard guard(admission_mutex_);
        if (is_admission_closed_) return closed();
        const auto result = admission_.request(source, bytes, deadline, now);
        if (std::holds_alternative<Admission::Overloaded>(result)) {
            return Error(errc::overloaded, "too many sign-ins at once; try again later");
        }
        if (const auto* queued = std::get_if<Admission::Queued>(&result)) {
            id = queued->id;
            queued_.emplace(*id, QueuedHash{bytes, std::move(admitted)});
            if (queued->displaced) {
                answer(*queued->displaced,
                       Error(errc::overloaded, "too many sign-ins from one source"),
                       calls);
            }
        }
    }
    deliver(std::move(calls));
    return id;
}

Result<void> Gate::wait_admitted(SourceKey source,
                                 std::uint64_t bytes,
                                 Instant deadline,
                                 Instant now) {
    const auto waiter = std::make_shared<Waiter<Result<void>>>();
    const auto id = admit(source, bytes, deadline, now, [waiter](Result<void> result) {
        waiter->outcome = std::move(result);
        waiter->woken.release();
    });
    if (!id) return id.error();
    if (!*id) return {};
    return wait_for(*waiter, deadline, now, [&] { return cancel(**id, deadline); });
}

void Gate::release(std::uint64_t bytes, Instant now) {
    std::vector<Call> calls;
    {
        const std::lock_guard guard(admission_mutex_);
        take_turn(admission_.release(bytes, now), calls);
    }
    deliver(std::move(calls));
}

bool Gate::cancel(AdmissionId id, Instant now) {
    std::vector<Call> calls;
    {
        const std::lock_guard guard(admission_mutex_);
        if (queued_.erase(id) == 0) return false;
        take_turn(admission_.cancel(id, now), calls);
    }
    deliver(std::move(calls));
    return true;
}

void Gate::answer(WaiterId waiter, Result<Pass> pass, std::vector<Call>& calls) {
    const auto place = waiting_.find(waiter);
    assert(place != waiting_.end());
    calls.emplace_back([reserved = std::move(place->second.reserved),
                        pass = std::move(pass)]() mutable { reserved(std::move(pass)); });
    waiting_.erase(place);
}

void Gate::ask_again(const std::vector<WaiterId>& due,
                     const Result<Standing>& standing,
                     Instant now,
                     std::vector<Call>& calls) {
    for (const WaiterId waiter : due) {
        if (!standing) {
            reservations_.cancel(waiter);
            answer(waiter, standing.error(), calls);
            continue;
        }
        const auto& guess = waiting_.at(waiter);
        auto result =
            reservations_.try_reserve(guess.credential, *standing, now, guess.deadline, waiter);
        if (!result) {
            answer(waiter, result.error(), calls);
        } else if (auto* reservation = std::get_if<Reservation>(&*result)) {
            answer(waiter, Pass(std::move(*reservation)), calls);
        } else if (const auto* locked = std::get_if<Locked>(&*result)) {
            answer(waiter, Pass(*locked), calls);
        }
    }
}

Result<Gate::Answer> Gate::reserve(const CredentialId& credential,
                                   Instant deadline,
                                   Instant now,
                                   const ReadStanding& read,
                                   Reserved reserved) {
    const std::lock_guard guard(reservation_mutex_);
    if (is_reservation_closed_) return closed();
    const auto standing = read();
    if (!standing) return standing.error();
    auto result = reservations_.try_reserve(credential, *standing, now, deadline);
    if (!result) return result.error();
    if (auto* reservation = std::get_if<Reservation>(&*result)) {
        return Answer(std::move(*reservation));
    }
    if (const auto* locked = std::get_if<Locked>(&*result)) return Answer(*locked);
    const WaiterId waiter = std::get<Wait>(*result).waiter;
    waiting_.emplace(waiter, QueuedGuess{credential, deadline, std::move(reserved)});
    return Answer(Queued{waiter});
}

Result<Gate::Pass> Gate::wait_reserved(const CredentialId& credential,
                                       Instant deadline,
                                       Instant now,
                                       const ReadStanding& read) {
    const auto waiter = std::make_shared<Waiter<Result<Pass>>>();
    auto result = reserve(credential, deadline, now, read, [waiter](Result<Pass> pass) {
        waiter->outcome.emplace(std::move(pass));
        waiter->woken.release();
    });
    if (!result) return result.error();
    if (auto* reservation = std::get_if<Reservation>(&*result)) {
        return Pass(std::move(*reservation));
    }
    if (const auto* locked = std::get_if<Locked>(&*result)) return Pass(*locked);
    const WaiterId id = std::get<Queued>(*result).waiter;
    return wait_for(*waiter, deadline, now, [&] { return cancel(id); });
}

void Gate::release(Reservation&& reservation, const ReadStanding& read, Instant now) {
    std::vector<Call> calls;
    {
        const std::lock_guard guard(reservation_mutex_);
        // An empty standing lets nobody through: all in line are then told what went wrong.
        Result<Standing> standing{Standing{}};
        if (reservations_.waiting() > 0) standing = read();
        const auto due =
            reservations_.release(std::move(reservation), standing ? *standing : Standing{}, now);
        ask_again(due, standing, now, calls);
    }
    deliver(std::move(calls));
}

// Those behind stay where they are: had there been room for them, there had been for this one.
bool Gate::cancel(WaiterId waiter) {
    const std::lock_guard guard(reservation_mutex_);
    if (waiting_.erase(waiter) == 0) return false;
    reservations_.cancel(waiter);
    return true;
}

void Gate::standing_changed(const CredentialId& credential, const ReadStanding& read, Instant now) {
    std::vector<Call> calls;
    {
        const std::lock_guard guard(reservation_mutex_);
        const auto all = reservations_.wake(credential, Standing{}, now);
        if (all.empty()) return;
        const auto standing = read();
        ask_again(
            standing ? reservations_.wake(credential, *standing, now) : all, standing, now, calls);
    }
    deliver(std::move(calls));
}

void Gate::expire(Instant now) {
    std::vector<Call> calls;
    {
        const std::lock_guard guard(admission_mutex_);
        take_turn(admission_.expire(now), calls);
    }
    {
        const std::lock_guard guard(reservation_mutex_);
        for (const auto& [waiter, credential] : reservations_.expire(now)) {
            answer(waiter, Error(errc::timed_out, "too many attempts; try again later"), calls);
        }
    }
    deliver(std::move(calls));
}

std::optional<Instant> Gate::next_deadline() const {
    std::optional<Instant> first;
    {
        const std::lock_guard guard(admission_mutex_);
        first = admission_.next_deadline();
    }
    const std::lock_guard guard(reservation_mutex_);
    const auto second = reservations_.next_deadline();
    return first && second ? std::min(*first, *second) : first ? first : second;
}

void Gate::close() {
    std::vector<Call> calls;
    {
        const std::lock_guard guard(admission_mutex_);
        is_admission_closed_ = true;
        // Taking one out may let the next one in, which is on its way out as well.
        std::vector<std::uint64_t> granted;
        for (const auto& [id, hash] : queued_) {
            const auto turn = admission_.cancel(id, Instant::min());
            for (const AdmissionId in : turn.granted) granted.push_back(queued_.at(in).bytes);
        }
        for (const std::uint64_t bytes : granted) admission_.release(bytes, Instant::min());
        while (!queued_.empty()) answer(queued_.begin()->first, closed(), calls);
    }
    {
        const std::lock_guard guard(reservation_mutex_);
        is_reservation_closed_ = true;
        while (!waiting_.empty()) {
            reservations_.cancel(waiting_.begin()->first);
            answer(waiting_.begin()->first, closed(), calls);
        }
    }
    deliver(std::move(calls));
}

std::uint64_t Gate::bytes_in_use() const {
    const std::lock_guard guard(admission_mutex_);
    return admission_.bytes_in_use();
}

std::size_t Gate::queued() const {
    const std::lock_guard guard(admission_mutex_);
    return queued_.size();
}

std::size_t Gate::waiting() const {
    const std::lock_guard guard(reservation_mutex_);
    return waiting_.size();
}

std::size_t Gate::in_flight(const CredentialId& credential) const {
    const std::lock_guard guard(reservation_mutex_);
    return reservations_.in_flight(credential);
}

}  // namespace countersign::attempts
