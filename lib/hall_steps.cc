#include "hall_steps.h"

#include <array>

#include "pool_settings.h"

namespace countersign {

Hall::Steps::Steps(Hall& hall, On on)
    : hall_(&hall),
      on_(hall.options_.run_blocking ? on : On::own_thread),
      call_(on_ == On::tasks ? std::make_shared<const Call>(hall) : nullptr) {}

Hall::Steps::Guess::Guess(const Steps& steps,
                          attempts::Reservation reservation,
                          attempts::Gate::ReadStanding read)
    : call_(steps.call_),
      hall_(*steps.hall_),
      reservation_(std::move(reservation)),
      read_(std::move(read)) {}

Hall::Steps::Guess::Guess(Guess&& other) noexcept
    : call_(other.call_),
      hall_(other.hall_),
      reservation_(std::exchange(other.reservation_, std::nullopt)),
      read_(std::move(other.read_)) {}

Hall::Steps::Guess::~Guess() {
    if (reservation_) hall_.gate_->release(std::move(*reservation_), read_, hall_.now().monotonic);
}

void Hall::Steps::run(std::move_only_function<void()> task) const {
    if (on_ == On::own_thread) return task();
    const auto shared = std::make_shared<std::move_only_function<void()>>(std::move(task));
    hall_->run_blocking([shared] { (*shared)(); });
}

/// A hash that waits for its memory or has it. Its task may be dropped, as when the application
/// ends: the memory goes back all the same.
class Hall::Steps::Hashing {
  public:
    Hashing(Hall& hall,
            std::shared_ptr<const PoolView> pool,
            Secret normal,
            OutcomeHandler<std::string> then)
        : hall_(hall), pool_(std::move(pool)), normal_(std::move(normal)), then_(std::move(then)) {}
    Hashing(const Hashing&) = delete;
    ~Hashing() {
        if (holds_memory_) hall_.gate_->release(bytes(), hall_.now().monotonic);
    }

    std::size_t bytes() const { return sealing::memory_of(hash_cost(pool_->settings)); }
    void admitted(const Result<void>& answer) {
        holds_memory_ = answer.has_value();
        if (!answer) failure_ = answer.error();
    }
    void go_on() {
        if (failure_) return then_(*failure_);
        auto hash = hall_.hash_now(*pool_, normal_);
        holds_memory_ = false;
        hall_.gate_->release(bytes(), hall_.now().monotonic);
        then_(std::move(hash));
    }

  private:
    Hall& hall_;
    const std::shared_ptr<const PoolView> pool_;
    const Secret normal_;
    OutcomeHandler<std::string> then_;
    bool holds_memory_ = false;
    std::optional<Error> failure_;
};

void Hall::Steps::hash(std::shared_ptr<const PoolView> pool,
                       Secret normal,
                       OutcomeHandler<std::string> then) const {
    if (on_ == On::own_thread) return then(hall_->hash_password(*pool, normal));
    const auto hashing =
        std::make_shared<Hashing>(*hall_, std::move(pool), std::move(normal), std::move(then));
    const auto queued = hall_->gate_->admit(hall_->own_source_,
                                            hashing->bytes(),
                                            hall_->deadline({}),
                                            hall_->now().monotonic,
                                            [steps = *this, hashing](Result<void> answer) {
                                                hashing->admitted(answer);
                                                steps.run([hashing] { hashing->go_on(); });
                                            });
    if (queued && *queued) return;
    hashing->admitted(queued ? Result<void>() : Result<void>(queued.error()));
    hashing->go_on();
}

void Hall::Steps::reserve(const attempts::CredentialId& credential,
                          attempts::Gate::ReadStanding read,
                          OutcomeHandler<Pass> then) const {
    using Gate = attempts::Gate;
    const auto to_pass = [steps = *this, read](Gate::Pass pass) {
        if (const auto* locked = std::get_if<attempts::Locked>(&pass)) return Pass(*locked);
        return Pass(Guess(steps, std::get<attempts::Reservation>(std::move(pass)), read));
    };
    const Instant now = hall_->now().monotonic;
    if (on_ == On::own_thread) {
        auto pass = hall_->gate_->wait_reserved(credential, hall_->deadline({}), now, read);
        return then(pass ? Result<Pass>(to_pass(*std::move(pass))) : Result<Pass>(pass.error()));
    }
    const auto shared = std::make_shared<OutcomeHandler<Pass>>(std::move(then));
    auto answer =
        hall_->gate_->reserve(credential,
                              hall_->deadline({}),
                              now,
                              read,
                              [steps = *this, shared, to_pass](Result<Gate::Pass> pass) {
                                  auto outcome = pass ? Result<Pass>(to_pass(*std::move(pass)))
                                                      : Result<Pass>(pass.error());
                                  steps.run([shared, outcome = std::move(outcome)]() mutable {
                                      (*shared)(std::move(outcome));
                                  });
                              });
    if (!answer) return (*shared)(answer.error());
    if (auto* reservation = std::get_if<attempts::Reservation>(&*answer)) {
        return (*shared)(to_pass(Gate::Pass(std::move(*reservation))));
    }
    if (auto* locked = std::get_if<attempts::Locked>(&*answer)) {
        return (*shared)(to_pass(Gate::Pass(*locked)));
    }
}

void Hall::Steps::commit(Write write, OutcomeHandler<LogSeq> then) const {
    if (on_ == On::own_thread) return then(hall_->queue_.commit(std::move(write)));
    hall_->queue_.commit_async(
        std::move(write),
        [hall = hall_](std::function<void()> task) { hall->run_blocking(std::move(task)); },
        [steps = *this, then = std::move(then)](Result<LogSeq> outcome) mutable {
            steps.run([then = std::move(then), outcome = std::move(outcome)]() mutable {
                then(std::move(outcome));
            });
        });
}

}  // namespace countersign
