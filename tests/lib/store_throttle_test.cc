#include <chrono>
#include <string>

#include <doctest/doctest.h>

#include "support/faulty_vfs.h"
#include "support/store_fixture.h"

using namespace countersign;
using namespace countersign::testing;
using namespace std::chrono_literals;

namespace {

void fail(Store& store, int times, std::string login = "alice") {
    for (int i = 0; i < times; ++i) {
        const auto result = sign_in(store, login, "wrong");
        REQUIRE(result.verdict == Verdict::refused);
    }
}

}  // namespace

TEST_CASE("store: failures past the limit: each locks for twice as long, up to the cap") {
    StorePlace place;
    auto store = place.create();
    const auto alice = add_user(store, "alice");
    fail(store, 10);
    const std::chrono::seconds locks[] = {
        30s, 60s, 120s, 240s, 480s, 960s, 1920s, 3600s, 3600s, 3600s};
    std::uint64_t failures = 10;
    for (const auto lock : locks) {
        CAPTURE(lock.count());
        const auto before = store.lockout().show(alice);
        CHECK(before->password.locked);
        CHECK(before->password.retry_after == lock);
        CHECK(sign_in(store, "alice", "wrong").retry_after == lock);
        place.environment->pass(lock - 1ms);
        // Nothing is tried while locked: neither counted nor, being right, accepted.
        const auto right = sign_in(store, "alice");
        CHECK(right.verdict == Verdict::locked);
        CHECK(right.retry_after == 1ms);
        CHECK(right.user == UserId{});
        CHECK(store.lockout().show(alice)->password.failures == failures);
        place.environment->pass(1ms);
        CHECK_FALSE(store.lockout().show(alice)->password.locked);
        const auto next = sign_in(store, "alice", "wrong");
        CHECK(next.verdict == Verdict::refused);
        CHECK(next.tries_left == 0);
        CHECK(store.lockout().show(alice)->password.failures == ++failures);
    }
    place.environment->pass(3600s);
    CHECK(sign_in(store, "alice").verdict == Verdict::accepted);
    CHECK(sign_in(store, "alice", "wrong").tries_left == 9);
}

TEST_CASE("store: the pool's own figures of the throttle: they hold, for passwords and for codes") {
    StorePlace place;
    place.options.pool.password_throttle = {
        .max_failures = 2, .lock_for = 5s, .backoff = 3, .lock_cap = 20s};
    place.options.pool.code_throttle = {
        .max_failures = 1, .lock_for = 7s, .backoff = 1, .lock_cap = 7s};
    auto store = place.create();
    const auto alice = add_user(store, "alice");
    add_authenticator(store, *place.environment, alice);
    fail(store, 2);
    for (const auto lock : {5s, 15s, 20s, 20s}) {
        CHECK(sign_in(store, "alice", "wrong").retry_after == lock);
        place.environment->pass(lock);
        fail(store, 1);
    }
    place.environment->pass(20s);
    for (int i = 0; i < 3; ++i) {
        CHECK(sign_in(store, "alice", good_password, "000000").verdict == Verdict::refused);
        CHECK(sign_in(store, "alice", good_password, "000000").retry_after == 7s);
        place.environment->pass(7s);
    }
}

TEST_CASE("store: years without an attempt: failures do not decay") {
    StorePlace place;
    auto store = place.create();
    const auto alice = add_user(store, "alice");
    fail(store, 9);
    for (int i = 0; i < 3; ++i) {
        place.environment->pass(365 * 24h);
        store.run_due();
    }
    CHECK(store.lockout().show(alice)->password.failures == 9);
    CHECK(sign_in(store, "alice", "wrong").tries_left == 0);
    CHECK(sign_in(store, "alice").verdict == Verdict::locked);
}

TEST_CASE("store: the wall clock is set while a lock runs: it neither ends nor lengthens it") {
    StorePlace place;
    auto store = place.create();
    add_user(store, "alice");
    fail(store, 10);
    place.environment->set_wall(place.environment->wall() + 24h);
    CHECK(sign_in(store, "alice").retry_after == 30s);
    place.environment->set_wall(place.environment->wall() - 48h);
    CHECK(sign_in(store, "alice").retry_after == 30s);
    place.environment->pass(30s);
    CHECK(sign_in(store, "alice").verdict == Verdict::accepted);
}

