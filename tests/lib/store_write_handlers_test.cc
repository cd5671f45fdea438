#include <optional>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "support/manual_tasks.h"
#include "support/store_fixture.h"

using namespace countersign;
using namespace countersign::testing;
using namespace std::chrono_literals;

namespace {

constexpr const char* new_password = "another good battery";

NewUser user_of(std::string login) {
    NewUser user;
    user.login = std::move(login);
    user.password = Secret(good_password);
    return user;
}

/// A store whose tasks run when the test says so, and what its handlers were told.
struct TaskedPlace : StorePlace {
    TaskedPlace() { options.run_blocking = tasks.run_blocking(); }

    template <class T>
    OutcomeHandler<T> into(std::vector<Result<T>>& outcomes) {
        return [&outcomes](Result<T> outcome) { outcomes.push_back(std::move(outcome)); };
    }

    ManualTasks tasks;
    std::vector<Result<LogSeq>> written;
    std::vector<Result<UserId>> created;
};

}  // namespace

TEST_CASE("store: writes with handlers at the same time: one batch, each is told its own outcome") {
    TaskedPlace place;
    auto store = place.create();
    const auto alice = add_user(store, "alice");
    const auto bob = add_user(store, "bob");
    const LogSeq head = store.status()->seq;

    auto users = store.users();
    users.set_password(alice, Secret(new_password), place.into(place.written));
    users.change(alice, {.disabled = true}, place.into(place.written));
    users.erase(bob, place.into(place.written));
    users.create(user_of("carol"), place.into(place.created));
    users.create(user_of("carol"), place.into(place.created));
    users.create(user_of("alice"), place.into(place.created));
    users.create(user_of("no spaces"), place.into(place.created));
    CHECK(place.tasks.waiting() == 7);
    CHECK(place.written.empty());
    place.tasks.run_all();

    REQUIRE(place.written.size() == 3);
    for (const auto& seq : place.written) CHECK(seq == next(head));
    REQUIRE(place.created.size() == 4);
    CHECK(place.created[0].error() == errc::invalid_login);  // before any commit
    REQUIRE(place.created[1]);
    CHECK(place.created[2].error() == errc::already_exists);
    CHECK(place.created[3].error() == errc::already_exists);
    CHECK(store.status()->seq == next(head));
    CHECK(store.users().get(alice)->disabled);
    CHECK(store.users().get(bob).error() == errc::not_found);
    CHECK(sign_in(store, "alice", new_password).verdict == Verdict::disabled);
    CHECK(sign_in(store, "carol").verdict == Verdict::accepted);
    CHECK(store.log().verify());
}

TEST_CASE("store: handlers of codes: enrolled, confirmed, counted, printed and removed") {
    TaskedPlace place;
    auto store = place.create();
    const auto alice = add_user(store, "alice");
    auto users = store.users();

    std::vector<Result<TotpEnrolment>> enrolled;
    users.enrol_totp(alice, {}, place.into(enrolled));
    place.tasks.run_all();
    REQUIRE(enrolled.size() == 1);
    REQUIRE(enrolled[0]);
    const auto id = enrolled[0]->id;
    const auto code = code_at(enrolled[0]->uri, place.environment->wall());

    users.confirm_totp(alice, id, "000000", place.into(place.written));
    place.tasks.run_all();
    REQUIRE(place.written.size() == 1);
    CHECK(place.written[0].error() == errc::wrong_code);
    users.confirm_totp(alice, id, code, place.into(place.written));
    users.confirm_totp(alice, id, code, place.into(place.written));
    place.tasks.run_all();
    REQUIRE(place.written.size() == 3);
    CHECK(place.written[1]);
    CHECK_FALSE(place.written[2]);
    CHECK(sign_in(store, "alice").verdict == Verdict::code_required);

    std::vector<Result<std::vector<Secret>>> printed;
    users.make_recovery_codes(alice, place.into(printed));
    place.tasks.run_all();
    REQUIRE(printed.size() == 1);
    REQUIRE(printed[0]);
    CHECK(sign_in(store, "alice", good_password, std::string(printed[0]->front().text())).verdict ==
          Verdict::accepted);
    users.remove_totp(alice, id, place.into(place.written));
    place.tasks.run_all();
    CHECK(place.written.back());
    CHECK(sign_in(store, "alice").verdict == Verdict::accepted);
}

