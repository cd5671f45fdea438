#include <filesystem>
#include <string>

#include <doctest/doctest.h>

#include "support/faulty_vfs.h"
#include "support/store_fixture.h"

using namespace countersign;
using namespace countersign::testing;
using namespace std::chrono_literals;

namespace {

namespace fs = std::filesystem;

/// Puts an older copy of the files where the store is: a backup that was played back in place.
void restore(const StorePlace& place, const std::string& from) {
    for (const char* name : {"store.db", "store.db-wal", "store.db-shm"}) {
        const std::string target = place.options.directory + "/" + name;
        if (!fs::exists(from + "/" + name)) {
            fs::remove(target);
            continue;
        }
        // Into the same file, so that its inode stays.
        fs::copy_file(from + "/" + name, target, fs::copy_options::overwrite_existing);
    }
}

}  // namespace

TEST_CASE("store: closed in order and opened: the same life, everything there") {
    StorePlace place;
    StoreState before;
    {
        auto store = place.create();
        add_user(store, "alice");
        before = state_of(store);
    }
    auto store = place.open();
    CHECK(state_of(store) == before);
    CHECK_FALSE(store.status()->restored);
    CHECK_FALSE(place.events.heard(Event::Kind::unclean_end));
    CHECK_FALSE(place.events.heard(Event::Kind::new_incarnation));
    CHECK(store.log().verify());
}

TEST_CASE("store: the process was killed: everything answered is there, the file is checked") {
    StorePlace place;
    StoreState before;
    {
        FaultyVfs vfs;
        place.environment->set_vfs(vfs.name());
        auto store = place.create();
        add_user(store, "alice");
        place.environment->pass(2s);
        add_user(store, "bob");
        before = state_of(store);
        vfs.crash();
        place.environment->refuse_to_write("marker", errc::io_error);
    }
    place.environment->set_vfs({});
    place.environment->allow_all_writes();
    auto store = place.open();
    CHECK(state_of(store) == before);
    CHECK(place.events.count(Event::Kind::unclean_end) == 1);
    CHECK_FALSE(place.events.heard(Event::Kind::new_incarnation));
    CHECK_FALSE(store.status()->restored);
    CHECK(sign_in(store, "bob").verdict == Verdict::accepted);
    for (int i = 0; i < 20; ++i) {
        place.environment->pass(20ms);
        store.run_due();
    }
    CHECK_FALSE(place.events.heard(Event::Kind::damage_found));
    CHECK(store.log().verify());
}

TEST_CASE("store: killed at any point of a write: whole or not at all, and it goes on") {
    int made = 0;
    int not_made = 0;
    for (int nth = 1; nth <= 14; ++nth) {
        CAPTURE(nth);
        StorePlace place;
        bool answered = false;
        {
            FaultyVfs vfs;
            place.environment->set_vfs(vfs.name());
            auto store = place.create();
            add_user(store, "alice");
            vfs.plan({.calls = io_write | io_sync | io_truncate,
                      .nth = nth,
                      .code = 10,
                      .for_good = true,
                      .half_written = true});
            answered = store.users()
                           .create({.login = "bob", .password = Secret(good_password)})
                           .has_value();
            vfs.crash();
            place.environment->refuse_to_write("marker", errc::io_error);
        }
        place.environment->set_vfs({});
        place.environment->allow_all_writes();
        auto store = place.open();
        const auto bob = store.users().find("bob");
        if (answered) CHECK(bob);
        CHECK(store.status()->users == (bob ? 2 : 1));
        CHECK(store.status()->seq == LogSeq{bob ? 3U : 2U});
        bob ? ++made : ++not_made;
        CHECK(sign_in(store, "alice").verdict == Verdict::accepted);
        add_user(store, "carol");
        CHECK(store.log().verify());
    }
    CHECK(made > 0);
    CHECK(not_made > 0);
}

TEST_CASE("store: a copied directory: a new incarnation, told, and it can write at once") {
    StorePlace place;
    auto store = place.create();
    const auto alice = add_user(store, "alice");
    for (int i = 0; i < 3; ++i) sign_in(store, "alice", "wrong");
    place.copy_files(place.around / "copy");
    auto options = place.options;
    options.directory = place.around / "copy";
    HeardEvents events;
    options.on_event = events.handler();
    SUBCASE("on the same machine") {}
    SUBCASE("on another machine") {
        const auto elsewhere = std::make_shared<TestEnvironment>(2);
        elsewhere->set_machine_id("machine-2");
        options.environment = elsewhere;
    }
    auto copy = Store::open(options);
    REQUIRE(copy);
    CHECK(events.count(Event::Kind::new_incarnation) == 1);
    CHECK(copy->status()->restored);
    // All that the former life counted is said again: both add up.
    CHECK(copy->lockout().show(alice)->password.failures == 6);
    CHECK(copy->users().create({.login = "bob"}));
    CHECK(copy->log().verify());
    // Once, not at every start.
    {
        const auto closed = std::move(*copy);
    }
    events.forget();
    copy = Store::open(options);
    REQUIRE(copy);
    CHECK_FALSE(events.heard(Event::Kind::new_incarnation));
    CHECK(copy->status()->restored);
    CHECK_FALSE(store.status()->restored);
}

