#include "countersign/simulation.h"

#include <chrono>

#include <doctest/doctest.h>

#include "support/store_fixture.h"

using namespace countersign;
using namespace countersign::simulation;
using namespace countersign::testing;
using namespace std::chrono_literals;

namespace {

/// A pool at these sites, the first its primary, with one user.
struct PoolOf {
    explicit PoolOf(std::initializer_list<const char*> names, std::uint64_t seed = 1)
        : world(*Simulation::begin({.seed = seed})) {
        for (const char* name : names) {
            auto site = world.sites().empty() ? world.create_pool(name) : world.add_site(name);
            if (!site) FAIL(site.error().message());
        }
        alice = add_user(hq().store(), "alice");
        REQUIRE(world.settle(10s));
    }
    Site& at(const char* name) { return **world.site(name); }
    Site& hq() { return *world.sites().front(); }
    Verdict sign_in(const char* name, std::string_view password = good_password) {
        auto result = at(name).sign_in("alice", password);
        if (!result) FAIL(result.error().message());
        return result->verdict;
    }

    Simulation world;
    UserId alice;
};

constexpr const char* new_password = "another good battery";

}  // namespace

TEST_CASE("simulation: sites join: users sign in at each") {
    PoolOf pool({"hq", "berlin", "lagos"});
    for (const Site* site : pool.world.sites()) {
        CHECK(pool.sign_in(site->name().c_str()) == Verdict::accepted);
        CHECK(pool.sign_in(site->name().c_str(), "wrong password") == Verdict::refused);
    }
}

TEST_CASE("simulation: a password changes while a site is cut off: the old one holds there") {
    PoolOf pool({"hq", "berlin", "lagos"});
    REQUIRE(pool.world.cut("hq", "lagos"));
    REQUIRE(pool.world.cut("berlin", "lagos"));
    REQUIRE(pool.hq().store().users().set_password(pool.alice, Secret(new_password)));
    pool.world.run(60s);
    CHECK(pool.sign_in("berlin", new_password) == Verdict::accepted);
    CHECK(pool.sign_in("lagos") == Verdict::accepted);
    CHECK(pool.sign_in("lagos", new_password) == Verdict::refused);
    pool.world.heal_all();
    REQUIRE(pool.world.settle(2min));
    CHECK(pool.sign_in("lagos", new_password) == Verdict::accepted);
}

TEST_CASE("simulation: the primary is away, two pairs find each other: batches go on spreading") {
    PoolOf pool({"hq", "berlin", "lagos", "lima", "oslo"});
    for (const char* far : {"lima", "oslo"}) {
        for (const char* near : {"hq", "berlin", "lagos"}) REQUIRE(pool.world.cut(far, near));
    }
    REQUIRE(pool.hq().store().users().set_password(pool.alice, Secret(new_password)));
    pool.world.run(10s);
    REQUIRE(pool.world.isolate("hq"));
    pool.world.run(2min);
    CHECK(pool.sign_in("lagos", new_password) == Verdict::accepted);
    CHECK(pool.sign_in("oslo", new_password) == Verdict::refused);
    // Each pair has a link that would do.
    REQUIRE(pool.world.heal("lagos", "oslo"));
    pool.world.run(10min);
    CHECK(pool.sign_in("oslo", new_password) == Verdict::accepted);
    CHECK(pool.sign_in("lima", new_password) == Verdict::accepted);
}

TEST_CASE("simulation: one direction is cut: nothing comes, and it comes once healed") {
    PoolOf pool({"hq", "berlin"});
    REQUIRE(pool.world.cut_one_way("hq", "berlin"));
    REQUIRE(pool.hq().store().users().set_password(pool.alice, Secret(new_password)));
    CHECK_FALSE(pool.world.settle(30s));
    REQUIRE(pool.world.heal("hq", "berlin"));
    CHECK(pool.world.settle(2min));
}

TEST_CASE("simulation: the power goes: what was synced is there, the link comes back") {
    for (const Damage damage : all_damages) {
        CAPTURE(simulation::name(damage));
        PoolOf pool({"hq", "berlin"});
        pool.at("berlin").cut_power(damage);
        CHECK_FALSE(pool.at("berlin").is_running());
        REQUIRE(pool.hq().store().users().set_password(pool.alice, Secret(new_password)));
        pool.world.run(30s);
        pool.at("berlin").start();
        REQUIRE(pool.world.settle(2min));
        CHECK(pool.sign_in("berlin", new_password) == Verdict::accepted);
        CHECK(pool.at("berlin").count(Event::Kind::unclean_end) == 1);
    }
}

