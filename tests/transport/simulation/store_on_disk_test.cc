// A whole store on a virtual disk.

#include <algorithm>
#include <string>

#include <doctest/doctest.h>

#include "support/store_fixture.h"
#include "transport/simulation/disk_machine.h"

using namespace countersign;
using namespace countersign::simulation;
using namespace countersign::testing;

namespace {

Store created(DiskMachine& machine) {
    auto store = Store::create(machine.start());
    if (!store) FAIL(store.error().message());
    return std::move(*store);
}

Store opened(DiskMachine& machine) {
    auto store = Store::open(machine.start());
    if (!store) FAIL(store.error().message());
    return std::move(*store);
}

Result<UserId> try_to_add(Store& store, std::string login) {
    NewUser user;
    user.login = std::move(login);
    user.password = Secret(good_password);
    return store.users().create(std::move(user));
}

bool has_user(Store& store, std::string_view login) {
    return store.users().find(login).has_value();
}

}  // namespace

TEST_CASE("simulation: a store lives on the disk: created, closed, opened, signed in to") {
    DiskMachine machine;
    {
        Store store = created(machine);
        add_user(store, "alice");
        CHECK(sign_in(store, "alice").verdict == Verdict::accepted);
        CHECK(sign_in(store, "alice", "wrong guess").verdict == Verdict::refused);
    }
    Store store = opened(machine);
    CHECK(sign_in(store, "alice").verdict == Verdict::accepted);
    CHECK(store.log().verify());
    CHECK_FALSE(store.status()->restored);
    const auto paths = machine.disk->paths();
    for (const char* path : {"/site/store/store.db", "/site/store/marker", "/site/store.root"}) {
        CHECK(std::ranges::count(paths, path) == 1);
    }
}

TEST_CASE("simulation: two processes open one store on the disk: each sees the other's writes") {
    DiskMachine machine;
    Store first = created(machine);
    Store second = opened(machine);
    add_user(first, "alice");
    CHECK(has_user(second, "alice"));
    add_user(second, "bob");
    CHECK(has_user(first, "bob"));
    CHECK(first.links().serve());
    const auto served = first.links().serve();
    REQUIRE(served);
    CHECK(second.links().serve().error() == errc::already_served);
}

TEST_CASE(
    "simulation: the power goes after a write was acknowledged: it is there, under each damage") {
    for (const Damage damage : all_damages) {
        CAPTURE(name(damage));
        DiskMachine machine({.seed = 7});
        {
            Store store = created(machine);
            add_user(store, "alice");
            machine.disk->power_off(damage);
            CHECK_FALSE(try_to_add(store, "late"));
        }
        machine.power_on();
        Store store = opened(machine);
        CHECK(has_user(store, "alice"));
        CHECK_FALSE(has_user(store, "late"));
        CHECK(store.log().verify());
        CHECK_FALSE(store.status()->restored);
        add_user(store, "bob");
    }
}

TEST_CASE("simulation: the power goes while a store is made: made anew, or there as the same one") {
    for (std::uint64_t n = 1;; ++n) {
        CAPTURE(n);
        DiskMachine machine({.seed = n});
        machine.disk->stop_at(n, n % 2 == 0 ? Damage::drop : Damage::scatter);
        {
            const auto made = Store::create(machine.start());
            CHECK(made.has_value() == machine.disk->is_on());
            if (made) break;
        }
        machine.run.reset();
        machine.power_on();
        auto store = Store::open(machine.start());
        if (!store) {
            CHECK(store.error() == errc::not_a_store);
            store = Store::create(machine.start());
        }
        if (!store) FAIL(store.error().message());
        CHECK_FALSE(store->status()->restored);
        CHECK(store->nodes().invite({.name = "branch", .addresses = {"hq.example:7700"}}));
    }
}

TEST_CASE("simulation: a store's sync fails once: unknown, then recovered, and nothing is half") {
    for (std::uint64_t seed = 1; seed <= 12; ++seed) {
        CAPTURE(seed);
        DiskMachine machine({.seed = seed});
        bool seen_before_power_cut = false;
        {
            Store store = created(machine);
            add_user(store, "alice");
            machine.disk->plan({.calls = disk_sync, .path_suffix = "-wal"});
            const auto refused = try_to_add(store, "maybe");
            REQUIRE_FALSE(refused);
            CHECK(refused.error() == errc::outcome_unknown);
            CHECK(machine.disk->fired() == 1);
            add_user(store, "bob");  // recovers first: every page is written and synced anew
            seen_before_power_cut = has_user(store, "maybe");
            machine.disk->power_off(Damage::drop);
        }
        machine.power_on();
        Store store = opened(machine);
        CHECK(has_user(store, "bob"));
        CHECK(has_user(store, "maybe") == seen_before_power_cut);
        CHECK(store.log().verify());
    }
}

TEST_CASE(
    "simulation: a store's sync fails and so does the recovery's: it stops until opened anew") {
    DiskMachine machine;
    Store store = created(machine);
    add_user(store, "alice");
    machine.disk->plan({.calls = disk_sync, .for_good = true});
    CHECK(try_to_add(store, "maybe").error() == errc::outcome_unknown);
    CHECK(try_to_add(store, "maybe").error() == errc::outcome_unknown);
    machine.disk->heal();
    CHECK(try_to_add(store, "maybe").error() == errc::outcome_unknown);
    CHECK(store.users().find("alice").error() == errc::outcome_unknown);
    machine.run->end();
    Store again = opened(machine);
    CHECK(has_user(again, "alice"));
    CHECK(again.log().verify());
}

