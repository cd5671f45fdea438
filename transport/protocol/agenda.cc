#include "protocol/agenda.h"

#include <cassert>

#include "protocol/farewell.h"
#include "wire/encode.h"

namespace countersign::protocol {

void Agenda::send(const wire::Message& message) {
    if (closed_) return;
    actions_.emplace_back(SendFrame{.frame = wire::encode(message),
                                    .secret = std::holds_alternative<wire::Admit>(message)});
}

void Agenda::tell(LinkEvent event) {
    if (!closed_) actions_.emplace_back(event);
}

void Agenda::run(std::move_only_function<Result<void>()> work,
                 std::move_only_function<void()> then) {
    auto slot = std::make_shared<std::optional<Result<void>>>();
    enqueue({.work = [slot, work = std::move(work)]() mutable { slot->emplace(work()); },
             .then =
                 [this, slot, then = std::move(then)]() mutable {
                     if (!slot->value()) return fail(slot->value().error());
                     then();
                 }});
}

void Agenda::enqueue(Task task) {
    if (closed_) return;
    tasks_.push_back(std::move(task));
    run_next();
}

void Agenda::run_next() {
    if (running_ || closed_ || tasks_.empty()) return;
    running_ = true;
    actions_.emplace_back(RunStore{.id = ++last_task_, .task = std::move(tasks_.front().work)});
}

void Agenda::on_done(std::uint64_t task) {
    if (closed_) return;
    assert(running_ && task == last_task_ && "a task that was not asked for");
    auto then = std::move(tasks_.front().then);
    tasks_.pop_front();
    running_ = false;
    then();
    run_next();
}

void Agenda::fail(const Error& error) {
    if (closed_) return;
    send(farewell(error));
    close(error, worth_reconnecting(error.code()));
}

void Agenda::close(Error reason, bool reconnect) {
    if (closed_) return;
    closed_ = true;
    tasks_.clear();
    actions_.emplace_back(CloseLink{.reason = std::move(reason), .reconnect = reconnect});
}

std::optional<Action> Agenda::poll() {
    if (actions_.empty()) return std::nullopt;
    Action action = std::move(actions_.front());
    actions_.pop_front();
    return action;
}

}  // namespace countersign::protocol