TEST_CASE("simulation: the power goes in the middle of a write: whole or absent") {
    for (std::uint64_t call = 1; call < 12; ++call) {
        CAPTURE(call);
        PoolOf pool({"hq", "berlin"});
        pool.hq().cut_power_at(call, Damage::scatter);
        const auto written =
            pool.hq().store().users().set_password(pool.alice, Secret(new_password));
        pool.world.run(1s);
        if (!pool.hq().is_running()) pool.hq().start();
        REQUIRE(pool.world.settle(2min));
        const bool is_new = pool.sign_in("berlin", new_password) == Verdict::accepted;
        if (written) CHECK(is_new);
        if (!is_new) CHECK(pool.sign_in("berlin") == Verdict::accepted);
        CHECK(pool.hq().store().log().verify());
    }
}

TEST_CASE("simulation: a process is killed: its links break at once and come back") {
    PoolOf pool({"hq", "berlin"});
    pool.hq().kill();
    CHECK(pool.sign_in("berlin") == Verdict::accepted);
    pool.hq().start();
    // It asks its member first, and waits for nothing meanwhile.
    auto written = pool.hq().store().users().set_password(pool.alice, Secret(new_password));
    CHECK(written.error() == errc::timed_out);
    pool.world.run(10s);
    REQUIRE(pool.hq().store().users().set_password(pool.alice, Secret(new_password)));
    CHECK(pool.world.settle(2min));
    CHECK(pool.hq().count(Event::Kind::unclean_end) == 1);
}

TEST_CASE("simulation: a machine stands still: it goes on where it was") {
    PoolOf pool({"hq", "berlin"});
    pool.at("berlin").pause(10s);
    REQUIRE(pool.hq().store().users().set_password(pool.alice, Secret(new_password)));
    pool.world.run(9s);
    CHECK_FALSE(pool.world.settle(100ms));
    CHECK(pool.world.settle(60s));
}

TEST_CASE("simulation: a backup is put back: noticed, and caught up") {
    PoolOf pool({"hq", "berlin"});
    const Backup backup = pool.at("berlin").take_backup();
    REQUIRE(pool.hq().store().users().set_password(pool.alice, Secret(new_password)));
    REQUIRE(pool.world.settle(10s));
    CHECK(pool.at("berlin").restore(backup).error() == errc::busy);
    pool.at("berlin").stop();
    REQUIRE(pool.at("berlin").restore(backup));
    pool.at("berlin").start();
    REQUIRE(pool.world.settle(2min));
    CHECK(pool.at("berlin").count(Event::Kind::new_incarnation) >= 1);
    CHECK(pool.sign_in("berlin", new_password) == Verdict::accepted);
    CHECK(pool.at("berlin").restore({}).error() == errc::busy);
}

TEST_CASE("simulation: a clone is started: both ends hear of it") {
    PoolOf pool({"hq", "berlin"});
    const Backup image = pool.at("berlin").take_backup();
    auto clone = pool.world.add_clone("twin", pool.at("berlin"), image);
    REQUIRE(clone);
    pool.world.run(3min);
    CHECK(pool.hq().count(Event::Kind::clone_suspected) != 0);
    CHECK(pool.world.add_clone("other", pool.at("berlin"), {}).error() == errc::invalid_argument);
}

TEST_CASE("simulation: a disk is full: writes fail, nothing is lost, and they go on") {
    PoolOf pool({"hq", "berlin"});
    pool.hq().limit_disk(pool.hq().bytes_on_disk());
    auto written = pool.hq().store().users().set_password(pool.alice, Secret(new_password));
    for (int i = 0; written && i < 20; ++i) {
        written = pool.hq().store().users().set_password(pool.alice, Secret(new_password));
    }
    CHECK(written.error() == errc::disk_full);
    pool.hq().limit_disk(0);
    CHECK(pool.hq().store().users().set_password(pool.alice, Secret(new_password)));
    CHECK(pool.world.settle(60s));
}

TEST_CASE("simulation: a wall clock jumps: passwords work, links come back") {
    PoolOf pool({"hq", "berlin"});
    pool.at("berlin").step_wall_clock(24h);
    pool.world.run(10s);
    CHECK(pool.sign_in("berlin") == Verdict::accepted);
    CHECK(pool.at("berlin").count(Event::Kind::clock_jumped) == 1);
    const auto stands = pool.at("berlin").now().wall;
    pool.at("berlin").freeze_wall_clock(true);
    pool.world.run(10s);
    CHECK(pool.at("berlin").now().wall == stands);
    pool.at("berlin").freeze_wall_clock(false);
    pool.world.run(10s);
    CHECK(pool.at("berlin").now().wall == stands + 10s);
}