TEST_CASE(
    "simulation: a store stopped after failed syncs: the next process's writes survive a cut") {
    for (std::uint64_t seed = 1; seed <= 8; ++seed) {
        CAPTURE(seed);
        DiskMachine machine({.seed = seed});
        {
            Store store = created(machine);
            add_user(store, "alice");
            machine.disk->plan({.calls = disk_sync, .for_good = true});
            CHECK(try_to_add(store, "maybe").error() == errc::outcome_unknown);
        }
        machine.disk->heal();
        bool seen = false;
        {
            Store store = opened(machine);
            seen = has_user(store, "maybe");
            add_user(store, "bob");
            machine.disk->power_off(Damage::drop);
        }
        machine.power_on();
        Store store = opened(machine);
        CHECK(has_user(store, "bob"));
        CHECK(has_user(store, "maybe") == seen);
        CHECK(store.log().verify());
    }
}

TEST_CASE("simulation: a sync fails, and the power goes later: what was read between is there") {
    for (std::uint64_t seed = 1; seed <= 8; ++seed) {
        for (const Damage damage : all_damages) {
            for (const bool restarts : {false, true}) {
                CAPTURE(seed);
                CAPTURE(name(damage));
                CAPTURE(restarts);
                DiskMachine machine({.seed = seed});
                std::optional<Store> store(created(machine));
                add_user(*store, "alice");
                machine.disk->plan({.calls = disk_sync, .for_good = restarts});
                CHECK(try_to_add(*store, "maybe").error() == errc::outcome_unknown);
                if (restarts) {
                    machine.run->end();
                    machine.disk->heal();
                    store.emplace(opened(machine));
                }
                const bool was_seen = has_user(*store, "maybe");
                machine.disk->power_off(damage);
                store.reset();
                machine.power_on();
                store.emplace(opened(machine));
                CHECK(has_user(*store, "alice"));
                CHECK(has_user(*store, "maybe") == was_seen);
                CHECK(store->log().verify());
            }
        }
    }
}

TEST_CASE(
    "simulation: one process's sync fails, another's does not: what that one wrote is there") {
    for (std::uint64_t seed = 1; seed <= 8; ++seed) {
        for (const Damage damage : all_damages) {
            CAPTURE(seed);
            DiskMachine machine({.seed = seed});
            std::optional<Store> first(created(machine));
            std::optional<Store> second(opened(machine));
            add_user(*first, "alice");
            machine.disk->plan({.calls = disk_sync, .path_suffix = "-wal"});
            CHECK(try_to_add(*first, "maybe").error() == errc::outcome_unknown);
            add_user(*second, "bob");
            const bool was_seen = has_user(*second, "maybe");
            machine.disk->power_off(damage);
            first.reset();
            second.reset();
            machine.power_on();
            first.emplace(opened(machine));
            CHECK(has_user(*first, "alice"));
            CHECK(has_user(*first, "bob"));
            CHECK(has_user(*first, "maybe") == was_seen);
            CHECK(first->log().verify());
        }
    }
}

TEST_CASE("simulation: a store's disk fills up: refused whole, signs in again when there is room") {
    DiskMachine machine;
    Store store = created(machine);
    const UserId alice = add_user(store, "alice");
    const auto before = state_of(store);
    machine.disk->set_capacity(machine.disk->bytes_held() + 500);
    CHECK(try_to_add(store, "bob").error() == errc::disk_full);
    CHECK(store.authenticate({.login = "alice", .password = Secret("wrong")}).error() ==
          errc::disk_full);
    CHECK(state_of(store) == before);
    machine.disk->set_capacity(std::uint64_t{1} << 40);
    CHECK(try_to_add(store, "bob"));
    CHECK(sign_in(store, "alice", "wrong guess").verdict == Verdict::refused);
    CHECK(store.lockout().show(alice)->password.failures == 1);
    CHECK(store.log().verify());
}

TEST_CASE("simulation: an older copy is put back, or a clone is started: the store notices") {
    DiskMachine machine;
    DiskImage old;
    {
        Store store = created(machine);
        old = machine.disk->image("/site/store", true);
        add_user(store, "alice");
    }
    SUBCASE("the device rolled back with the marker: nothing tells") {
        machine.disk->put_back(old, true);
        CHECK_FALSE(opened(machine).status()->restored);
    }
    SUBCASE("new files of a backup") {
        machine.disk->put_back(old, false);
        CHECK(opened(machine).status()->restored);
    }
    SUBCASE("another machine") {
        DiskMachine clone({.device = 2}, "machine-2");
        clone.disk->put_back(machine.disk->image("/site", true), true);
        Store store = opened(clone);
        CHECK(store.status()->restored);
        CHECK(has_user(store, "alice"));
    }
    SUBCASE("the directory is lost") {
        machine.disk->erase("/site/store");
        CHECK(Store::open(machine.start()).error() == errc::not_a_store);
    }
}

TEST_CASE("simulation: a bit flips in a store's file: found, not believed") {
    DiskMachine machine;
    {
        Store store = created(machine);
        for (int i = 0; i < 20; ++i) add_user(store, "user" + std::to_string(i));
        REQUIRE(store.log().compact());
    }
    const auto size = machine.disk->content("/site/store/store.db")->size();
    std::size_t found = 0;
    for (std::uint64_t offset = 8192; offset < size; offset += 4099) {
        machine.disk->flip("/site/store/store.db", offset, 3);
        auto store = Store::open(machine.start());
        if (!store || !store->log().verify()) ++found;
        if (store) store = Error(errc::cancelled);  // closed before the bit turns back
        machine.disk->flip("/site/store/store.db", offset, 3);
    }
    CHECK(found > 0);
    Store store = opened(machine);
    CHECK(store.log().verify());
}
