#include <atomic>
#include <functional>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include "support/manual_tasks.h"
#include "support/store_fixture.h"

using namespace countersign;
using namespace countersign::testing;
using namespace std::chrono_literals;

namespace {

using Answers = std::vector<Result<SignInResult>>;

SignIn attempt_of(std::string login, std::string_view password, std::string code = {}) {
    SignIn attempt;
    attempt.login = std::move(login);
    attempt.password = Secret(password);
    attempt.code = std::move(code);
    return attempt;
}

/// One attempt in each of so many threads, all at once.
Answers at_once(Store& store, int threads, const std::function<SignIn(int)>& attempt) {
    Answers answers;
    std::mutex mutex;
    std::atomic<bool> go = false;
    {
        std::vector<std::jthread> running;
        for (int i = 0; i < threads; ++i) {
            running.emplace_back([&, i] {
                auto mine = attempt(i);
                go.wait(false);
                auto answer = store.authenticate(std::move(mine));
                const std::lock_guard guard(mutex);
                answers.push_back(std::move(answer));
            });
        }
        go = true;
        go.notify_all();
    }
    return answers;
}

int count(const Answers& answers, Verdict verdict) {
    int number = 0;
    for (const auto& answer : answers) number += answer && answer->verdict == verdict;
    return number;
}

int count(const Answers& answers, errc code) {
    int number = 0;
    for (const auto& answer : answers) number += !answer && answer.error() == code;
    return number;
}

/// A store whose handlers run when the test says so.
struct TaskedPlace : StorePlace {
    TaskedPlace() { options.run_blocking = tasks.run_blocking(); }

    void start(Store& store, SignIn attempt) {
        store.authenticate(std::move(attempt), [this](Result<SignInResult> answer) {
            answers.push_back(std::move(answer));
        });
    }

    /// A wrong guess for alice that was verified, and whose failure waits for its commit.
    void hold_one_guess(Store& store) {
        start(store, attempt_of("alice", "wrong"));
        tasks.run_newest();
        REQUIRE(tasks.waiting() == 1);
    }

    void run_until(const std::stop_token& stop) {
        while (!stop.stop_requested()) {
            if (!tasks.run_one()) std::this_thread::yield();
        }
    }

    ManualTasks tasks;
    Answers answers;
};

}  // namespace

TEST_CASE("store: 32 wrong guesses at once: no more are tried than one after the other") {
    StorePlace place;
    auto store = place.create();
    const auto alice = add_user(store, "alice");
    const auto answers =
        at_once(store, 32, [](int i) { return attempt_of("alice", "wrong " + std::to_string(i)); });
    CHECK(count(answers, Verdict::refused) == 10);
    CHECK(count(answers, Verdict::locked) == 22);
    CHECK(store.lockout().show(alice)->password.failures == 10);
}

TEST_CASE("store: 32 wrong guesses at once without a throttle: the budget bounds them") {
    StorePlace place;
    place.options.pool.password_throttle.lock_for = 0ms;
    place.options.pool.guess_budget = 13;
    auto store = place.create();
    const auto alice = add_user(store, "alice");
    const auto answers =
        at_once(store, 32, [](int i) { return attempt_of(i % 2 ? "alice" : "nobody", "wrong"); });
    CHECK(count(answers, Verdict::refused) == 26);
    CHECK(count(answers, Verdict::locked) == 6);
    for (const auto& answer : answers) {
        if (answer->verdict == Verdict::locked) CHECK_FALSE(answer->retry_after);
    }
    CHECK(store.lockout().show(alice)->password.failures == 13);
}

TEST_CASE("store: 24 right sign-ins at once, one try being left: nobody is locked out") {
    StorePlace place;
    auto store = place.create();
    add_user(store, "alice");
    for (int i = 0; i < 9; ++i) sign_in(store, "alice", "wrong");
    const auto answers = at_once(store, 24, [](int) { return attempt_of("alice", good_password); });
    CHECK(count(answers, Verdict::accepted) == 24);
}

