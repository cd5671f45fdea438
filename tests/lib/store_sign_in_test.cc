#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "support/store_fixture.h"

using namespace countersign;
using namespace countersign::testing;
using namespace std::chrono_literals;

namespace {

/// What a stranger may learn of a refusal must not depend on whether the name exists.
void check_same_shape(const SignInResult& one, const SignInResult& other) {
    CHECK(one.verdict == other.verdict);
    CHECK(one.user == UserId{});
    CHECK(other.user == UserId{});
    CHECK(one.methods == Methods::none);
    CHECK(other.methods == Methods::none);
    CHECK(one.challenge.empty());
    CHECK(other.challenge.empty());
    CHECK(one.retry_after == other.retry_after);
    CHECK(one.tries_left == other.tries_left);
    CHECK(one.new_hash_wanted == other.new_hash_wanted);
    CHECK(one.seq == other.seq);
}

}  // namespace

TEST_CASE("store: the right password: accepted with all that was decided on, nothing written") {
    StorePlace place;
    auto store = place.create();
    const auto alice = add_user(store, "alice");
    const auto status = store.status();
    REQUIRE(status);
    const auto before = state_of(store);
    const auto result = sign_in(store, "ALICE");
    CHECK(result.verdict == Verdict::accepted);
    CHECK(result.user == alice);
    CHECK(result.methods == Methods::password);
    CHECK(result.challenge.empty());
    CHECK_FALSE(result.retry_after);
    CHECK_FALSE(result.tries_left);
    CHECK(result.node == status->node);
    CHECK(result.epoch == status->epoch);
    CHECK(result.seq == status->seq);
    CHECK(result.data_age == 0ms);
    CHECK_FALSE(result.new_hash_wanted);
    CHECK(state_of(store) == before);
    CHECK(place.ask("SELECT count(*) FROM tally") == 0);
    CHECK(place.ask("SELECT count(*) FROM spent") == 0);
}

TEST_CASE("store: a wrong password: refused, with the tries that are left, until a success") {
    StorePlace place;
    auto store = place.create();
    const auto alice = add_user(store, "alice");
    for (std::uint32_t i = 1; i <= 9; ++i) {
        const auto wrong = sign_in(store, "alice", "wrong " + std::to_string(i));
        CHECK(wrong.verdict == Verdict::refused);
        CHECK(wrong.tries_left == 10 - i);
        CHECK(store.lockout().show(alice)->password.failures == i);
    }
    CHECK(sign_in(store, "alice").verdict == Verdict::accepted);
    CHECK(store.lockout().show(alice)->password.failures == 0);
    CHECK(sign_in(store, "alice", "wrong").tries_left == 9);
}

TEST_CASE("store: names that nobody has: answered, counted and locked like those of users") {
    StorePlace place;
    auto store = place.create();
    add_user(store, "alice");
    const std::string strangers[] = {
        "nobody", "two words", "", std::string(2000, 'x'), "\xff\xfe", "ALICE2"};
    for (int i = 0; i < 12; ++i) {
        const std::string password = "wrong " + std::to_string(i);
        const auto known = sign_in(store, "alice", password);
        for (const auto& stranger : strangers) {
            CAPTURE(stranger);
            check_same_shape(sign_in(store, stranger, password), known);
        }
    }
    CHECK(place.ask("SELECT count(*) FROM tally") == 1 + std::ssize(strangers));
    CHECK(place.ask("SELECT count(DISTINCT length(bytes)) FROM tally") == 1);
    // The lock runs out alike, and the next failure costs as much.
    place.environment->pass(30s);
    const auto known = sign_in(store, "alice", "wrong");
    CHECK(known.verdict == Verdict::refused);
    check_same_shape(sign_in(store, "nobody", "wrong"), known);
    check_same_shape(sign_in(store, "nobody", "wrong"), sign_in(store, "alice", "wrong"));
}