TEST_CASE("store: the guess budget is used up: locked for good, without a time to wait for") {
    StorePlace place;
    place.options.pool.guess_budget = 12;
    place.options.pool.password_throttle.lock_for = 0ms;
    auto store = place.create();
    const auto alice = add_user(store, "alice");
    for (std::uint32_t i = 1; i <= 12; ++i) {
        CHECK(sign_in(store, "alice", "wrong").tries_left == (i < 10 ? 10 - i : 0));
    }
    for (int i = 0; i < 2; ++i) {
        const auto locked = sign_in(store, "alice");
        CHECK(locked.verdict == Verdict::locked);
        CHECK_FALSE(locked.retry_after);
        place.environment->pass(24h);
        store.run_due();
    }
    const auto lockout = store.lockout().show(alice);
    CHECK(lockout->password.locked);
    CHECK_FALSE(lockout->password.retry_after);
    CHECK(lockout->password.failures == 12);
    CHECK(lockout->password.share == 12);
    CHECK(lockout->password.share_used == 12);
    SUBCASE("an unlock ends it") {
        REQUIRE(store.lockout().clear(alice));
        CHECK(sign_in(store, "alice").verdict == Verdict::accepted);
    }
    SUBCASE("a changed password ends it") {
        REQUIRE(store.users().set_password(alice, Secret("a better one")));
        CHECK(sign_in(store, "alice", "a better one").verdict == Verdict::accepted);
    }
    SUBCASE("a restart does not") {
        {
            const auto closed = std::move(store);
        }
        auto again = place.open();
        const auto locked = sign_in(again, "alice");
        CHECK(locked.verdict == Verdict::locked);
        CHECK_FALSE(locked.retry_after);
    }
}

TEST_CASE("store: the budget and a success between: guesses are counted anew from there") {
    StorePlace place;
    place.options.pool.guess_budget = 10;
    place.options.pool.password_throttle.lock_for = 0ms;
    auto store = place.create();
    add_user(store, "alice");
    for (int i = 0; i < 3; ++i) {
        fail(store, 9);
        CHECK(sign_in(store, "alice").verdict == Verdict::accepted);
    }
    fail(store, 10);
    CHECK(sign_in(store, "alice").verdict == Verdict::locked);
}

TEST_CASE("store: wrong codes use up their own budget: removing the authenticator ends it") {
    StorePlace place;
    place.options.pool.guess_budget = 10;
    place.options.pool.code_throttle.lock_for = 0ms;
    auto store = place.create();
    const auto alice = add_user(store, "alice");
    const auto authenticator = add_authenticator(store, *place.environment, alice);
    for (int i = 0; i < 10; ++i) {
        CHECK(sign_in(store, "alice", good_password, "000000").verdict == Verdict::refused);
    }
    place.environment->pass(24h);
    const auto code = code_at(authenticator.uri, place.environment->wall());
    const auto locked = sign_in(store, "alice", good_password, code);
    CHECK(locked.verdict == Verdict::locked);
    CHECK_FALSE(locked.retry_after);
    CHECK(sign_in(store, "alice").verdict == Verdict::code_required);
    REQUIRE(store.users().remove_totp(alice, authenticator.id));
    CHECK(sign_in(store, "alice").verdict == Verdict::accepted);
}

TEST_CASE("store: a failure is answered and the machine dies: the failure is still counted") {
    StorePlace place;
    UserId alice;
    {
        FaultyVfs vfs;
        place.environment->set_vfs(vfs.name());
        auto store = place.create();
        alice = add_user(store, "alice");
        fail(store, 4);
        fail(store, 2, "nobody");
        vfs.crash();
        place.environment->refuse_to_write("marker", errc::io_error);
    }
    place.environment->set_vfs({});
    place.environment->allow_all_writes();
    auto store = place.open();
    CHECK(place.events.heard(Event::Kind::unclean_end));
    CHECK_FALSE(place.events.heard(Event::Kind::new_incarnation));
    CHECK(store.lockout().show(alice)->password.failures == 4);
    CHECK(sign_in(store, "nobody", "wrong").tries_left == 7);
}

TEST_CASE("store: the disk dies at any point of an attempt: what was answered was counted") {
    int answered = 0;
    int unanswered = 0;
    for (int nth = 1; nth <= 12; ++nth) {
        CAPTURE(nth);
        StorePlace place;
        UserId alice;
        bool has_answer = false;
        {
            FaultyVfs vfs;
            place.environment->set_vfs(vfs.name());
            auto store = place.create();
            alice = add_user(store, "alice");
            vfs.plan({.calls = io_write | io_sync | io_truncate,
                      .nth = nth,
                      .code = 10,
                      .for_good = true});
            SignIn attempt{.login = "alice", .password = Secret("wrong")};
            const auto result = store.authenticate(std::move(attempt));
            has_answer = result.has_value();
            if (has_answer) CHECK(result->verdict == Verdict::refused);
            CHECK(place.events.heard(Event::Kind::attempt_refused) != has_answer);
            vfs.crash();
            place.environment->refuse_to_write("marker", errc::io_error);
        }
        place.environment->set_vfs({});
        place.environment->allow_all_writes();
        auto store = place.open();
        const auto failures = store.lockout().show(alice)->password.failures;
        if (has_answer) CHECK(failures == 1);
        CHECK(failures <= 1);
        has_answer ? ++answered : ++unanswered;
    }
    CHECK(answered > 0);
    CHECK(unanswered > 0);
}