TEST_CASE("store: one code from many threads at once: it is good once") {
    StorePlace place;
    auto store = place.create();
    const auto alice = add_user(store, "alice");
    const auto authenticator = add_authenticator(store, *place.environment, alice);
    place.environment->pass(30s);
    auto code = code_at(authenticator.uri, place.environment->wall());
    SUBCASE("a TOTP code") {}
    SUBCASE("a recovery code") {
        code = std::string(store.users().make_recovery_codes(alice)->front().text());
    }
    const auto answers =
        at_once(store, 8, [&](int) { return attempt_of("alice", good_password, code); });
    CHECK(count(answers, Verdict::accepted) == 1);
    CHECK(count(answers, Verdict::refused) == 7);
}

TEST_CASE("store: a challenge from many threads at once: it is good once") {
    StorePlace place;
    auto store = place.create();
    const auto alice = add_user(store, "alice");
    const auto first = add_authenticator(store, *place.environment, alice);
    const auto codes = store.users().make_recovery_codes(alice);
    REQUIRE(codes);
    const auto asked = sign_in(store, "alice");
    REQUIRE(asked.verdict == Verdict::code_required);
    const auto answers = at_once(store, 8, [&](int i) {
        SignIn attempt;
        attempt.challenge = asked.challenge;
        attempt.code = codes->at(static_cast<std::size_t>(i)).text();
        return attempt;
    });
    CHECK(count(answers, Verdict::accepted) == 1);
    CHECK(count(answers, Verdict::refused) == 7);
    // The seven recovery codes behind the others are still good.
    CHECK(place.ask("SELECT count(*) FROM spent") == 3);  // the confirmation, the challenge, one
}

TEST_CASE("store: a handler without run_blocking: called before the call returns") {
    StorePlace place;
    auto store = place.create();
    add_user(store, "alice");
    int called = 0;
    store.authenticate(attempt_of("alice", good_password), [&](Result<SignInResult> answer) {
        REQUIRE(answer);
        CHECK(answer->verdict == Verdict::accepted);
        ++called;
    });
    CHECK(called == 1);
}

TEST_CASE("store: attempts with handlers: all work is in tasks, each is answered once") {
    TaskedPlace place;
    auto store = place.create();
    const auto alice = add_user(store, "alice");
    for (int i = 0; i < 20; ++i) place.start(store, attempt_of("alice", "wrong"));
    CHECK(place.answers.empty());
    CHECK(place.tasks.waiting() == 20);
    place.tasks.run_all();
    REQUIRE(place.answers.size() == 20);
    CHECK(count(place.answers, Verdict::refused) == 10);
    CHECK(count(place.answers, Verdict::locked) == 10);
    CHECK(store.lockout().show(alice)->password.failures == 10);
    place.environment->pass(30s);
    place.start(store, attempt_of("alice", good_password));
    place.tasks.run_all();
    CHECK(place.answers.back()->verdict == Verdict::accepted);
}

TEST_CASE("store: an attempt waits for another's outcome beyond its deadline: timed_out") {
    TaskedPlace place;
    auto store = place.create();
    const auto alice = add_user(store, "alice");
    for (int i = 0; i < 9; ++i) sign_in(store, "alice", "wrong");
    place.hold_one_guess(store);
    auto impatient = attempt_of("alice", good_password);
    impatient.patience = 50ms;
    place.start(store, std::move(impatient));
    place.tasks.run_newest();
    place.start(store, attempt_of("alice", good_password));
    place.tasks.run_newest();
    // On the caller's own thread, without patience: it does not even begin to wait.
    auto at_once = attempt_of("alice", good_password);
    at_once.patience = 0ms;
    const auto refused = store.authenticate(std::move(at_once));
    REQUIRE_FALSE(refused);
    CHECK(refused.error() == errc::timed_out);
    CHECK(place.answers.empty());

    CHECK(store.run_due() <= place.environment->now().monotonic + 50ms);
    place.environment->pass(50ms);
    store.run_due();
    place.tasks.run_newest();
    CHECK(count(place.answers, errc::timed_out) == 1);
    CHECK(store.lockout().show(alice)->password.failures == 9);
    place.tasks.run_all();
    CHECK(count(place.answers, Verdict::refused) == 1);
    CHECK(count(place.answers, Verdict::locked) == 1);
    CHECK(store.lockout().show(alice)->password.failures == 10);
}

