#include <filesystem>
#include <string>

#include <doctest/doctest.h>

#include "support/store_fixture.h"

using namespace countersign;
using namespace countersign::testing;
using namespace std::chrono_literals;

namespace {

/// A user with an authenticator, and a challenge for the code of now.
struct ChallengePlace : StorePlace {
    explicit ChallengePlace(std::uint64_t seed = 1) : StorePlace(seed) {
        environment->pass(30s);
        const auto asked = sign_in(store, "alice");
        REQUIRE(asked.verdict == Verdict::code_required);
        challenge = asked.challenge;
    }

    std::string code() const { return code_at(authenticator.uri, environment->wall()); }

    Store store = create();
    UserId alice = add_user(store, "alice");
    Authenticator authenticator = add_authenticator(store, *environment, alice);
    std::string challenge;
};

}  // namespace

TEST_CASE("store: a challenge with its code: accepted once, with both methods") {
    ChallengePlace place;
    const auto wrong = answer_challenge(place.store, place.challenge, "000000");
    CHECK(wrong.verdict == Verdict::refused);
    CHECK(wrong.tries_left == 9);
    CHECK(place.store.lockout().show(place.alice)->codes.failures == 1);
    // A wrong code does not use the challenge up.
    const auto right = answer_challenge(place.store, place.challenge, place.code());
    CHECK(right.verdict == Verdict::accepted);
    CHECK(right.user == place.alice);
    CHECK(right.methods == (Methods::password | Methods::totp));
    CHECK(place.store.lockout().show(place.alice)->codes.failures == 0);
    place.environment->pass(30s);
    CHECK(answer_challenge(place.store, place.challenge, place.code()).verdict == Verdict::refused);
    // The code behind a spent challenge is still good.
    const auto whole = sign_in(place.store, "alice", good_password, place.code());
    CHECK(whole.verdict == Verdict::accepted);
}

TEST_CASE("store: a challenge after the store was opened anew: accepted") {
    ChallengePlace place;
    {
        const auto closed = std::move(place.store);
    }
    place.store = place.open();
    CHECK(answer_challenge(place.store, place.challenge, place.code()).verdict ==
          Verdict::accepted);
    {
        const auto closed = std::move(place.store);
    }
    place.store = place.open();
    place.environment->pass(30s);
    CHECK(answer_challenge(place.store, place.challenge, place.code()).verdict == Verdict::refused);
}

TEST_CASE("store: a challenge past its time: refused; just before: accepted") {
    ChallengePlace place;
    place.environment->pass(5min - 1ms);
    SUBCASE("just before") {
        CHECK(answer_challenge(place.store, place.challenge, place.code()).verdict ==
              Verdict::accepted);
    }
    SUBCASE("past it") {
        place.environment->pass(1ms);
        CHECK(answer_challenge(place.store, place.challenge, place.code()).verdict ==
              Verdict::refused);
        CHECK(place.store.lockout().show(place.alice)->codes.failures == 0);
    }
    SUBCASE("the clock is set back: a passed challenge stays so") {
        place.environment->pass(1ms);
        add_user(place.store, "bob");
        place.environment->set_wall(place.environment->wall() - 20s);
        CHECK(answer_challenge(place.store, place.challenge, place.code()).verdict ==
              Verdict::refused);
    }
}

TEST_CASE("store: a challenge of another pool, changed, or none: refused, nobody's failure") {
    ChallengePlace place;
    ChallengePlace other(2);
    std::string changed = place.challenge;
    changed[changed.size() / 2] = changed[changed.size() / 2] == 'A' ? 'B' : 'A';
    for (const auto& challenge : {other.challenge,
                                  changed,
                                  place.challenge + "A",
                                  place.challenge.substr(1),
                                  std::string("x"),
                                  std::string(100'000, 'A')}) {
        const auto result = answer_challenge(place.store, challenge, place.code());
        CHECK(result.verdict == Verdict::refused);
        CHECK(result.user == UserId{});
        CHECK(result.methods == Methods::none);
    }
    CHECK(place.store.lockout().show(place.alice)->codes.failures == 0);
    CHECK(answer_challenge(place.store, place.challenge, place.code()).verdict ==
          Verdict::accepted);
}

TEST_CASE("store: a challenge without a code: still required, the challenge stays good") {
    ChallengePlace place;
    const auto asked = answer_challenge(place.store, place.challenge, "");
    CHECK(asked.verdict == Verdict::code_required);
    CHECK(asked.user == place.alice);
    CHECK(asked.challenge == place.challenge);
    CHECK(answer_challenge(place.store, place.challenge, place.code()).verdict ==
          Verdict::accepted);
}

TEST_CASE("store: the user changes between password and code: the challenge sees it") {
    ChallengePlace place;
    SUBCASE("another password") {
        REQUIRE(place.store.users().set_password(place.alice, Secret("a better one")));
        CHECK(answer_challenge(place.store, place.challenge, place.code()).verdict ==
              Verdict::refused);
    }
    SUBCASE("disabled") {
        REQUIRE(place.store.users().change(place.alice, {.disabled = true}));
        CHECK(answer_challenge(place.store, place.challenge, place.code()).verdict ==
              Verdict::disabled);
    }
    SUBCASE("without an authenticator any more") {
        REQUIRE(place.store.users().remove_totp(place.alice, place.authenticator.id));
        CHECK(answer_challenge(place.store, place.challenge, place.code()).verdict ==
              Verdict::refused);
    }
    SUBCASE("erased") {
        REQUIRE(place.store.users().erase(place.alice));
        CHECK(answer_challenge(place.store, place.challenge, place.code()).verdict ==
              Verdict::refused);
    }
}

TEST_CASE("store: codes locked: a challenge is locked too, and good once that is over") {
    ChallengePlace place;
    for (int i = 0; i < 10; ++i) answer_challenge(place.store, place.challenge, "000000");
    const auto locked = answer_challenge(place.store, place.challenge, place.code());
    CHECK(locked.verdict == Verdict::locked);
    CHECK(locked.retry_after == 30s);
    place.environment->pass(30s);
    CHECK(answer_challenge(place.store, place.challenge, place.code()).verdict ==
          Verdict::accepted);
}

TEST_CASE("store: two challenges of one user: each is good, with a code of its own") {
    ChallengePlace place;
    const auto second = sign_in(place.store, "alice").challenge;
    CHECK(second != place.challenge);
    const auto code = place.code();
    CHECK(answer_challenge(place.store, place.challenge, code).verdict == Verdict::accepted);
    CHECK(answer_challenge(place.store, second, code).verdict == Verdict::refused);
    place.environment->pass(30s);
    CHECK(answer_challenge(place.store, second, place.code()).verdict == Verdict::accepted);
}
