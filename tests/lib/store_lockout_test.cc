#include <string>

#include <doctest/doctest.h>

#include "support/faulty_vfs.h"
#include "support/store_fixture.h"

using namespace countersign;
using namespace countersign::testing;
using namespace std::chrono_literals;

namespace {

LockoutStatus shown(Store& store, UserId user) {
    const auto status = store.lockout().show(user);
    if (!status) FAIL(status.error().message());
    return *status;
}

}  // namespace

TEST_CASE("store: lockout shown: what counts, since when, by which node") {
    StorePlace place;
    auto store = place.create();
    const auto alice = add_user(store, "alice");
    auto lockout = shown(store, alice);
    CHECK_FALSE(lockout.password.locked);
    CHECK(lockout.password.failures == 0);
    CHECK(lockout.password.share == 100);
    CHECK(lockout.password.share_used == 0);
    CHECK(lockout.password.nodes.empty());
    CHECK(lockout.codes.failures == 0);
    CHECK(lockout.codes.share == 0);  // no codes are wanted

    add_authenticator(store, *place.environment, alice);
    for (int i = 0; i < 2; ++i) sign_in(store, "alice", good_password, "000000");
    for (int i = 0; i < 10; ++i) sign_in(store, "alice", "wrong");
    place.environment->pass(10s);
    lockout = shown(store, alice);
    CHECK(lockout.password.locked);
    CHECK(lockout.password.retry_after == 20s);
    CHECK(lockout.password.failures == 10);
    CHECK(lockout.password.share_used == 10);
    REQUIRE(lockout.password.nodes.size() == 1);
    CHECK(lockout.password.nodes[0].node == store.status()->node);
    CHECK(lockout.password.nodes[0].failures == 10);
    CHECK_FALSE(lockout.codes.locked);
    CHECK(lockout.codes.failures == 2);
    CHECK(lockout.codes.share == 100);
    place.environment->pass(20s);
    CHECK_FALSE(shown(store, alice).password.locked);
    CHECK(shown(store, alice).password.failures == 10);
}

TEST_CASE("store: an operator unlocks: password and codes at once, and it writes no batch") {
    StorePlace place;
    auto store = place.create();
    const auto alice = add_user(store, "alice");
    const auto bob = add_user(store, "bob");
    const auto authenticator = add_authenticator(store, *place.environment, alice);
    place.environment->pass(30s);
    for (int i = 0; i < 10; ++i) sign_in(store, "alice", good_password, "000000");
    for (int i = 0; i < 10; ++i) sign_in(store, "alice", "wrong");
    for (int i = 0; i < 3; ++i) sign_in(store, "bob", "wrong");
    const auto before = state_of(store);
    REQUIRE(store.lockout().clear(alice));
    CHECK(shown(store, alice).password.failures == 0);
    CHECK(shown(store, alice).codes.failures == 0);
    CHECK(shown(store, bob).password.failures == 3);
    CHECK(state_of(store) == before);
    const auto code = code_at(authenticator.uri, place.environment->wall());
    CHECK(sign_in(store, "alice", good_password, code).verdict == Verdict::accepted);
    CHECK(sign_in(store, "alice", "wrong").tries_left == 9);
    REQUIRE(store.lockout().clear(bob));
    REQUIRE(store.lockout().clear(bob));  // nothing left to clear
}

TEST_CASE("store: lockout of a user in no way known: not_found") {
    StorePlace place;
    auto store = place.create();
    const auto alice = add_user(store, "alice");
    REQUIRE(store.users().erase(alice));
    for (const auto id : {UserId{}, alice}) {
        const auto lockout = store.lockout().show(id);
        REQUIRE_FALSE(lockout);
        CHECK(lockout.error() == errc::not_found);
        const auto cleared = store.lockout().clear(id);
        REQUIRE_FALSE(cleared);
        CHECK(cleared.error() == errc::not_found);
    }
}