TEST_CASE("store: the one guess that is left turns out right: those that waited for it go on") {
    TaskedPlace place;
    auto store = place.create();
    const auto alice = add_user(store, "alice");
    for (int i = 0; i < 9; ++i) sign_in(store, "alice", "wrong");
    place.start(store, attempt_of("alice", good_password));
    place.tasks.run_one();
    place.start(store, attempt_of("alice", good_password));
    place.tasks.run_newest();
    place.start(store, attempt_of("alice", "wrong"));
    place.tasks.run_newest();
    CHECK(place.answers.empty());
    place.tasks.run_all();
    CHECK(count(place.answers, Verdict::accepted) == 2);
    CHECK(count(place.answers, Verdict::refused) == 1);
    CHECK(store.lockout().show(alice)->password.failures <= 1);
}

TEST_CASE("store: an unlock while attempts wait for the last guess: they go on") {
    TaskedPlace place;
    auto store = place.create();
    const auto alice = add_user(store, "alice");
    for (int i = 0; i < 9; ++i) sign_in(store, "alice", "wrong");
    place.hold_one_guess(store);
    place.start(store, attempt_of("alice", good_password));
    place.tasks.run_newest();
    REQUIRE(store.lockout().clear(alice));  // its commit takes the held guess along
    place.tasks.run_all();
    CHECK(count(place.answers, Verdict::refused) == 1);
    CHECK(count(place.answers, Verdict::accepted) == 1);
}

TEST_CASE("store: too many wait for one user: overloaded at once, nothing counted") {
    TaskedPlace place;
    auto store = place.create();
    const auto alice = add_user(store, "alice");
    for (int i = 0; i < 9; ++i) sign_in(store, "alice", "wrong");
    place.hold_one_guess(store);
    for (int i = 0; i < 1025; ++i) {
        place.start(store, attempt_of("alice", "wrong"));
        place.tasks.run_newest();
    }
    CHECK(count(place.answers, errc::overloaded) == 1);
    // Others are not concerned.
    CHECK(sign_in(store, "bob").verdict == Verdict::refused);
    place.tasks.run_all();
    CHECK(count(place.answers, Verdict::refused) == 1);
    CHECK(count(place.answers, Verdict::locked) == 1024);
    CHECK(store.lockout().show(alice)->password.failures == 10);
}

TEST_CASE("store: the commit queue is full: overloaded, nothing counted, and that is told") {
    TaskedPlace place;
    place.options.commit_queue = 1;
    auto store = place.create();
    const auto alice = add_user(store, "alice");
    const auto bob = add_user(store, "bob");
    place.hold_one_guess(store);
    place.start(store, attempt_of("bob", "wrong"));
    place.tasks.run_newest();
    place.tasks.run_newest();
    CHECK(count(place.answers, errc::overloaded) == 1);
    CHECK(place.events.count(Event::Kind::attempt_refused) == 1);
    CHECK(store.lockout().show(bob)->password.failures == 0);
    place.tasks.run_all();
    CHECK(store.lockout().show(alice)->password.failures == 1);
    CHECK(sign_in(store, "bob", "wrong").tries_left == 9);
}