TEST_CASE("store: the same files under another machine's id: a copy") {
    StorePlace place;
    place.create();
    place.environment->set_machine_id("machine-2");
    auto store = place.open();
    CHECK(place.events.count(Event::Kind::new_incarnation) == 1);
    CHECK(store.status()->restored);
}

TEST_CASE("store: the marker is lost or torn: to be treated as a copy") {
    StorePlace place;
    place.create();
    SUBCASE("lost") {
        fs::remove(place.options.directory + "/marker");
    }
    SUBCASE("torn") {
        place.around.write("store/marker", "csgnmark");
    }
    auto store = place.open();
    CHECK(place.events.count(Event::Kind::new_incarnation) == 1);
    CHECK(store.status()->restored);
}

TEST_CASE("store: an older copy played back in place: noticed, and its codes are refused") {
    StorePlace place;
    UserId alice;
    std::string challenge;
    std::string used;
    Secret uri;
    {
        auto store = place.create();
        alice = add_user(store, "alice");
        uri = add_authenticator(store, *place.environment, alice).uri;
    }
    place.copy_files(place.around / "backup");
    {
        auto store = place.open();
        place.environment->pass(30s);
        challenge = sign_in(store, "alice").challenge;
        used = code_at(uri, place.environment->wall());
        CHECK(sign_in(store, "alice", good_password, used).verdict == Verdict::accepted);
        add_user(store, "bob");
        place.environment->pass(2s);
    }
    restore(place, place.around / "backup");
    place.events.forget();
    auto store = place.open();
    CHECK(place.events.count(Event::Kind::new_incarnation) == 1);
    CHECK(store.status()->restored);
    CHECK(store.status()->users == 1);
    // What it has forgotten that it accepted does not work again: nothing from before the start.
    CHECK(answer_challenge(store, challenge, used).verdict == Verdict::refused);
    CHECK(sign_in(store, "alice", good_password, used).verdict == Verdict::refused);
    place.environment->pass(30s);
    REQUIRE(store.lockout().clear(alice));
    const auto fresh = code_at(uri, place.environment->wall());
    CHECK(answer_challenge(store, challenge, fresh).verdict == Verdict::refused);
    const auto asked = sign_in(store, "alice");
    CHECK(answer_challenge(store, asked.challenge, fresh).verdict == Verdict::accepted);
    // A pool of one needs nobody's word to go on.
    add_user(store, "carol");
    CHECK(store.log().verify());
}

TEST_CASE("store: a restored directory: recovery codes of before are void, a new set is good") {
    StorePlace place;
    UserId alice;
    std::string old;
    std::string spent;
    {
        auto store = place.create();
        alice = add_user(store, "alice");
        add_authenticator(store, *place.environment, alice);
        const auto codes = store.users().make_recovery_codes(alice);
        REQUIRE(codes);
        spent = codes->at(0).text();
        old = codes->at(1).text();
    }
    place.copy_files(place.around / "backup");
    {
        auto store = place.open();
        CHECK(sign_in(store, "alice", good_password, spent).verdict == Verdict::accepted);
        place.environment->pass(2s);
    }
    restore(place, place.around / "backup");
    auto store = place.open();
    REQUIRE(store.status()->restored);
    // It cannot tell the one that was used from the one that was not.
    CHECK(sign_in(store, "alice", good_password, spent).verdict == Verdict::refused);
    REQUIRE(store.lockout().clear(alice));
    CHECK(sign_in(store, "alice", good_password, old).verdict == Verdict::refused);
    REQUIRE(store.lockout().clear(alice));
    place.environment->pass(1ms);
    const auto fresh = store.users().make_recovery_codes(alice);
    REQUIRE(fresh);
    CHECK(sign_in(store, "alice", good_password, std::string(fresh->front().text())).verdict ==
          Verdict::accepted);
}

