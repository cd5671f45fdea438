#include "asio/joining.h"

#include <chrono>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "transport/asio/fake_node.h"

using namespace countersign;
using namespace countersign::testing;
using Progress = JoinProgress::Kind;

namespace {

/// A primary that listens, and a new machine with its invitation.
struct Newcomer {
    Newcomer() {
        hq.store->found_pool();
        hq.store->commit(300, 4'000);
        REQUIRE(hq.start());
        options.node = hasty(io);
        options.on_progress = [this](const JoinProgress& each) { progress.push_back(each); };
        supply->whom = {hq.contact(true)};
        supply->invited = hq.store->invite(*store);
    }
    ~Newcomer() { hq.service.reset(); }

    void join() {
        outcome.reset();
        joining = std::make_shared<node::Joining>(
            io.get_executor(),
            options,
            [this]() -> Result<std::shared_ptr<node::Supply>> {
                if (making_fails) return *making_fails;
                return supply;
            },
            [this](Result<void> result) {
                outcome = std::move(result);
                served_at_end = supply->served;
            });
        joining->start();
    }
    bool ends() {
        const bool ended = run_until(io, [this] { return outcome.has_value(); });
        joining.reset();
        return ended;
    }
    std::optional<errc> failure() {
        join();
        if (!ends() || *outcome) return std::nullopt;
        CHECK_FALSE(outcome->error().message().empty());
        CHECK_FALSE(served_at_end);
        return outcome->error().code();
    }
    bool saw(Progress kind) const {
        return std::ranges::any_of(progress, [&](const auto& each) { return each.kind == kind; });
    }

    boost::asio::io_context io;
    FakeNode hq{io, 1, "hq"};
    std::shared_ptr<FakeLinkStore> store = std::make_shared<FakeLinkStore>(2, "branch");
    std::shared_ptr<FakeSupply> supply = std::make_shared<FakeSupply>(store);
    JoinOptions options;
    std::shared_ptr<node::Joining> joining;
    std::optional<errc> making_fails;
    std::optional<Result<void>> outcome;
    std::vector<JoinProgress> progress;
    bool served_at_end = true;
};

}  // namespace

TEST_CASE("join: a new machine with an invitation: is admitted, copies, and is given over") {
    Newcomer branch;
    branch.join();
    REQUIRE(branch.ends());
    REQUIRE(*branch.outcome);
    CHECK(branch.store->rows() == branch.hq.store->rows());
    CHECK_FALSE(branch.served_at_end);
    CHECK(branch.saw(Progress::connected));
    CHECK(branch.saw(Progress::admitted));
    CHECK(branch.progress.back().kind == Progress::proved);
    CHECK(branch.progress.back().records == branch.hq.store->rows().size());
    CHECK(branch.store.use_count() == 2);  // nothing of the links is left
    // The other side was told.
    CHECK(run_until(branch.io, [&] { return branch.hq.count(NodeEvent::Kind::link_ended) == 1; }));
}

TEST_CASE("join: nobody is there yet: is tried until somebody is") {
    Newcomer branch;
    branch.hq.stop();
    branch.join();
    run_for(branch.io, milliseconds{100});
    CHECK_FALSE(branch.outcome);
    REQUIRE(branch.hq.start());
    REQUIRE(branch.ends());
    CHECK(*branch.outcome);
}

TEST_CASE("join: the primary goes during the copy: goes on when it is back, from where it was") {
    Newcomer branch;
    branch.options.node.link.window = 64u << 10;
    branch.hq.options.link.page_bytes = 16u << 10;
    branch.hq.stop();
    REQUIRE(branch.hq.start());
    branch.join();
    REQUIRE(run_until(branch.io, [&] { return branch.store->pages_staged >= 5; }));
    branch.hq.stop();
    CHECK_FALSE(branch.outcome);
    REQUIRE(branch.hq.start());
    REQUIRE(branch.ends());
    CHECK(*branch.outcome);
    CHECK(branch.store->copies_begun == 1);
}

TEST_CASE("join: the invitation was spent by another machine: ends with that") {
    Newcomer branch;
    auto other = std::make_shared<FakeLinkStore>(3, "other");
    Link::Invited same{branch.supply->invited->request, branch.supply->invited->psk.clone()};
    auto others = branch.hq.store->invited_with(same, *other);
    branch.join();
    REQUIRE(branch.ends());
    REQUIRE(*branch.outcome);
    branch.store = other;
    branch.supply = std::make_shared<FakeSupply>(other);
    branch.supply->whom = {branch.hq.contact(true)};
    branch.supply->invited = std::move(others);
    CHECK(branch.failure() == errc::invitation_spent);
}

TEST_CASE("join: an invitation that the other side does not know: ends after some hang-ups") {
    Newcomer branch;
    branch.hq.store->expire_invitations();
    CHECK(branch.failure() == errc::handshake_failed);
}

TEST_CASE("join: time is up: ends with why the last attempt failed") {
    Newcomer branch;
    branch.hq.stop();
    branch.options.deadline = milliseconds{150};
    CHECK(branch.failure() == errc::unreachable);
}

TEST_CASE("join: time is up while the store is silent: says so") {
    Newcomer branch;
    branch.supply->whom.clear();
    branch.options.deadline = milliseconds{50};
    CHECK(branch.failure() == errc::timed_out);
}

TEST_CASE("join: the directory cannot be made, or is in use: ends with that") {
    Newcomer branch;
    branch.making_fails = errc::invalid_invitation;
    CHECK(branch.failure() == errc::invalid_invitation);
    branch.making_fails.reset();
    branch.supply->served = true;
    branch.served_at_end = false;
    branch.join();
    REQUIRE(branch.ends());
    REQUIRE_FALSE(*branch.outcome);
    CHECK(branch.outcome->error() == errc::already_served);
}

TEST_CASE("join: cancelled at any time: ends at once, and can be called again") {
    Newcomer branch;
    for (const auto wait : {0, 1, 3, 10}) {
        branch.join();
        run_for(branch.io, milliseconds{wait});
        branch.joining->cancel();
        REQUIRE(branch.ends());
        if (*branch.outcome) break;  // it was faster
        CHECK(branch.outcome->error() == errc::cancelled);
        CHECK_FALSE(branch.served_at_end);
    }
    branch.join();
    REQUIRE(branch.ends());
    CHECK(*branch.outcome);
    CHECK(branch.store->rows() == branch.hq.store->rows());
}

TEST_CASE("join: its context goes away before it ends: nothing is called") {
    auto store = std::make_shared<FakeLinkStore>(2, "branch");
    auto supply = std::make_shared<FakeSupply>(store);
    bool called = false;
    {
        boost::asio::io_context io;
        JoinOptions options;
        options.node = hasty(io);
        auto joining = std::make_shared<node::Joining>(
            io.get_executor(),
            options,
            [&]() -> Result<std::shared_ptr<node::Supply>> { return supply; },
            [&](Result<void>) { called = true; });
        joining->start();
        joining.reset();
        run_for(io, milliseconds{20});
        CHECK(supply->served);
    }
    CHECK_FALSE(called);
    CHECK_FALSE(supply->served);
}