TEST_CASE("store: memory for one hash, a queue of one: one more is overloaded, nothing counted") {
    StorePlace place;
    place.options.pool.hash_memory_kib = 4096;
    place.options.pool.hash_passes = 10;
    place.options.hashing_memory = 4 << 20;
    place.options.hashing_queue = 1;
    place.options.hashing_queue_per_source = 1;
    auto store = place.create();
    const auto alice = add_user(store, "alice");
    bool overloaded = false;
    std::uint64_t refused = 0;
    for (int round = 0; round < 50 && !overloaded; ++round) {
        REQUIRE(store.lockout().clear(alice));
        const auto answers = at_once(store, 6, [](int) { return attempt_of("alice", "wrong"); });
        refused = static_cast<std::uint64_t>(count(answers, Verdict::refused));
        overloaded = count(answers, errc::overloaded) > 0;
        CHECK(count(answers, errc::overloaded) + count(answers, Verdict::refused) == 6);
    }
    CHECK(overloaded);
    CHECK(store.lockout().show(alice)->password.failures == refused);
}

TEST_CASE("store: closed with attempts under way: what was tried is answered, the rest cancelled") {
    TaskedPlace place;
    UserId alice;
    {
        auto store = place.create();
        alice = add_user(store, "alice");
        for (int i = 0; i < 9; ++i) sign_in(store, "alice", "wrong");
        place.hold_one_guess(store);
        for (int i = 0; i < 3; ++i) {
            place.start(store, attempt_of("alice", good_password));
            place.tasks.run_newest();
        }
        place.start(store, attempt_of("bob", "wrong"));  // its task has not begun
        CHECK(place.tasks.waiting() == 2);
        // The application's threads are busy until those that waited have been told.
        std::jthread application([&](std::stop_token stop) {
            while (place.tasks.waiting() < 5) std::this_thread::yield();
            place.run_until(stop);
        });
        {
            const auto closing = std::move(store);
        }
    }
    REQUIRE(place.answers.size() == 5);
    CHECK(count(place.answers, Verdict::refused) == 1);
    CHECK(count(place.answers, errc::cancelled) == 4);
    auto store = place.open();
    CHECK(store.lockout().show(alice)->password.failures == 10);
    CHECK(sign_in(store, "bob", "wrong").tries_left == 9);
}

TEST_CASE("store: closed after its tasks were dropped: nobody is told, nothing hangs") {
    TaskedPlace place;
    UserId alice;
    {
        auto store = place.create();
        alice = add_user(store, "alice");
        for (int i = 0; i < 9; ++i) sign_in(store, "alice", "wrong");
        place.hold_one_guess(store);
        for (int i = 0; i < 3; ++i) {
            place.start(store, attempt_of("alice", good_password));
            if (i < 2) place.tasks.run_newest();
        }
        place.tasks.drop_all();
    }
    CHECK(place.answers.empty());
    auto store = place.open();
    // The failure was on its way to the disk already.
    CHECK(store.lockout().show(alice)->password.failures == 10);
}

TEST_CASE("store: closed while a thread waits in a call: that call ends with cancelled") {
    TaskedPlace place;
    auto store = place.create();
    add_user(store, "alice");
    for (int i = 0; i < 9; ++i) sign_in(store, "alice", "wrong");
    place.hold_one_guess(store);
    std::optional<Result<SignInResult>> answer;
    std::atomic<bool> ended = false;
    std::jthread waiting([&] {
        auto attempt = attempt_of("alice", good_password);
        attempt.patience = 59s;
        answer = store.authenticate(std::move(attempt));
        ended = true;
    });
    // Once it waits, its deadline is the next thing that falls due.
    const auto before = place.environment->now().monotonic;
    store.run_due();  // housekeeping, then not for a minute
    while (!ended && store.run_due() != before + 59s) std::this_thread::yield();
    std::jthread application([&](std::stop_token stop) {
        while (!ended) std::this_thread::yield();
        place.run_until(stop);
    });
    {
        const auto closing = std::move(store);
    }
    waiting.join();
    REQUIRE(answer);
    REQUIRE_FALSE(*answer);
    CHECK(answer->error() == errc::cancelled);
    CHECK(count(place.answers, Verdict::refused) == 1);
}
