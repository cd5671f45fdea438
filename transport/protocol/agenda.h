#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <variant>

#include "countersign/error.h"
#include "countersign/ids.h"
#include "countersign/link.h"

#include "wire/message.h"

namespace countersign::protocol {

/// A frame for the channel.
struct SendFrame {
    Bytes frame;
    bool secret = false;  ///< holds keys: wipe it once it is sealed
};
using Action = std::variant<SendFrame, RunStore, LinkEvent, CloseLink>;

/// What the parts of one conversation want done, in order. Once it is closed nothing is added any
/// more, and no part hears of a task's outcome.
class Agenda {
  public:
    void send(const wire::Message& message);
    void tell(LinkEvent event);

    /// Runs `work` on a thread that may block, after all earlier work of this conversation, then
    /// `then` with its value where the conversation lives. An error ends the conversation: `fail`.
    template <class T>
    void run(std::move_only_function<Result<T>()> work, std::move_only_function<void(T)> then) {
        auto slot = std::make_shared<std::optional<Result<T>>>();
        enqueue({.work = [slot, work = std::move(work)]() mutable { slot->emplace(work()); },
                 .then =
                     [this, slot, then = std::move(then)]() mutable {
                         if (!slot->value()) return fail(slot->value().error());
                         then(std::move(**slot->operator->()));
                     }});
    }
    void run(std::move_only_function<Result<void>()> work, std::move_only_function<void()> then);
    void on_done(std::uint64_t task);

    /// Says goodbye with the error's code and detail, and closes.
    void fail(const Error& error);
    /// Closes without a word. `reconnect` says whether dialling again makes sense.
    void close(Error reason, bool reconnect);
    bool closed() const noexcept { return closed_; }

    std::optional<Action> poll();

  private:
    struct Task {
        std::move_only_function<void()> work;
        std::move_only_function<void()> then;
    };
    void enqueue(Task task);
    void run_next();

    std::deque<Action> actions_;
    std::deque<Task> tasks_;  // the first is under way if running_
    std::uint64_t last_task_ = 0;
    bool running_ = false;
    bool closed_ = false;
};

}  // namespace countersign::protocol
