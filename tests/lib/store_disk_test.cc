#include <cerrno>
#include <filesystem>
#include <optional>
#include <string>

#include <doctest/doctest.h>

#include "support/faulty_vfs.h"
#include "support/store_fixture.h"

using namespace countersign;
using namespace countersign::testing;
using namespace std::chrono_literals;

namespace {

namespace fs = std::filesystem;

constexpr int sqlite_full = 13;
constexpr int sqlite_read_only = 8;
constexpr int sqlite_fsync_failed = 10 | 4 << 8;

/// A store with one user on a disk that fails as planned.
struct FaultyPlace : StorePlace {
    FaultyPlace() {
        environment->set_vfs(vfs.name());
        store.emplace(create());
        alice = add_user(*store, "alice");
    }
    Result<SignInResult> attempt(std::string_view password) {
        return store->authenticate({.login = "alice", .password = Secret(password)});
    }
    Result<UserId> create_bob() {
        return store->users().create({.login = "bob", .password = Secret(good_password)});
    }

    FaultyVfs vfs;
    std::optional<Store> store;
    UserId alice;
};

template <class Value>
void check_fails(const Result<Value>& result, errc expected) {
    REQUIRE_FALSE(result);
    CHECK(result.error() == expected);
    CHECK(result.error().message().size() > 20);
}

}  // namespace

TEST_CASE("store: a full disk: writes and wrong guesses refused, right passwords go on") {
    FaultyPlace place;
    const auto before = state_of(*place.store);
    place.vfs.plan(
        {.calls = io_write, .code = sqlite_full, .system_errno = ENOSPC, .for_good = true});
    check_fails(place.create_bob(), errc::disk_full);
    check_fails(place.store->users().set_password(place.alice, Secret("a better one")),
                errc::disk_full);
    check_fails(place.attempt("wrong"), errc::disk_full);
    CHECK(place.events.count(Event::Kind::attempt_refused) == 1);
    CHECK(place.attempt(good_password)->verdict == Verdict::accepted);
    CHECK(place.store->users().find("alice"));
    CHECK(state_of(*place.store) == before);
    place.vfs.heal();
    CHECK(place.create_bob());
    CHECK(place.attempt("wrong")->tries_left == 9);
    CHECK(place.store->log().verify());
}

TEST_CASE("store: a disk that became read-only: it stops, and is all there on a sound disk") {
    FaultyPlace place;
    const auto before = state_of(*place.store);
    place.vfs.plan(
        {.calls = io_write, .code = sqlite_read_only, .system_errno = EROFS, .for_good = true});
    place.environment->refuse_to_write("marker", errc::read_only);
    // A system that turns a disk read-only has lost a write: who knows which.
    check_fails(place.create_bob(), errc::outcome_unknown);
    check_fails(place.attempt("wrong"), errc::outcome_unknown);
    place.store.reset();
    check_fails(Store::open(place.options), errc::read_only);
    place.vfs.heal();
    place.environment->allow_all_writes();
    place.store.emplace(place.open());
    CHECK(state_of(*place.store) == before);
    CHECK(place.create_bob());
}

TEST_CASE("store: a write fails once, at any place: the outcome is made sure of, whole or not") {
    int failed = 0;
    for (int nth = 1; nth <= 8; ++nth) {
        CAPTURE(nth);
        FaultyPlace place;
        place.vfs.plan({.calls = io_write, .nth = nth, .code = 10, .half_written = true});
        const auto made = place.create_bob();
        if (!made) {
            ++failed;
            check_fails(made, errc::outcome_unknown);
            const auto again = place.create_bob();
            CHECK((again || again.error() == errc::already_exists));
        }
        CHECK(place.store->status()->users == 2);
        CHECK(sign_in(*place.store, "bob").verdict == Verdict::accepted);
        CHECK(place.store->log().verify());
    }
    CHECK(failed > 0);
}

