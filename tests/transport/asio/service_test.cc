#include <boost/asio/write.hpp>

#include <doctest/doctest.h>

#include "transport/asio/fake_node.h"

using namespace countersign;
using namespace countersign::testing;
using Kind = LinkEvent::Kind;
using boost::asio::ip::tcp;

namespace {

/// A primary, and two replicas that hold what it held first.
struct Pool {
    Pool() {
        hq.store->found_pool();
        hq.store->add_member(*branch.store, Capability::propose | Capability::serve);
        hq.store->add_member(*shop.store, Capability::propose);
        branch.store->restore_from(*hq.store);
        shop.store->restore_from(*hq.store);
        REQUIRE(hq.start());
        branch.supply->whom = {hq.contact(true)};
    }
    /// The shop knows the branch too.
    void introduce() { shop.supply->whom = {hq.contact(true), branch.contact(false)}; }
    bool until(const std::function<bool()>& condition) { return run_until(io, condition); }
    bool in_step(const FakeNode& site) const { return site.store->head() == hq.store->head(); }

    boost::asio::io_context io;
    FakeNode hq{io, 1, "hq"};
    FakeNode branch{io, 2, "branch"};
    FakeNode shop{io, 3, "shop"};
};

}  // namespace

TEST_CASE("node: a replica: dials the primary, catches up and has each commit at once") {
    Pool pool;
    pool.hq.store->commit(3);
    REQUIRE(pool.branch.start());
    REQUIRE(pool.until([&] { return pool.in_step(pool.branch); }));
    CHECK(pool.until([&] { return pool.branch.saw(Kind::caught_up); }));
    pool.hq.store->commit(2);
    pool.hq.supply->change();
    CHECK(pool.until([&] { return pool.in_step(pool.branch); }));
    CHECK(pool.hq.count(NodeEvent::Kind::link_ended) == 0);
}

TEST_CASE("node: another process commits: it is noticed by looking") {
    Pool pool;
    REQUIRE(pool.branch.start());
    REQUIRE(pool.until([&] { return pool.branch.saw(Kind::caught_up); }));
    pool.hq.store->commit(1);
    pool.hq.supply->changed_elsewhere = true;
    CHECK(pool.until([&] { return pool.in_step(pool.branch); }));
}