TEST_CASE("simulation: many sign-ins at once: all are answered") {
    PoolOf pool({"hq", "berlin"});
    int accepted = 0;
    int refused = 0;
    for (int i = 0; i < 200; ++i) {
        SignIn attempt;
        attempt.login = i % 2 == 0 ? "alice" : "nobody";
        attempt.password = Secret(good_password);
        attempt.source = "device " + std::to_string(i % 10);
        pool.at("berlin").sign_in(std::move(attempt), [&](Result<SignInResult> result) {
            if (result) ++(result->verdict == Verdict::accepted ? accepted : refused);
        });
    }
    pool.world.run(60s);
    CHECK(accepted == 100);
    CHECK(refused == 100);
}

TEST_CASE("simulation: writes and sign-ins at once: one commit, each is told its own outcome") {
    PoolOf pool({"hq", "berlin"});
    const auto bob = add_user(pool.hq().store(), "bob");
    const auto head = pool.hq().store().status()->seq;
    std::vector<Result<LogSeq>> written;
    std::vector<Result<UserId>> created;
    int refused = 0;
    pool.hq().write<LogSeq>(
        [&](Users users, auto done) {
            users.set_password(pool.alice, Secret(new_password), std::move(done));
        },
        [&](Result<LogSeq> seq) { written.push_back(std::move(seq)); });
    pool.hq().write<LogSeq>([&](Users users, auto done) { users.erase(bob, std::move(done)); },
                            [&](Result<LogSeq> seq) { written.push_back(std::move(seq)); });
    pool.hq().sign_in({.login = "nobody", .password = Secret("wrong password")},
                      [&](Result<SignInResult> result) {
                          if (result && result->verdict == Verdict::refused) ++refused;
                      });
    for (int i = 0; i < 2; ++i) {
        pool.hq().write<UserId>(
            [&](Users users, auto done) {
                users.create({.login = "carol", .password = Secret(good_password)},
                             std::move(done));
            },
            [&](Result<UserId> id) { created.push_back(std::move(id)); });
    }
    CHECK(written.empty());
    CHECK(pool.hq().store().status()->seq == head);
    pool.world.run(100ms);
    REQUIRE(written.size() == 2);
    for (const auto& seq : written) CHECK(seq == next(head));
    REQUIRE(created.size() == 2);
    CHECK(created[0]);
    CHECK(created[1].error() == errc::already_exists);
    CHECK(refused == 1);
    REQUIRE(pool.world.settle(10s));
    CHECK(pool.sign_in("berlin", new_password) == Verdict::accepted);
    CHECK(pool.at("berlin").store().users().get(bob).error() == errc::not_found);
}

TEST_CASE("simulation: a write is waited for: time passes, and it is there") {
    PoolOf pool({"hq", "berlin"});
    const auto began = pool.world.now().monotonic;
    const auto codes = pool.hq().write<std::vector<Secret>>(
        [&](Users users, auto done) { users.make_recovery_codes(pool.alice, std::move(done)); });
    REQUIRE(codes);
    CHECK(codes->size() == 10);
    CHECK(pool.world.now().monotonic > began);
    const auto elsewhere = pool.at("berlin").write<TotpEnrolment>(
        [&](Users users, auto done) { users.enrol_totp(pool.alice, {}, std::move(done)); });
    CHECK(elsewhere.error() == errc::not_primary);
}

TEST_CASE("simulation: the process ends with writes under way: cancelled, whole or absent") {
    for (std::uint64_t call = 0; call < 24; ++call) {
        CAPTURE(call);
        PoolOf pool({"hq", "berlin"});
        const auto bob = add_user(pool.hq().store(), "bob");
        REQUIRE(pool.world.settle(10s));
        std::vector<Result<LogSeq>> told;
        for (const UserId id : {pool.alice, bob}) {
            pool.hq().write<LogSeq>(
                [&](Users users, auto done) {
                    users.set_password(id, Secret(new_password), std::move(done));
                },
                [&](Result<LogSeq> seq) { told.push_back(std::move(seq)); });
        }
        if (call == 0) {
            pool.hq().kill();
        } else {
            pool.hq().cut_power_at(call, Damage::scatter);
        }
        pool.world.run(1s);
        REQUIRE(told.size() == 2);
        CHECK(told[0].has_value() == told[1].has_value());
        if (!pool.hq().is_running()) pool.hq().start();
        REQUIRE(pool.world.settle(2min));
        const bool is_new = pool.sign_in("berlin", new_password) == Verdict::accepted;
        const auto of_bob = pool.at("berlin").sign_in("bob", new_password);
        REQUIRE(of_bob);
        CHECK((of_bob->verdict == Verdict::accepted) == is_new);  // they were one commit
        if (told[0]) CHECK(is_new);
        if (call == 0) {
            CHECK(told[0].error() == errc::cancelled);
            CHECK_FALSE(is_new);
        }
        CHECK(pool.hq().store().log().verify());
    }
}