TEST_CASE("store: an unknown name in two spellings: one row; another name: another") {
    StorePlace place;
    auto store = place.create();
    CHECK(sign_in(store, "nobody", "wrong").tries_left == 9);
    CHECK(sign_in(store, "NoBody", "wrong").tries_left == 8);
    CHECK(sign_in(store, "nobody2", "wrong").tries_left == 9);
    CHECK(place.ask("SELECT count(*) FROM tally") == 2);
}

TEST_CASE("store: an unknown name becomes a user's: what strangers tried does not lock it") {
    StorePlace place;
    auto store = place.create();
    for (int i = 0; i < 10; ++i) sign_in(store, "alice", "wrong");
    CHECK(sign_in(store, "alice").verdict == Verdict::locked);
    const auto alice = add_user(store, "alice");
    CHECK(store.lockout().show(alice)->password.failures == 0);
    CHECK(sign_in(store, "alice").verdict == Verdict::accepted);
}

TEST_CASE("store: a user without a password: every password is refused and counted") {
    StorePlace place;
    auto store = place.create();
    const auto alice = store.users().create({.login = "alice"});
    REQUIRE(alice);
    add_user(store, "bob");
    for (const char* password : {"", "anything", good_password}) {
        check_same_shape(sign_in(store, "alice", password), sign_in(store, "bob", "wrong"));
    }
    CHECK(store.lockout().show(*alice)->password.failures == 3);
}

TEST_CASE("store: a disabled user: every other check comes first, and no code is asked for") {
    StorePlace place;
    auto store = place.create();
    const auto alice = add_user(store, "alice");
    const auto authenticator = add_authenticator(store, *place.environment, alice);
    place.environment->pass(30s);
    REQUIRE(store.users().change(alice, {.disabled = true}));
    CHECK(sign_in(store, "alice", "wrong").verdict == Verdict::refused);
    CHECK(sign_in(store, "alice").verdict == Verdict::disabled);
    const auto code = code_at(authenticator.uri, place.environment->wall());
    const auto whole = sign_in(store, "alice", good_password, code);
    CHECK(whole.verdict == Verdict::disabled);
    CHECK(whole.methods == Methods::password);
    CHECK(store.lockout().show(alice)->codes.failures == 0);
    for (int i = 0; i < 9; ++i) sign_in(store, "alice", "wrong");
    CHECK(sign_in(store, "alice").verdict == Verdict::locked);
    place.environment->pass(30s);
    REQUIRE(store.users().change(alice, {.disabled = false}));
    CHECK(sign_in(store, "alice", good_password, code).verdict == Verdict::accepted);
}

TEST_CASE("store: the right password without the code: code_required, the password is cleared") {
    StorePlace place;
    auto store = place.create();
    const auto alice = add_user(store, "alice");
    add_authenticator(store, *place.environment, alice);
    sign_in(store, "alice", "wrong");
    sign_in(store, "alice", good_password, "000000");
    sign_in(store, "alice", "wrong");
    const auto asked = sign_in(store, "alice");
    CHECK(asked.verdict == Verdict::code_required);
    CHECK(asked.user == alice);
    CHECK(asked.methods == Methods::password);
    CHECK_FALSE(asked.challenge.empty());
    // A success with the password alone does not clear failures of codes.
    const auto lockout = store.lockout().show(alice);
    CHECK(lockout->password.failures == 0);
    CHECK(lockout->codes.failures == 1);
}

