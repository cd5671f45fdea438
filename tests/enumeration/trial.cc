#include "enumeration/trial.h"

#include <doctest/doctest.h>

#include "enumeration/allocations.h"

namespace countersign::testing {

using namespace simulation;

namespace {

constexpr std::uint64_t more_seed = 77;

StoredState shown(const Scene& scene) {
    return stored_state(scene.machine.disk->image("/", false));
}

StoredState durable(const Scene& scene) {
    return stored_state(scene.machine.disk->image("/", true));
}

void begin(const Operation& operation, Scene& scene) {
    if (operation.opens_before) {
        const auto opened = scene.open();
        if (!opened) FAIL(opened.error().message());
    }
    scene.machine.disk->heal();
}

/// One more durable write, such as this store may make.
Result<void> write_more(Scene& scene) {
    scene.machine.run->reseed(more_seed);
    Store& store = *scene.store;
    if (store.stage() == Stage::joining || store.stage() == Stage::copying) {
        const auto begun = store.links().store()->begin_copy();
        return begun ? Result<void>() : begun.error();
    }
    if (store.stage() == Stage::removed) return {};
    if (scene.start == Start::empty || scene.start == Start::primary) {
        NewUser user;
        user.login = "later";
        user.password = Secret(good_password);
        const auto made = store.users().create(std::move(user));
        return made ? Result<void>() : made.error();
    }
    const auto refused = store.authenticate({.login = "alice", .password = Secret("later wrong")});
    return refused ? Result<void>() : refused.error();
}

/// That the store which runs is sound and writes on.
void check_sound(Scene& scene) {
    Store& store = *scene.store;
    if (store.stage() == Stage::ready) {
        const auto verified = store.log().verify();
        if (!verified) FAIL_CHECK(verified.error().message());
        const auto status = store.status();
        REQUIRE(status);
        CHECK_FALSE(status->restored);
    }
    const auto more = write_more(scene);
    if (!more) FAIL_CHECK(more.error().message());
}

/// Opens the store again, or does the operation that makes it.
void reopen(const Operation& operation, Scene& scene) {
    auto opened = scene.open();
    if (!opened && !operation.opens_before) {
        // What makes a store has not: then it can make one now.
        CHECK((opened.error() == errc::not_a_store || opened.error() == errc::not_a_member));
        opened = operation.run(scene);
    }
    if (!opened) FAIL(opened.error().message());
}

}  // namespace

Baseline measure(const Operation& operation) {
    Baseline baseline;
    {
        Scene scene(operation.start);
        begin(operation, scene);
        baseline.before = shown(scene);
        Allocations::heal();
        const auto done = operation.run(scene);
        baseline.allocations = Allocations::count();
        if (!done) FAIL(done.error().message());
        baseline.changes = scene.machine.disk->calls(disk_changes);
        baseline.calls = scene.machine.disk->calls(disk_any);
        baseline.after = shown(scene);
        CHECK(durable(scene) == baseline.after);
        if (scene.store) {
            baseline.stage = scene.store->stage();
            const auto more = write_more(scene);
            if (!more) FAIL(more.error().message());
            baseline.after_and_more = shown(scene);
        }
    }
    if (operation.opens_before) {
        Scene scene(operation.start);
        begin(operation, scene);
        REQUIRE(write_more(scene));
        baseline.before_and_more = shown(scene);
    }
    return baseline;
}

void crash(const Operation& operation, const Baseline& baseline, std::uint64_t n, Damage damage) {
    CAPTURE(std::string(operation.name));
    CAPTURE(n);
    CAPTURE(std::string(name(damage)));
    Scene scene(operation.start, n);
    begin(operation, scene);
    scene.machine.disk->stop_at(n, damage);
    const auto done = operation.run(scene);
    CHECK_FALSE(scene.machine.disk->is_on());
    scene.end();

    const auto state = durable(scene);
    CHECK(state.damage == "");
    const bool acknowledged = done && operation.opens_before && !operation.is_silent;
    const bool is_whole = state == baseline.after;
    if (acknowledged) CHECK(difference(state, baseline.after) == "");
    if (!is_whole && !operation.in_steps && operation.opens_before) {
        CHECK(difference(state, baseline.before) == "");
    }
    reopen(operation, scene);
    check_sound(scene);
}

void fail(const Operation& operation, const Baseline& baseline, const Failure& failure) {
    CAPTURE(std::string(operation.name));
    CAPTURE(failure.of_allocation);
    CAPTURE(failure.nth);
    CAPTURE(failure.for_good);
    CAPTURE(failure.error);
    CAPTURE(static_cast<int>(failure.effect));
    Scene scene(operation.start, failure.nth);
    begin(operation, scene);
    if (failure.of_allocation) {
        Allocations::fail(failure.nth, failure.for_good);
    } else {
        scene.machine.disk->plan({.nth = failure.nth,
                                  .error = failure.error,
                                  .for_good = failure.for_good,
                                  .effect = failure.effect});
    }
    const auto done = operation.run(scene);
    const auto error = done ? std::string("done") : done.error().message();
    CAPTURE(error);
    Allocations::heal();
    scene.machine.disk->heal();

    const auto state = shown(scene);
    CHECK(state.damage == "");
    const bool unknown = !done && done.error() == errc::outcome_unknown;
    const bool may_be_there = done || unknown || operation.in_steps || !operation.opens_before;
    const bool may_be_absent = !done || !operation.opens_before;
    if (!operation.in_steps && operation.opens_before) {
        const bool is_whole = may_be_there && state == baseline.after;
        const auto& expected = may_be_absent && !is_whole ? baseline.before : baseline.after;
        CHECK(difference(state, expected) == "");
    }
    // Goes on in the same process, unless the store has stopped and said so.
    if (!scene.store) {
        reopen(operation, scene);
    }
    if (state == baseline.after && operation.opens_before && baseline.stage &&
        scene.store->stage() != *baseline.stage) {
        // Such as a copy that was proved and could not be entered; or, where it could not be known
        // whether the call took effect, whoever made it makes it again.
        scene.store->run_due();
        if (unknown && scene.store->stage() != *baseline.stage) CHECK(operation.run(scene));
        CHECK(scene.store->stage() == *baseline.stage);
    }
    auto more = write_more(scene);
    if (!more && more.error() == errc::outcome_unknown && failure.for_good) {
        scene.end();
        REQUIRE(scene.open());
        more = write_more(scene);
    }
    if (!more) FAIL_CHECK(more.error().message());
    if (scene.store->stage() == Stage::ready) {
        const auto verified = scene.store->log().verify();
        if (!verified) FAIL_CHECK(verified.error().message());
    }
    const auto then = shown(scene);
    scene.machine.disk->power_off(Damage::drop);
    scene.end();
    CHECK(difference(durable(scene), then) == "");
    const auto again = scene.open();
    if (!again) FAIL_CHECK(again.error().message());
}

}  // namespace countersign::testing
