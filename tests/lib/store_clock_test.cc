#include <string>

#include <doctest/doctest.h>

#include "support/store_fixture.h"

using namespace countersign;
using namespace countersign::testing;
using namespace std::chrono_literals;

namespace {

Result<SignInResult> try_code(Store& store, std::string code) {
    SignIn attempt{.login = "alice", .password = Secret(good_password)};
    attempt.code = std::move(code);
    return store.authenticate(std::move(attempt));
}

}  // namespace

TEST_CASE("store: the clock more than 30 s below the time floor: codes refused, and it is told") {
    StorePlace place;
    auto store = place.create();
    const auto alice = add_user(store, "alice");
    const auto authenticator = add_authenticator(store, *place.environment, alice);
    place.environment->pass(10min);
    sign_in(store, "alice", "wrong");
    const auto floor = place.environment->wall();
    place.environment->set_wall(floor - 31s);
    const auto refused = try_code(store, code_at(authenticator.uri, floor));
    REQUIRE_FALSE(refused);
    CHECK(refused.error() == errc::clock_behind);
    CHECK(refused.error().message().find("clock") != std::string::npos);
    CHECK(place.events.count(Event::Kind::clock_behind) == 1);
    CHECK(store.lockout().show(alice)->codes.failures == 0);
    const auto second = store.users().enrol_totp(alice);
    REQUIRE(second);
    const auto confirmed =
        store.users().confirm_totp(alice, second->id, code_at(second->uri, floor));
    REQUIRE_FALSE(confirmed);
    CHECK(confirmed.error() == errc::clock_behind);
    // Passwords need no clock.
    CHECK(sign_in(store, "alice").verdict == Verdict::code_required);
    place.environment->set_wall(floor);
    CHECK(try_code(store, code_at(authenticator.uri, floor))->verdict == Verdict::accepted);
}

TEST_CASE("store: the clock a little behind: codes are judged by the floor") {
    StorePlace place;
    auto store = place.create();
    const auto alice = add_user(store, "alice");
    const auto authenticator = add_authenticator(store, *place.environment, alice);
    place.environment->pass(10min);
    sign_in(store, "alice", "wrong");
    const auto floor = place.environment->wall();
    const auto code = code_at(authenticator.uri, floor);
    CHECK(try_code(store, code)->verdict == Verdict::accepted);
    place.environment->set_wall(floor - 30s);
    CHECK(try_code(store, code)->verdict == Verdict::refused);
    CHECK(try_code(store, code_at(authenticator.uri, floor - 60s))->verdict == Verdict::refused);
    CHECK_FALSE(place.events.heard(Event::Kind::clock_behind));
}

TEST_CASE("store: the clock set back over a restart: the floor is kept, codes are refused") {
    StorePlace place;
    Secret uri;
    std::string used;
    {
        auto store = place.create();
        const auto alice = add_user(store, "alice");
        uri = add_authenticator(store, *place.environment, alice).uri;
        place.environment->pass(10min);
        used = code_at(uri, place.environment->wall());
        CHECK(try_code(store, used)->verdict == Verdict::accepted);
    }
    place.environment->set_wall(place.environment->wall() - 5min);
    auto store = place.open();
    const auto refused = try_code(store, used);
    REQUIRE_FALSE(refused);
    CHECK(refused.error() == errc::clock_behind);
    CHECK(place.events.heard(Event::Kind::clock_behind));
}

TEST_CASE("store: the clock jumps ahead and back: a code used ahead is not good again") {
    StorePlace place;
    auto store = place.create();
    const auto alice = add_user(store, "alice");
    const auto authenticator = add_authenticator(store, *place.environment, alice);
    const auto right = place.environment->wall() + 30s;
    place.environment->set_wall(right + 1h);
    CHECK(try_code(store, code_at(authenticator.uri, right + 1h))->verdict == Verdict::accepted);
    place.environment->set_wall(right);
    CHECK(try_code(store, code_at(authenticator.uri, right)).error() == errc::clock_behind);
    // An hour later it is as far as it once said to be.
    place.environment->pass(1h);
    CHECK(try_code(store, code_at(authenticator.uri, right + 1h))->verdict == Verdict::refused);
    place.environment->pass(30s);
    const auto code = code_at(authenticator.uri, place.environment->wall());
    CHECK(try_code(store, code)->verdict == Verdict::accepted);
}

TEST_CASE("store: the wall clock is set: told when work falls due, once; slewing is not") {
    StorePlace place;
    auto store = place.create();
    store.run_due();
    place.environment->pass(1h);
    store.run_due();
    place.environment->set_wall(place.environment->wall() + 2s);
    store.run_due();
    CHECK_FALSE(place.events.heard(Event::Kind::clock_jumped));
    place.environment->set_wall(place.environment->wall() + 3s);
    store.run_due();
    CHECK(place.events.count(Event::Kind::clock_jumped) == 1);
    CHECK(place.events.detail_of(Event::Kind::clock_jumped).find("3000 ms") != std::string::npos);
    store.run_due();
    CHECK(place.events.count(Event::Kind::clock_jumped) == 1);
    place.environment->set_wall(place.environment->wall() - 24h);
    store.run_due();
    CHECK(place.events.count(Event::Kind::clock_jumped) == 2);
}

TEST_CASE("store: the wall clock was set between opening and the first work: told too") {
    StorePlace place;
    auto store = place.create();
    place.environment->set_wall(place.environment->wall() - 1h);
    store.run_due();
    CHECK(place.events.count(Event::Kind::clock_jumped) == 1);
}