TEST_CASE("store: the right password with a wrong code: refused, clears the password's alone") {
    StorePlace place;
    auto store = place.create();
    const auto alice = add_user(store, "alice");
    const auto authenticator = add_authenticator(store, *place.environment, alice);
    for (int i = 0; i < 3; ++i) sign_in(store, "alice", "wrong");
    const auto wrong = sign_in(store, "alice", good_password, "000000");
    CHECK(wrong.verdict == Verdict::refused);
    CHECK(wrong.tries_left == 9);
    auto lockout = store.lockout().show(alice);
    CHECK(lockout->password.failures == 0);
    CHECK(lockout->codes.failures == 1);
    place.environment->pass(30s);
    const auto code = code_at(authenticator.uri, place.environment->wall());
    // A right code behind a wrong password is not looked at, and not spent.
    CHECK(sign_in(store, "alice", "wrong", code).verdict == Verdict::refused);
    CHECK(store.lockout().show(alice)->codes.failures == 1);
    const auto whole = sign_in(store, "alice", good_password, code);
    CHECK(whole.verdict == Verdict::accepted);
    CHECK(whole.methods == (Methods::password | Methods::totp));
    lockout = store.lockout().show(alice);
    CHECK(lockout->password.failures == 0);
    CHECK(lockout->codes.failures == 0);
}

TEST_CASE("store: ten wrong codes: codes lock, also right ones, and the password goes on") {
    StorePlace place;
    auto store = place.create();
    const auto alice = add_user(store, "alice");
    const auto authenticator = add_authenticator(store, *place.environment, alice);
    place.environment->pass(30s);
    for (int i = 0; i < 10; ++i) sign_in(store, "alice", good_password, "000000");
    const auto code = code_at(authenticator.uri, place.environment->wall());
    const auto locked = sign_in(store, "alice", good_password, code);
    CHECK(locked.verdict == Verdict::locked);
    CHECK(locked.retry_after == 30s);
    CHECK(sign_in(store, "alice").verdict == Verdict::code_required);
    CHECK(store.lockout().show(alice)->codes.failures == 10);
    place.environment->pass(30s);
    CHECK(sign_in(store, "alice", good_password, code).verdict == Verdict::accepted);
    CHECK(store.lockout().show(alice)->codes.failures == 0);
}

TEST_CASE("store: one wrong password again from one source: counted once, answered each time") {
    StorePlace place;
    auto store = place.create();
    const auto alice = add_user(store, "alice");
    const auto attempt = [&](const std::string& password, const std::string& source) {
        place.environment->pass(1ms);
        const auto result = sign_in(store, "alice", password, {}, source);
        CHECK(result.verdict == Verdict::refused);
        return *result.tries_left;
    };
    for (int i = 0; i < 20; ++i) CHECK(attempt("old password", "phone") == 9);
    CHECK(attempt("old password", "laptop") == 8);
    CHECK(attempt("old password", "phone") == 8);
    // Without a source nothing is remembered.
    CHECK(attempt("old password", "") == 7);
    CHECK(attempt("old password", "") == 6);
    // The same for a name that nobody has.
    for (int i = 0; i < 3; ++i) {
        CHECK(sign_in(store, "nobody", "old password", {}, "phone").tries_left == 9);
    }
    // A device goes on for less than a day each time: it is known. A day later it is not.
    place.environment->pass(24h - 4ms);
    CHECK(attempt("old password", "phone") == 6);
    place.environment->pass(24h);
    CHECK(attempt("old password", "phone") == 5);
    CHECK(store.lockout().show(alice)->password.failures == 5);
}

TEST_CASE("store: five wrong passwords from one source: the last four are known") {
    StorePlace place;
    place.options.pool.password_throttle.max_failures = 100;
    auto store = place.create();
    const auto alice = add_user(store, "alice");
    const auto failures_after = [&](int number) {
        place.environment->pass(1ms);
        sign_in(store, "alice", "old password " + std::to_string(number), {}, "phone");
        return store.lockout().show(alice)->password.failures;
    };
    for (int i = 1; i <= 5; ++i) CHECK(failures_after(i) == static_cast<std::uint64_t>(i));
    for (int i = 2; i <= 5; ++i) CHECK(failures_after(i) == 5);
    CHECK(failures_after(1) == 6);
    CHECK(failures_after(2) == 7);  // it was the one not tried for longest
    CHECK(failures_after(5) == 7);
}
