#include "log/commit_queue.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <thread>

#include <doctest/doctest.h>

#include "countersign/error.h"

using namespace countersign;

namespace {

struct Write {
    int value = 0;
    Result<int> outcome = errc::cancelled;
};
using Queue = log::CommitQueue<Write>;

/// Sets each outcome to a place in the order of all commits; a negative value is refused.
class Committer {
  public:
    void operator()(Queue::Group& group) {
        if (delay.count() != 0) std::this_thread::sleep_for(delay);
        CHECK(!std::exchange(busy_, true));  // never two at once
        ++groups;
        for (Write* write : group.writes()) {
            order.push_back(write->value);
            if (write->value < 0) {
                write->outcome = errc::conflict;
            } else {
                write->outcome = static_cast<int>(order.size());
            }
        }
        busy_ = false;
    }
    Queue::CommitGroup handle() {
        return [this](Queue::Group& group) { (*this)(group); };
    }

    std::chrono::milliseconds delay{0};
    std::vector<int> order;
    int groups = 0;

  private:
    bool busy_ = false;
};

/// An application's threads.
class Workers {
  public:
    explicit Workers(int number) {
        for (int i = 0; i < number; ++i) threads_.emplace_back([this] { work(); });
    }
    ~Workers() {
        {
            const std::lock_guard guard(mutex_);
            ended_ = true;
        }
        woken_.notify_all();
        for (auto& thread : threads_) thread.join();
    }
    void run(std::function<void()> task) {
        {
            const std::lock_guard guard(mutex_);
            tasks_.push_back(std::move(task));
        }
        woken_.notify_one();
    }

  private:
    void work() {
        std::unique_lock lock(mutex_);
        for (;;) {
            woken_.wait(lock, [this] { return ended_ || !tasks_.empty(); });
            if (tasks_.empty()) return;
            const auto task = std::move(tasks_.front());
            tasks_.pop_front();
            lock.unlock();
            task();
            lock.lock();
        }
    }

    std::mutex mutex_;
    std::condition_variable woken_;
    std::deque<std::function<void()>> tasks_;
    bool ended_ = false;
    std::vector<std::jthread> threads_;
};

void wait_for(const std::atomic<int>& number, int expected) {
    for (int i = 0; i < 10'000 && number != expected; ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds{1});
    }
    REQUIRE(number == expected);
}

}  // namespace

TEST_CASE("commit queue: one caller after the other: a group each, and each its own outcome") {
    Committer committer;
    Queue queue(committer.handle(), 10);
    CHECK(queue.commit({.value = 7}).value() == 1);
    CHECK(queue.commit({.value = -1}).error() == errc::conflict);
    CHECK(queue.commit({.value = 8}).value() == 3);
    CHECK(committer.groups == 3);
}

TEST_CASE("commit queue: many threads: they share commits, each in its own order") {
    constexpr int threads = 16;
    constexpr int each = 50;
    Committer committer;
    committer.delay = std::chrono::milliseconds{1};
    Queue queue(committer.handle(), threads);
    std::atomic<int> wrong = 0;
    {
        std::vector<std::jthread> running;
        for (int t = 0; t < threads; ++t) {
            running.emplace_back([&, t] {
                int last = 0;
                for (int i = 0; i < each; ++i) {
                    const auto outcome = queue.commit({.value = t * each + i});
                    if (!outcome || *outcome <= last) ++wrong;
                    last = outcome.value_or(0);
                }
            });
        }
    }
    CHECK(wrong == 0);
    REQUIRE(committer.order.size() == threads * each);
    CHECK(committer.groups < threads * each / 2);
    auto sorted = committer.order;
    std::ranges::sort(sorted);
    for (int i = 0; i < threads * each; ++i) CHECK(sorted[static_cast<std::size_t>(i)] == i);
}

TEST_CASE("commit queue: those who come while one commits: next, in the order of arrival") {
    Workers workers(1);
    std::binary_semaphore begun{0};
    std::binary_semaphore go_on{0};
    std::vector<std::vector<int>> groups;
    Queue queue(
        [&](Queue::Group& group) {
            std::vector<int> values;
            for (Write* write : group.writes()) {
                values.push_back(write->value);
                write->outcome = 0;
            }
            groups.push_back(values);
            if (groups.size() == 1) {
                begun.release();
                go_on.acquire();
            }
        },
        10);
    std::atomic<int> done = 0;
    const auto enter = [&](int value) {
        queue.commit_async(
            {.value = value},
            [&](std::function<void()> task) { workers.run(std::move(task)); },
            [&](Result<int>) { ++done; });
    };
    enter(1);
    begun.acquire();
    for (int i = 2; i <= 6; ++i) enter(i);
    go_on.release();
    wait_for(done, 6);
    CHECK(groups == std::vector<std::vector<int>>{{1}, {2, 3, 4, 5, 6}});
}

TEST_CASE("commit queue: those who come while a group is gathered: let in until it is large") {
    constexpr auto limit = static_cast<int>(Queue::growth_limit);
    Workers workers(1);
    std::vector<std::size_t> groups;
    std::atomic<int> done = 0;
    std::function<void(int)> enter;
    Queue queue(
        [&](Queue::Group& group) {
            std::size_t decided = 0;
            for (; decided < group.writes().size() || group.grow(); ++decided) {
                Write& write = *group.writes()[decided];
                write.outcome = write.value;
                if (write.value < limit) enter(write.value + 1);  // comes while this one is decided
            }
            groups.push_back(decided);
        },
        10);
    enter = [&](int value) {
        queue.commit_async(
            {.value = value},
            [&](std::function<void()> task) { workers.run(std::move(task)); },
            [&, value](Result<int> outcome) {
                CHECK(outcome.value() == value);
                ++done;
            });
    };
    enter(0);
    wait_for(done, limit + 1);
    CHECK(groups == std::vector<std::size_t>{Queue::growth_limit, 1});
}