TEST_CASE("store: a restart: failures stay, a lock that ran begins again from the start") {
    StorePlace place;
    UserId alice;
    UserId bob;
    {
        auto store = place.create();
        alice = add_user(store, "alice");
        bob = add_user(store, "bob");
        for (int i = 0; i < 10; ++i) sign_in(store, "alice", "wrong");
        for (int i = 0; i < 10; ++i) sign_in(store, "bob", "wrong");
        REQUIRE(store.lockout().clear(bob));
        place.environment->pass(20s);
    }
    place.environment->pass(24h);
    auto store = place.open();
    CHECK(shown(store, alice).password.failures == 10);
    CHECK(shown(store, alice).password.retry_after == 30s);
    CHECK(shown(store, bob).password.failures == 0);
    CHECK(sign_in(store, "alice").retry_after == 30s);
    CHECK(sign_in(store, "bob").verdict == Verdict::accepted);
    place.environment->pass(30s);
    CHECK(sign_in(store, "alice").verdict == Verdict::accepted);
}

TEST_CASE("store: an unlock that cannot be written: an error, and still locked") {
    FaultyVfs vfs;
    StorePlace place;
    place.environment->set_vfs(vfs.name());
    auto store = place.create();
    const auto alice = add_user(store, "alice");
    for (int i = 0; i < 10; ++i) sign_in(store, "alice", "wrong");
    vfs.plan({.calls = io_write, .code = 13, .system_errno = ENOSPC});
    const auto cleared = store.lockout().clear(alice);
    REQUIRE_FALSE(cleared);
    CHECK(cleared.error() == errc::disk_full);
    vfs.heal();
    CHECK(shown(store, alice).password.failures == 10);
    CHECK(sign_in(store, "alice").verdict == Verdict::locked);
    REQUIRE(store.lockout().clear(alice));
    CHECK(sign_in(store, "alice").verdict == Verdict::accepted);
}

TEST_CASE("store: one user's failures cleared 21 times within a day: an event, once") {
    StorePlace place;
    auto store = place.create();
    const auto alice = add_user(store, "alice");
    for (int i = 0; i < 20; ++i) {
        sign_in(store, "alice", "wrong");
        if (i % 2 == 0) {
            CHECK(sign_in(store, "alice").verdict == Verdict::accepted);
        } else {
            REQUIRE(store.lockout().clear(alice));
        }
        sign_in(store, "alice");  // clears nothing
    }
    CHECK_FALSE(place.events.heard(Event::Kind::many_clears));
    for (int i = 0; i < 5; ++i) {
        sign_in(store, "alice", "wrong");
        sign_in(store, "alice");
    }
    CHECK(place.events.count(Event::Kind::many_clears) == 1);
    const auto detail = place.events.detail_of(Event::Kind::many_clears);
    CHECK(detail.find(to_string(alice)) != std::string::npos);
    CHECK(detail.find("alice") == std::string::npos);
}

TEST_CASE("store: housekeeping: rows that say nothing any more go, failures stay") {
    StorePlace place;
    auto store = place.create();
    const auto alice = add_user(store, "alice");
    add_user(store, "bob");
    sign_in(store, "alice", "wrong");
    sign_in(store, "bob", "wrong");
    sign_in(store, "bob");
    CHECK(place.ask("SELECT count(*) FROM tally") == 2);
    place.environment->pass(1min);
    store.run_due();
    CHECK(place.ask("SELECT count(*) FROM tally") == 1);
    CHECK(shown(store, alice).password.failures == 1);
    CHECK(sign_in(store, "bob", "wrong").tries_left == 9);
}

TEST_CASE("store: a process for each attempt, on one run of the machine: the lock runs out") {
    StorePlace place;
    place.environment->set_boot_id("one");
    {
        auto store = place.create();
        add_user(store, "alice");
    }
    const auto attempt = [&](std::string_view password) {
        auto store = place.open();
        return sign_in(store, "alice", password);
    };
    for (int i = 0; i < 10; ++i) {
        CHECK(attempt("guess " + std::to_string(i)).verdict == Verdict::refused);
    }
    place.environment->pass(std::chrono::seconds{20});
    const auto locked = attempt(good_password);
    CHECK(locked.verdict == Verdict::locked);
    REQUIRE(locked.retry_after);
    CHECK(*locked.retry_after == std::chrono::seconds{10});
    place.environment->pass(std::chrono::seconds{11});
    SUBCASE("and then a right password is taken") {
        CHECK(attempt(good_password).verdict == Verdict::accepted);
    }
    SUBCASE("and after a restart of the machine it begins again") {
        place.environment->set_boot_id("two");
        CHECK(attempt(good_password).verdict == Verdict::locked);
        place.environment->pass(std::chrono::seconds{31});
        CHECK(attempt(good_password).verdict == Verdict::accepted);
    }
}