TEST_CASE("node: many megabytes: pass sockets that take less at a time") {
    Pool pool;
    REQUIRE(pool.branch.start());
    for (int i = 0; i < 12; ++i) pool.hq.store->commit(20, 50'000);
    pool.hq.supply->change();
    CHECK(pool.until([&] { return pool.in_step(pool.branch); }));
    CHECK(pool.until([&] {
        return !pool.hq.supply->shown.empty() &&
               pool.hq.supply->shown[0].acked == pool.hq.store->head().seq;
    }));
    CHECK(pool.hq.supply->shown[0].name == "branch");
}

TEST_CASE("node: what falls due: is done when it does") {
    Pool pool;
    CHECK(pool.until([&] { return pool.hq.supply->due_runs >= 3; }));
    pool.hq.supply->due_every = std::chrono::hours{1};
    const int runs = pool.hq.supply->due_runs;
    run_for(pool.io, milliseconds{100});
    CHECK(pool.hq.supply->due_runs <= runs + 1);
}

TEST_CASE("node: the primary goes and comes back: the replica is back too, after a back-off") {
    Pool pool;
    REQUIRE(pool.branch.start());
    REQUIRE(pool.until([&] { return pool.branch.saw(Kind::caught_up); }));
    pool.hq.stop();
    REQUIRE(pool.until([&] { return pool.branch.reason() == errc::unreachable; }));
    pool.hq.store->commit(1);
    REQUIRE(pool.hq.start());
    CHECK(pool.until([&] { return pool.in_step(pool.branch); }));
}

TEST_CASE("node: the primary away: the next in the list stands in until it is back") {
    Pool pool;
    REQUIRE(pool.branch.start());
    pool.introduce();
    REQUIRE(pool.shop.start(false));
    REQUIRE(pool.until([&] { return pool.shop.linked_with(pool.hq); }));
    run_for(pool.io, milliseconds{50});
    CHECK_FALSE(pool.shop.linked_with(pool.branch));
    pool.hq.stop();
    REQUIRE(pool.until([&] { return pool.shop.linked_with(pool.branch); }));
    REQUIRE(pool.hq.start());
    CHECK(pool.until(
        [&] { return pool.shop.linked_with(pool.hq) && !pool.shop.linked_with(pool.branch); }));
}

TEST_CASE(
    "node: the primary away, and two dial each other: they settle on a link, nobody is a clone") {
    Pool pool;
    pool.branch.supply->whom = {pool.hq.contact(true)};
    REQUIRE(pool.branch.start());
    REQUIRE(pool.shop.start());
    pool.hq.store->add_member(*pool.shop.store, Capability::serve);
    pool.branch.supply->whom.push_back(pool.shop.contact(false));
    pool.introduce();
    pool.hq.supply->change();
    pool.branch.supply->change();
    pool.shop.supply->change();
    REQUIRE(pool.until([&] { return pool.in_step(pool.branch) && pool.in_step(pool.shop); }));
    pool.hq.stop();
    const auto settled = [&] {
        return pool.branch.links().size() == 1 && pool.shop.links().size() == 1 &&
               pool.branch.linked_with(pool.shop) && pool.shop.linked_with(pool.branch);
    };
    REQUIRE(pool.until(settled));
    run_for(pool.io, milliseconds{100});
    CHECK(pool.until(settled));
    CHECK(pool.branch.store->suspects.empty());
    CHECK(pool.shop.store->suspects.empty());
}

TEST_CASE("node: an address that nobody answers, a name that does not exist: the next is tried") {
    Pool pool;
    Contact hq = pool.hq.contact(true);
    hq.addresses.insert(hq.addresses.begin(),
                        {"no port", "127.0.0.1:1", "nowhere.invalid:7700", "[::1]:1"});
    pool.branch.supply->whom = {hq};
    REQUIRE(pool.branch.start());
    CHECK(pool.until([&] { return pool.branch.linked_with(pool.hq); }));
    CHECK(pool.branch.count(NodeEvent::Kind::dial_failed) == 0);
}

TEST_CASE("node: IPv6: is listened on and dialled") {
    Pool pool;
    pool.hq.stop();
    pool.hq.options.listen = {{"::1", 0}};
    if (!pool.hq.start(false)) return;  // this machine has no IPv6
    Contact hq = pool.hq.contact(true);
    hq.addresses = {"[::1]:" + std::to_string(pool.hq.service->port())};
    pool.branch.supply->whom = {hq};
    REQUIRE(pool.branch.start());
    REQUIRE(pool.until([&] { return pool.branch.saw(Kind::caught_up); }));
    CHECK(pool.branch.events.back().address == hq.addresses[0]);
}

TEST_CASE("node: a name that does not exist: says so, and tries on") {
    Pool pool;
    Contact hq = pool.hq.contact(true);
    hq.addresses = {"nowhere.invalid:7700"};
    pool.branch.supply->whom = {hq};
    REQUIRE(pool.branch.start());
    REQUIRE(pool.until([&] { return pool.branch.count(NodeEvent::Kind::dial_failed) >= 2; }));
    CHECK(pool.branch.reason() == errc::name_not_resolved);
    CHECK(pool.branch.events.back().retries);
}

TEST_CASE("node: the address belongs to another node: the next address is tried") {
    Pool pool;
    REQUIRE(pool.branch.start());
    Contact hq = pool.hq.contact(true);
    hq.addresses.insert(hq.addresses.begin(), pool.branch.contact(false).addresses[0]);
    pool.shop.supply->whom = {hq};
    REQUIRE(pool.shop.start(false));
    CHECK(pool.until([&] { return pool.shop.linked_with(pool.hq); }));
    CHECK(pool.shop.count(NodeEvent::Kind::dial_failed) == 0);
}

TEST_CASE("node: a member is removed: it hears so once, and dials no more") {
    Pool pool;
    REQUIRE(pool.branch.start());
    REQUIRE(pool.until([&] { return pool.branch.saw(Kind::caught_up); }));
    pool.hq.store->remove_member(pool.branch.store->node);
    pool.hq.supply->change();
    REQUIRE(pool.until([&] { return pool.branch.store->removed; }));
    CHECK(pool.until([&] { return pool.branch.count(NodeEvent::Kind::link_ended) == 1; }));
    CHECK(pool.branch.reason() == errc::not_a_member);
    const auto events = pool.branch.events.size();
    run_for(pool.io, milliseconds{200});
    CHECK(pool.branch.events.size() == events);
    CHECK(pool.branch.links().empty());
}

TEST_CASE("node: a newer link of the same node: takes the place of the older one") {
    Pool pool;
    REQUIRE(pool.branch.start(false));
    REQUIRE(pool.until([&] { return pool.branch.saw(Kind::caught_up); }));
    // The same store from another process, as after a crash that the primary has not noticed.
    FakeNode again(pool.io, 9, "branch");
    again.store = pool.branch.store;
    again.supply = std::make_shared<FakeSupply>(again.store);
    again.supply->whom = pool.branch.supply->whom;
    REQUIRE(again.start(false));
    REQUIRE(pool.until([&] { return pool.branch.reason() == errc::link_replaced; }));
    pool.branch.service.reset();
    CHECK(pool.until([&] { return again.linked_with(pool.hq); }));
    CHECK(pool.until([&] { return pool.hq.links().size() == 1; }));
}

TEST_CASE("node: stopped: says goodbye, gives lock and port back, and starts no more") {
    Pool pool;
    REQUIRE(pool.branch.start());
    REQUIRE(pool.until([&] { return pool.branch.saw(Kind::caught_up); }));
    bool stopped = false;
    pool.hq.service->stop([&] { stopped = true; });
    REQUIRE(pool.until([&] { return stopped; }));
    CHECK_FALSE(pool.hq.supply->served);
    CHECK(pool.until([&] { return pool.branch.count(NodeEvent::Kind::link_ended) == 1; }));
    CHECK(pool.branch.events.back().reason->detail().find("stopping") != std::string::npos);
    bool again = false;
    pool.hq.service->stop([&] { again = true; });
    CHECK(again);
    const auto restarted = pool.hq.service->start();
    REQUIRE_FALSE(restarted);
    CHECK(restarted.error() == errc::cancelled);
}

TEST_CASE("node: stopped while the store is busy: waits for it") {
    Pool pool;
    std::vector<std::function<void()>> busy;
    pool.branch.options.run_blocking = [&](std::function<void()> task) {
        busy.push_back(std::move(task));
    };
    REQUIRE(pool.branch.start());
    REQUIRE(pool.until([&] { return !busy.empty(); }));
    bool stopped = false;
    pool.branch.service->stop([&] { stopped = true; });
    run_for(pool.io, milliseconds{50});
    CHECK_FALSE(stopped);
    CHECK(pool.branch.supply->served);
    CHECK(pool.branch.supply->due_runs == 0);
    for (auto& task : busy) task();
    CHECK(pool.until([&] { return stopped; }));
    CHECK(pool.branch.supply->due_runs == 1);
    CHECK_FALSE(pool.branch.supply->served);
}

TEST_CASE("node: destroyed while linked: holds nothing of the store, and handlers do nothing") {
    Pool pool;
    REQUIRE(pool.branch.start());
    REQUIRE(pool.until([&] { return pool.branch.saw(Kind::caught_up); }));
    pool.hq.store->commit(5, 10'000);
    pool.hq.supply->change();
    const auto events = pool.branch.events.size();
    pool.branch.service.reset();
    CHECK_FALSE(pool.branch.supply->served);
    CHECK(pool.branch.store.use_count() == 2);  // the site's and the supply's
    run_for(pool.io, milliseconds{50});
    CHECK(pool.branch.events.size() == events);
    CHECK(pool.until([&] { return pool.hq.count(NodeEvent::Kind::link_ended) == 1; }));
}

TEST_CASE("node: destroyed before it was started, or while the context never ran: no harm") {
    boost::asio::io_context io;
    FakeNode idle(io, 5, "idle");
    idle.service = std::make_unique<node::Service>(
        std::make_shared<node::Loop>(io.get_executor(), nullptr, RunBlocking{}, 2),
        idle.supply,
        NodeOptions{});
    idle.service.reset();
    REQUIRE(idle.start());
    idle.service.reset();
    CHECK_FALSE(idle.supply->served);
}

TEST_CASE("node: a second one on the same store: is refused, and harms not the first") {
    Pool pool;
    auto second = std::make_unique<node::Service>(
        std::make_shared<node::Loop>(pool.io.get_executor(), nullptr, RunBlocking{}, 1),
        pool.hq.supply,
        NodeOptions{});
    const auto started = second->start();
    REQUIRE_FALSE(started);
    CHECK(started.error() == errc::already_served);
    second.reset();
    REQUIRE(pool.branch.start());
    REQUIRE(pool.until([&] { return pool.branch.saw(Kind::caught_up); }));
    pool.hq.store->commit(1);
    pool.hq.supply->change();
    CHECK(pool.until([&] { return pool.in_step(pool.branch); }));
}
