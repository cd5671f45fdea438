#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <variant>

#include "hall.h"

namespace countersign {

/// Keeps the hall from going while it lives.
class Hall::Call {
  public:
    explicit Call(Hall& hall) : hall_(hall) {
        const std::lock_guard guard(hall_.calls_mutex_);
        ++hall_.calls_;
    }
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;
    ~Call() {
        // Notified under the lock: the hall may be gone once it is given back.
        const std::lock_guard guard(hall_.calls_mutex_);
        if (--hall_.calls_ == 0) hall_.calls_ended_.notify_all();
    }

  private:
    Hall& hall_;
};

/// How a call goes on where it has to wait: on its caller's thread, or in tasks of run_blocking,
/// none of which waits for another. Each step calls `then` with what came of it.
class Hall::Steps {
  public:
    enum class On { own_thread, tasks };
    Steps(Hall& hall, On on);

    /// The right to one guess; given back when it goes.
    class Guess {
      public:
        Guess(const Steps& steps,
              attempts::Reservation reservation,
              attempts::Gate::ReadStanding read);
        Guess(Guess&& other) noexcept;
        Guess& operator=(Guess&&) = delete;
        ~Guess();

      private:
        std::shared_ptr<const Call> call_;
        Hall& hall_;
        std::optional<attempts::Reservation> reservation_;
        attempts::Gate::ReadStanding read_;
    };
    using Pass = std::variant<Guess, attempts::Locked>;

    /// See Hall::writable: a task does not wait for other nodes.
    bool may_wait() const noexcept { return on_ == On::own_thread; }
    Hall& hall() const noexcept { return *hall_; }

    /// As a task of its own, where there are tasks.
    void run(std::move_only_function<void()> task) const;
    void hash(std::shared_ptr<const PoolView> pool,
              Secret normal,
              OutcomeHandler<std::string> then) const;
    void reserve(const attempts::CredentialId& credential,
                 attempts::Gate::ReadStanding read,
                 OutcomeHandler<Pass> then) const;
    /// `then` is not called on the stack of the commit, whoever led it.
    void commit(Write write, OutcomeHandler<LogSeq> then) const;

  private:
    class Hashing;
    Hall* hall_;
    On on_;
    std::shared_ptr<const Call> call_;
};

/// Who has asked for something that may have to wait, and is told what came of it. A step that
/// succeeds goes on with what `then` does with the caller and the step's outcome; a failure is the
/// answer.
template <class T>
class Hall::Caller {
  public:
    Caller(Steps steps, OutcomeHandler<T> handler)
        : steps_(std::move(steps)), handler_(std::move(handler)) {}

    bool may_wait() const noexcept { return steps_.may_wait(); }
    const Steps& steps() const noexcept { return steps_; }
    void answer(Result<T> outcome) { handler_(steps_.hall().noticing(std::move(outcome))); }

    template <class Then>
    void hash(std::shared_ptr<const PoolView> pool, Secret normal, Then then) && {
        const Steps steps = steps_;
        steps.hash(std::move(pool), std::move(normal), going_on<std::string>(std::move(then)));
    }
    template <class Then>
    void reserve(const attempts::CredentialId& credential,
                 attempts::Gate::ReadStanding read,
                 Then then) && {
        const Steps steps = steps_;
        steps.reserve(credential, std::move(read), going_on<Steps::Pass>(std::move(then)));
    }
    template <class Then>
    void commit(Write write, Then then) && {
        const Steps steps = steps_;
        steps.commit(std::move(write), going_on<LogSeq>(std::move(then)));
    }
    template <class Then>
    void write(commands::Command command, Then then) && {
        Hall& hall = steps_.hall();
        if (const auto pool = hall.writable(may_wait()); !pool) return answer(pool.error());
        std::move(*this).commit({.rows = {}, .execute = hall.executing(std::move(command))},
                                std::move(then));
    }
    /// The answer is the batch.
    void write(commands::Command command) && {
        std::move(*this).write(std::move(command),
                               [](Caller caller, LogSeq seq) { caller.answer(seq); });
    }

  private:
    template <class Step, class Then>
    OutcomeHandler<Step> going_on(Then then) {
        return [caller = std::move(*this), then = std::move(then)](Result<Step> outcome) mutable {
            if (!outcome) return caller.answer(outcome.error());
            then(std::move(caller), *std::move(outcome));
        };
    }

    Steps steps_;
    OutcomeHandler<T> handler_;
};

}  // namespace countersign