TEST_CASE("store: restored with a clock a little behind: codes of what was seen stay refused") {
    StorePlace place;
    UserId alice;
    Secret uri;
    std::string code;
    {
        auto store = place.create();
        alice = add_user(store, "alice");
        uri = add_authenticator(store, *place.environment, alice).uri;
        place.environment->pass(45s);
        sign_in(store, "alice", "wrong");  // its time is the floor
        REQUIRE(store.lockout().clear(alice));
    }
    place.copy_files(place.around / "backup");
    {
        auto store = place.open();
        code = code_at(uri, place.environment->wall());
        CHECK(sign_in(store, "alice", good_password, code).verdict == Verdict::accepted);
        place.environment->pass(2s);
    }
    restore(place, place.around / "backup");
    place.environment->set_wall(place.environment->wall() - 25s);
    auto store = place.open();
    REQUIRE(store.status()->restored);
    CHECK(sign_in(store, "alice", good_password, code).verdict == Verdict::refused);
}

TEST_CASE("store: a restored directory: one guess per credential until it sees a success") {
    StorePlace place;
    place.options.pool.password_throttle.lock_for = 0ms;
    {
        auto store = place.create();
        for (const char* login : {"alice", "bob", "carol", "dave"}) add_user(store, login);
        sign_in(store, "dave", "wrong");
    }
    place.environment->pass(1s);
    place.environment->set_machine_id("machine-2");
    auto store = place.open();
    const auto lockout = [&](const char* login) {
        return store.lockout().show(store.users().find(login)->id)->password;
    };
    CHECK(lockout("alice").share == 1);
    // Alice's guess is wrong: only an operator helps. So is a stranger's.
    for (const char* login : {"alice", "nobody"}) {
        CHECK(sign_in(store, login, "wrong").tries_left == 0);
        const auto locked = sign_in(store, login);
        CHECK(locked.verdict == Verdict::locked);
        CHECK_FALSE(locked.retry_after);
    }
    // What was counted before is more than its share.
    CHECK(sign_in(store, "dave").verdict == Verdict::locked);
    // Bob's is right.
    CHECK(sign_in(store, "bob").verdict == Verdict::accepted);
    CHECK(lockout("bob").share == 100);
    CHECK(sign_in(store, "bob", "wrong").tries_left == 9);
    // Carol's password, and Erin herself, are newer than the start.
    place.environment->pass(1ms);
    REQUIRE(store.users().set_password(store.users().find("carol")->id, Secret("a better one")));
    add_user(store, "erin");
    CHECK(lockout("carol").share == 100);
    CHECK(lockout("erin").share == 100);
    REQUIRE(store.lockout().clear(store.users().find("alice")->id));
    CHECK(lockout("alice").share == 100);
    CHECK(sign_in(store, "alice").verdict == Verdict::accepted);
    // A restart of the same life forgets nothing of that, and housekeeping neither.
    place.environment->pass(1min);
    store.run_due();
    {
        const auto closed = std::move(store);
    }
    store = place.open();
    for (const char* login : {"alice", "bob", "carol", "erin"}) CHECK(lockout(login).share == 100);
    CHECK(lockout("bob").failures == 1);
    CHECK(lockout("dave").share == 1);
    // The next life begins anew.
    {
        const auto closed = std::move(store);
    }
    place.environment->set_machine_id("machine-3");
    store = place.open();
    CHECK(lockout("alice").share == 1);
    CHECK(sign_in(store, "bob").verdict == Verdict::locked);
    CHECK(sign_in(store, "alice").verdict == Verdict::accepted);
}

TEST_CASE("store: a restored directory: codes have their one guess, and are renewed, alike") {
    StorePlace place;
    Secret uri;
    UserId alice;
    {
        auto store = place.create();
        alice = add_user(store, "alice");
        uri = add_authenticator(store, *place.environment, alice).uri;
    }
    place.environment->set_machine_id("machine-2");
    auto store = place.open();
    CHECK(store.lockout().show(alice)->codes.share == 1);
    place.environment->pass(30s);
    const auto code = code_at(uri, place.environment->wall());
    SUBCASE("a right code") {
        CHECK(sign_in(store, "alice", good_password, code).verdict == Verdict::accepted);
        CHECK(store.lockout().show(alice)->codes.share == 100);
    }
    SUBCASE("a wrong one") {
        CHECK(sign_in(store, "alice", good_password, "000000").tries_left == 0);
        CHECK(sign_in(store, "alice", good_password, code).verdict == Verdict::locked);
        // The password, which was right, is renewed.
        CHECK(store.lockout().show(alice)->password.share == 100);
        REQUIRE(store.lockout().clear(alice));
        CHECK(sign_in(store, "alice", good_password, code).verdict == Verdict::accepted);
    }
    SUBCASE("a new authenticator in its place") {
        const auto old = store.users().get(alice)->authenticators.front().id;
        REQUIRE(store.users().remove_totp(alice, old));
        add_authenticator(store, *place.environment, alice);
        CHECK(store.lockout().show(alice)->codes.share == 100);
    }
}