TEST_CASE("commit queue: more wait than may: those are overloaded, and the others served") {
    Workers workers(1);
    std::binary_semaphore begun{0};
    std::binary_semaphore go_on{0};
    bool first = true;
    Queue queue(
        [&](Queue::Group& group) {
            for (Write* write : group.writes()) write->outcome = write->value;
            if (std::exchange(first, false)) {
                begun.release();
                go_on.acquire();
            }
        },
        2);
    std::atomic<int> done = 0;
    std::atomic<int> refused = 0;
    const auto enter = [&](int value) {
        queue.commit_async(
            {.value = value},
            [&](std::function<void()> task) { workers.run(std::move(task)); },
            [&](Result<int> outcome) {
                if (!outcome) {
                    CHECK(outcome.error() == errc::overloaded);
                    ++refused;
                }
                ++done;
            });
    };
    enter(1);
    begun.acquire();
    for (int i = 2; i <= 5; ++i) enter(i);
    CHECK(refused == 2);
    CHECK(queue.commit({.value = 9}).error() == errc::overloaded);
    go_on.release();
    wait_for(done, 5);
    CHECK(refused == 2);
    CHECK(queue.commit({.value = 9}).value() == 9);
}

TEST_CASE("commit queue: asynchronous and waiting callers together: every handler once") {
    constexpr int each = 200;
    Workers workers(3);
    Committer committer;
    Queue queue(committer.handle(), 10'000);
    std::vector<std::atomic<int>> called(2 * each);
    std::atomic<int> done = 0;
    {
        std::vector<std::jthread> running;
        for (int t = 0; t < 2; ++t) {
            running.emplace_back([&, t] {
                for (int i = 0; i < each; ++i) {
                    queue.commit_async(
                        {.value = i},
                        [&](std::function<void()> task) { workers.run(std::move(task)); },
                        [&, place = static_cast<std::size_t>(t * each + i)](Result<int> outcome) {
                            CHECK(outcome);
                            ++called[place];
                            ++done;
                        });
                }
            });
            running.emplace_back([&] {
                for (int i = 0; i < each; ++i) {
                    if (queue.commit({.value = i})) ++done;
                }
            });
        }
    }
    wait_for(done, 4 * each);
    CHECK(committer.order.size() == 4 * each);
    for (const auto& number : called) CHECK(number == 1);
}

TEST_CASE("commit queue: tasks that run at once, handlers that write again: no deep stack") {
    constexpr int number = 20'000;
    int done = 0;
    Queue queue(
        [](Queue::Group& group) {
            for (Write* write : group.writes()) write->outcome = 0;
        },
        10);
    int deepest = 0;
    int depth = 0;
    const Queue::RunBlocking at_once = [&](const std::function<void()>& task) {
        deepest = std::max(deepest, ++depth);
        task();
        --depth;
    };
    std::function<void()> again = [&] {
        queue.commit_async({}, at_once, [&](Result<int> outcome) {
            CHECK(outcome);
            if (++done < number) again();
        });
    };
    again();
    CHECK(done == number);
    CHECK(deepest <= 2);
}

TEST_CASE("commit queue: a caller behind others whose task never begins: leads by itself") {
    std::binary_semaphore begun{0};
    std::binary_semaphore go_on{0};
    bool first = true;
    Queue queue(
        [&](Queue::Group& group) {
            for (Write* write : group.writes()) write->outcome = write->value;
            if (std::exchange(first, false)) {
                begun.release();
                go_on.acquire();
            }
        },
        10);
    std::jthread leader([&] { CHECK(queue.commit({.value = 1}).value() == 1); });
    begun.acquire();
    int told = 0;
    queue.commit_async(
        {.value = 2},
        [](const std::function<void()>&) {},
        [&](Result<int> outcome) {
            CHECK(outcome.value() == 2);
            ++told;
        });
    std::jthread waits([&] { CHECK(queue.commit({.value = 3}).value() == 3); });
    std::this_thread::sleep_for(std::chrono::milliseconds{20});
    go_on.release();
    waits.join();
    CHECK(told == 1);
}

TEST_CASE("commit queue: callers who are back at once share a group again") {
    constexpr int threads = 8;
    constexpr int each = 100;
    std::vector<std::size_t> sizes;
    Queue queue(
        [&](Queue::Group& group) {
            std::size_t decided = 0;
            for (; decided < group.writes().size() || group.grow(); ++decided) {
                group.writes()[decided]->outcome = 0;
            }
            sizes.push_back(decided);
            std::this_thread::sleep_for(std::chrono::microseconds{500});  // the disk
        },
        threads);
    {
        std::vector<std::jthread> running;
        for (int t = 0; t < threads; ++t) {
            running.emplace_back([&] {
                for (int i = 0; i < each; ++i) CHECK(queue.commit({}).has_value());
            });
        }
    }
    CHECK(sizes.size() < 4 * each);  // alone each would be in one of 800
}