TEST_CASE("simulation: a slow and lossy route: the copy takes as long as its bytes need") {
    Simulation world = *Simulation::begin(
        {.route = {.latency = 50ms, .jitter = 10ms, .loss = 0.1, .bytes_per_second = 2'000}});
    REQUIRE(world.create_pool("hq"));
    for (int i = 0; i < 20; ++i) {
        add_user((*world.site("hq"))->store(), "user" + std::to_string(i));
    }
    const auto began = world.now().monotonic;
    REQUIRE(world.add_site("far"));
    CHECK(world.now().monotonic - began > 5s);
    CHECK(world.settle(60s));
}

TEST_CASE("simulation: the same seed: the same run, to the byte; another: another") {
    const auto run = [](std::uint64_t seed) {
        PoolOf pool({"hq", "berlin", "lagos"}, seed);
        pool.at("lagos").cut_power(Damage::tear_512);
        pool.world.run(20s);
        pool.at("lagos").start();
        (void)pool.sign_in("berlin");
        pool.world.settle(2min);
        return pool.world.trace_hash();
    };
    CHECK(run(7) == run(7));
    CHECK(run(7) != run(8));
}

TEST_CASE("simulation: a replica's record rots: found, refused, and mended by the other site") {
    PoolOf pool({"hq", "berlin"});
    auto& berlin = pool.at("berlin");
    CHECK(berlin.damage_record(0).error() == errc::busy);
    berlin.stop();
    REQUIRE(berlin.damage_record(0));
    berlin.start();
    CHECK_FALSE(berlin.store().log().verify());
    CHECK_FALSE(berlin.store().status()->damage.empty());
    REQUIRE(pool.world.run_until([&] { return berlin.store().status()->damage.empty(); }, 2min));
    CHECK(berlin.store().log().verify());
    CHECK(pool.sign_in("berlin") == Verdict::accepted);
    berlin.stop();
    REQUIRE(berlin.erase_disk());
    CHECK(berlin.damage_record(0).error() == errc::not_found);
}

TEST_CASE("simulation: what does not exist, or cannot be: a clear error, nothing changed") {
    PoolOf pool({"hq", "berlin"});
    const auto before = pool.world.trace_hash();
    CHECK(pool.world.site("paris").error() == errc::not_found);
    CHECK(pool.world.cut("hq", "paris").error() == errc::not_found);
    CHECK(pool.world.cut_one_way("paris", "hq").error() == errc::not_found);
    CHECK(pool.world.heal("hq", "paris").error() == errc::not_found);
    CHECK(pool.world.isolate("paris").error() == errc::not_found);
    CHECK(pool.world.set_route("hq", "paris", {}).error() == errc::not_found);
    CHECK(pool.world.set_route("hq", "berlin", {.loss = 0.9}).error() == errc::invalid_argument);
    CHECK(pool.world.set_route("hq", "berlin", {.latency = -1ms}).error() ==
          errc::invalid_argument);
    CHECK(pool.world.create_pool("second").error() == errc::already_exists);
    CHECK(pool.world.add_site("berlin").error() == errc::already_exists);
    CHECK(pool.world.trace_hash() == before);
    CHECK(Simulation::begin({.route = {.jitter = -1ms}}).error() == errc::invalid_argument);
    CHECK(Simulation::begin({.task_time = -1ms}).error() == errc::invalid_argument);
    Simulation empty = *Simulation::begin();
    CHECK(empty.create_pool("no spaces").error() == errc::invalid_argument);
    CHECK(empty.create_pool("").error() == errc::invalid_argument);
    CHECK(empty.add_site("early").error() == errc::primary_unreachable);
    pool.hq().stop();
    const auto refused = pool.hq().sign_in("alice", good_password);
    CHECK(refused.error() == errc::cancelled);
    const auto not_written = pool.hq().write<LogSeq>(
        [&](Users users, auto done) { users.erase(pool.alice, std::move(done)); });
    CHECK(not_written.error() == errc::cancelled);
}