TEST_CASE("store: a sync fails: the outcome is unknown, the next call finds out, and it goes on") {
    FaultyPlace place;
    place.vfs.plan({.calls = io_sync, .code = sqlite_fsync_failed});
    check_fails(place.create_bob(), errc::outcome_unknown);
    SUBCASE("a write") {
        CHECK(place.store->users().create({.login = "carol"}));
        CHECK(place.events.heard(Event::Kind::disk_failed));
    }
    SUBCASE("a read") {
        place.vfs.heal();
        CHECK(place.store->users().find("alice"));
        // Nothing is read for an answer until it is certain what the disk holds.
        CHECK(place.vfs.calls(io_sync, "store.db-wal") == 1);
        CHECK(place.events.heard(Event::Kind::disk_failed));
    }
    SUBCASE("an attempt") {}
    SUBCASE("work that falls due") {
        place.environment->pass(1min);
        place.store->run_due();
        CHECK(place.events.heard(Event::Kind::disk_failed));
    }
    CHECK(place.attempt(good_password)->verdict == Verdict::accepted);
    const auto bob = place.store->users().find("bob");
    if (!bob) CHECK(place.create_bob());
    CHECK(place.store->log().verify());
    const auto state = state_of(*place.store);
    place.store.reset();
    place.store.emplace(place.open());
    CHECK(state_of(*place.store) == state);
}

TEST_CASE("store: a sync fails under a wrong guess: no answer, and the failure is not forgotten") {
    FaultyPlace place;
    CHECK(place.attempt("wrong 1")->tries_left == 9);
    place.vfs.plan({.calls = io_sync, .code = sqlite_fsync_failed});
    check_fails(place.attempt("wrong 2"), errc::outcome_unknown);
    CHECK(place.events.count(Event::Kind::attempt_refused) == 1);
    place.environment->pass(1min);
    place.store->run_due();
    const auto failures = place.store->lockout().show(place.alice)->password.failures;
    CHECK(failures >= 1);
    CHECK(failures <= 2);
    CHECK(place.attempt("wrong 3")->tries_left == 9 - failures);
}

TEST_CASE("store: syncs fail for good: it stops, and opening it anew on a sound disk goes on") {
    FaultyPlace place;
    place.vfs.plan({.calls = io_sync, .code = sqlite_fsync_failed, .for_good = true});
    check_fails(place.create_bob(), errc::outcome_unknown);
    check_fails(place.create_bob(), errc::outcome_unknown);
    place.vfs.heal();
    check_fails(place.create_bob(), errc::outcome_unknown);
    check_fails(place.attempt(good_password), errc::outcome_unknown);
    CHECK(place.create_bob().error() == Remedy::stop);
    place.store.reset();
    place.store.emplace(place.open());
    CHECK(place.attempt(good_password)->verdict == Verdict::accepted);
    if (!place.store->users().find("bob")) CHECK(place.create_bob());
    CHECK(place.store->log().verify());
}

TEST_CASE("store: the marker cannot be written: told, and writes go on") {
    FaultyPlace place;
    place.environment->refuse_to_write("marker", errc::disk_full);
    place.environment->pass(2s);
    CHECK(place.create_bob());
    CHECK(place.events.heard(Event::Kind::housekeeping_failed));
}

TEST_CASE("store: another pool's database in the directory: wrong_key, and it stays as it was") {
    StorePlace place;
    StorePlace other(2);
    StoreState before;
    {
        auto store = place.create();
        auto foreign = other.create();
        add_user(foreign, "mallory");
        before = state_of(foreign);
    }
    other.options.key_provider = memory_key('x');
    {
        auto foreign = Store::open(other.options);
        REQUIRE_FALSE(foreign);
        CHECK(foreign.error() == errc::wrong_key);
    }
    other.options.key_provider = memory_key();
    for (const char* suffix : {"", "-wal"}) {
        fs::copy_file(other.database() + suffix,
                      place.database() + suffix,
                      fs::copy_options::overwrite_existing);
    }
    place.options.key_provider = memory_key('x');
    check_fails(Store::open(place.options), errc::wrong_key);
    // With its own key it is what it is: that pool's, copied.
    place.options.key_provider = memory_key();
    auto copy = place.open();
    CHECK(state_of(copy) == before);
    CHECK(copy.status()->restored);
}