TEST_CASE(
    "store: wrong first codes with handlers: locked like any others, the guesses given back") {
    TaskedPlace place;
    auto store = place.create();
    const auto alice = add_user(store, "alice");
    const auto enrolled = store.users().enrol_totp(alice);
    REQUIRE(enrolled);
    for (int i = 0; i < 30; ++i) {
        store.users().confirm_totp(alice, enrolled->id, "000000", place.into(place.written));
    }
    place.tasks.run_all();
    REQUIRE(place.written.size() == 30);
    for (const auto& outcome : place.written) CHECK(outcome.error() == errc::wrong_code);
    CHECK(place.ask("SELECT count(*) FROM tally") == 1);
    place.environment->pass(31s);
    const auto code = code_at(enrolled->uri, place.environment->wall());
    CHECK(store.users().confirm_totp(alice, enrolled->id, code));
}

TEST_CASE("store: a user's own change with a handler: the proof is an attempt, and counts") {
    TaskedPlace place;
    auto store = place.create();
    const auto alice = add_user(store, "alice");
    auto users = store.users();
    users.change_password(alice, Secret("wrong"), Secret(new_password), place.into(place.written));
    place.tasks.run_all();
    REQUIRE(place.written.size() == 1);
    CHECK(place.written[0].error() == errc::not_permitted);
    CHECK(store.lockout().show(alice)->password.failures == 1);
    users.change_password(
        alice, Secret(good_password), Secret(new_password), place.into(place.written));
    place.tasks.run_all();
    CHECK(place.written.back());
    CHECK(sign_in(store, "alice", new_password).verdict == Verdict::accepted);
}

TEST_CASE("store: a write with a handler and no run_blocking: told before the call returns") {
    StorePlace place;
    auto store = place.create();
    const auto alice = add_user(store, "alice");
    int told = 0;
    store.users().set_password(alice, Secret(new_password), [&](Result<LogSeq> outcome) {
        CHECK(outcome);
        ++told;
    });
    CHECK(told == 1);
    CHECK(sign_in(store, "alice", new_password).verdict == Verdict::accepted);
}

TEST_CASE(
    "store: the application ends with writes under way: nobody is told, nothing is half done") {
    TaskedPlace place;
    {
        auto store = place.create();
        const auto alice = add_user(store, "alice");
        auto users = store.users();
        users.set_password(alice, Secret(new_password), place.into(place.written));
        place.tasks.run_one();  // it waits for its commit
        users.create(user_of("carol"), place.into(place.created));
        users.confirm_totp(alice, {}, "000000", place.into(place.written));
        place.tasks.drop_all();
    }
    CHECK(place.written.empty());
    CHECK(place.created.empty());
    auto store = place.open();
    CHECK(store.users().find("carol").error() == errc::not_found);
    CHECK(store.log().verify());
}

TEST_CASE("store: the commit queue is full: writes with handlers are overloaded, others are done") {
    TaskedPlace place;
    place.options.commit_queue = 2;
    auto store = place.create();
    const auto alice = add_user(store, "alice");
    for (int i = 0; i < 5; ++i) {
        store.users().set_password(alice, Secret(new_password), place.into(place.written));
    }
    for (int i = 0; i < 5; ++i) place.tasks.run_newest();
    place.tasks.run_all();
    REQUIRE(place.written.size() == 5);
    int done = 0;
    for (const auto& outcome : place.written) {
        if (outcome) {
            ++done;
        } else {
            CHECK(outcome.error() == errc::overloaded);
        }
    }
    CHECK(done >= 2);
    CHECK(done < 5);
}
