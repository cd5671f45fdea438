#include <algorithm>
#include <atomic>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <chrono>
#include <thread>

#include <doctest/doctest.h>

#include "cluster/live_site.h"

using namespace countersign;
using namespace countersign::testing;

namespace {

/// A primary that listens and holds one user, and machines that may join it.
struct Sites {
    Sites() {
        hq.create();
        add_user(*hq.store, "alice");
        hq.start();
    }
    bool until(const std::function<bool()>& condition) { return run_until(io, condition); }
    /// `site` has all that the primary has, and holds it soundly.
    bool in_step(LiveSite& site) {
        const auto there = site.store->log().verify();
        return site.store->status()->digest == hq.store->status()->digest && there.has_value();
    }

    boost::asio::io_context io;
    LiveSite hq{io, 1, "hq"};
    LiveSite branch{io, 2, "branch"};
    LiveSite shop{io, 3, "shop"};
};

}  // namespace

TEST_CASE("cluster: a machine joins over sockets: signs people in, and has changes at once") {
    Sites sites;
    auto& [io, hq, branch, shop] = sites;
    branch.join(hq.invite("branch"));
    CHECK(branch.progress.back().kind == JoinProgress::Kind::proved);
    CHECK(branch.store->stage() == Stage::ready);
    CHECK(sign_in(*branch.store, "alice").verdict == Verdict::accepted);
    branch.start();
    REQUIRE(sites.until([&] { return branch.saw(LinkEvent::Kind::caught_up); }));
    const auto before = std::chrono::steady_clock::now();
    add_user(*hq.store, "bob");
    REQUIRE(sites.until([&] { return branch.knows("bob"); }));
    CHECK(std::chrono::steady_clock::now() - before < std::chrono::seconds{1});
    CHECK(sign_in(*branch.store, "bob").verdict == Verdict::accepted);
    CHECK(sites.in_step(branch));
}

TEST_CASE("cluster: status: names the links, and that they are kept") {
    Sites sites;
    auto& [io, hq, branch, shop] = sites;
    hq.node_options.show_interval = milliseconds{20};
    branch.join(hq.invite("branch"));
    branch.start();
    REQUIRE(sites.until([&] { return branch.saw(LinkEvent::Kind::caught_up); }));
    REQUIRE(sites.until([&] {
        const auto links = hq.store->status()->links;
        return links.size() == 1 && links[0].acked_seq == hq.seq();
    }));
    const auto status = hq.store->status();
    CHECK(status->served);
    CHECK(status->links[0].name == "branch");
    branch.stop();
    CHECK_FALSE(branch.store->status()->served);
}

TEST_CASE("cluster: the primary goes and comes back, restarted: replicas serve on, then catch up") {
    Sites sites;
    auto& [io, hq, branch, shop] = sites;
    branch.join(hq.invite("branch"));
    branch.start();
    REQUIRE(sites.until([&] { return branch.saw(LinkEvent::Kind::caught_up); }));
    hq.close();
    REQUIRE(sites.until([&] { return branch.count(NodeEvent::Kind::dial_failed) > 0; }));
    CHECK(branch.last_reason()->code() == errc::unreachable);
    CHECK(sign_in(*branch.store, "alice").verdict == Verdict::accepted);
    hq.reopen();
    add_user(*hq.store, "bob");
    hq.start();
    REQUIRE(sites.until([&] { return branch.knows("bob"); }));
    CHECK(sites.in_step(branch));
}

TEST_CASE("cluster: the primary gone: what one replica has reaches the others") {
    Sites sites;
    auto& [io, hq, branch, shop] = sites;
    shop.join(hq.invite("shop"));
    {  // A port that is free, for its membership to name.
        LiveSite probe(io, 9, "probe");
        probe.create();
        probe.start();
        branch.port = probe.port;
    }
    branch.place.options.addresses = {"127.0.0.1:" + std::to_string(branch.port)};
    branch.join(hq.invite("branch", Capability::propose | Capability::serve));
    branch.start();
    REQUIRE(sites.until([&] { return branch.saw(LinkEvent::Kind::caught_up); }));
    shop.start();
    REQUIRE(sites.until([&] { return shop.saw(LinkEvent::Kind::caught_up); }));
    shop.close();
    add_user(*hq.store, "bob");
    REQUIRE(sites.until([&] { return branch.knows("bob"); }));
    hq.close();
    shop.reopen();
    shop.start();
    REQUIRE(sites.until([&] { return shop.knows("bob"); }));
    hq.forget();
    hq.reopen();
    hq.start();
    CHECK(sites.until([&] { return hq.saw(LinkEvent::Kind::connected); }));
}

TEST_CASE("cluster: another process writes at the primary: replicas have it within a second") {
    Sites sites;
    auto& [io, hq, branch, shop] = sites;
    branch.join(hq.invite("branch"));
    branch.start();
    REQUIRE(sites.until([&] { return branch.saw(LinkEvent::Kind::caught_up); }));
    auto tool = hq.place.open();
    const auto before = std::chrono::steady_clock::now();
    add_user(tool, "carol");
    REQUIRE(sites.until([&] { return branch.knows("carol"); }));
    CHECK(std::chrono::steady_clock::now() - before < std::chrono::seconds{1});
}

TEST_CASE("cluster: a node is removed: it signs nobody in, and is not let in again") {
    Sites sites;
    auto& [io, hq, branch, shop] = sites;
    branch.join(hq.invite("branch"));
    branch.start();
    REQUIRE(sites.until([&] { return branch.saw(LinkEvent::Kind::caught_up); }));
    REQUIRE(hq.store->nodes().remove(branch.store->status()->node));
    REQUIRE(sites.until([&] { return branch.store->stage() == Stage::removed; }));
    REQUIRE(sites.until([&] { return branch.count(NodeEvent::Kind::link_ended) == 1; }));
    CHECK(branch.last_reason()->code() == errc::not_a_member);
    CHECK(
        branch.store->authenticate({.login = "alice", .password = Secret(good_password)}).error() ==
        errc::not_a_member);
    // It was away when it was removed: the same.
    shop.join(hq.invite("shop"));
    const auto shop_node = shop.store->status()->node;
    shop.close();
    REQUIRE(hq.store->nodes().remove(shop_node));
    shop.reopen();
    shop.start();
    CHECK(sites.until([&] { return shop.store->stage() == Stage::removed; }));
}

TEST_CASE("cluster: links of one directory: are kept by one process at a time") {
    Sites sites;
    auto& [io, hq, branch, shop] = sites;
    auto again = hq.place.open();
    Node second(io.get_executor(), again);
    const auto started = second.start();
    REQUIRE_FALSE(started);
    CHECK(started.error() == errc::already_served);
    hq.stop();
    CHECK(second.start());
    CHECK(second.port() == 0);
}

TEST_CASE("cluster: a node is destroyed by the handler that hears that it has stopped: no harm") {
    Sites sites;
    sites.hq.node->async_stop([&] { sites.hq.node.reset(); });
    REQUIRE(sites.until([&] { return !sites.hq.node.has_value(); }));
    CHECK_FALSE(sites.hq.store->status()->served);
}

TEST_CASE("cluster: where a node cannot listen: says what to do, and holds nothing") {
    Sites sites;
    auto& [io, hq, branch, shop] = sites;
    branch.create();
    const auto start_at = [&](Endpoint endpoint) {
        Node node(io.get_executor(), *branch.store, {.listen = {std::move(endpoint)}});
        const auto started = node.start();
        REQUIRE_FALSE(started);
        CHECK_FALSE(started.error().detail().empty());
        return started.error().code();
    };
    CHECK(start_at({"127.0.0.1", hq.port}) == errc::address_in_use);
    CHECK(start_at({"nowhere.invalid", 0}) == errc::name_not_resolved);
    CHECK(start_at({"203.0.113.1", 0}) == errc::invalid_argument);
    Node node(io.get_executor(), *branch.store, {.listen = {{"127.0.0.1", 0}}});
    CHECK(node.start());
    CHECK(node.port() != 0);
}

TEST_CASE("cluster: invitations that do not hold: each way of joining ends with its error") {
    Sites sites;
    auto& [io, hq, branch, shop] = sites;
    const auto invitation = hq.invite("branch");
    CHECK(branch.begin_join(Secret("not an invitation")).error() == errc::invalid_invitation);
    branch.join(invitation);
    // Another machine with the same text.
    const auto spent = shop.begin_join(invitation);
    REQUIRE_FALSE(spent);
    CHECK((spent.error() == errc::invitation_spent || spent.error() == errc::handshake_failed));
    // A pool that does not know it: the address has changed hands.
    LiveSite other(io, 7, "other");
    other.create();
    const auto foreign = hq.invite("shop");
    const auto port = hq.port;
    hq.close();
    other.port = port;
    other.start();
    LiveSite fresh(io, 8, "fresh");
    CHECK(fresh.begin_join(foreign).error() == errc::handshake_failed);
}

TEST_CASE("cluster: join is cancelled: ends with errc::cancelled, and goes on when called again") {
    Sites sites;
    auto& [io, hq, branch, shop] = sites;
    const auto invitation = hq.invite("branch");
    hq.close();
    boost::asio::cancellation_signal signal;
    std::optional<Result<Store>> joined;
    join(io.get_executor(),
         branch.place.options,
         invitation,
         branch.join_options,
         boost::asio::bind_cancellation_slot(
             signal.slot(), [&](Result<Store> result) { joined.emplace(std::move(result)); }));
    REQUIRE(sites.until([&] { return branch.count(NodeEvent::Kind::dial_failed) > 0; }));
    signal.emit(boost::asio::cancellation_type::total);
    REQUIRE(sites.until([&] { return joined.has_value(); }));
    REQUIRE_FALSE(*joined);
    CHECK(joined->error() == errc::cancelled);
    hq.reopen();
    hq.start();
    branch.join(invitation);
    CHECK(sign_in(*branch.store, "alice").verdict == Verdict::accepted);
}

TEST_CASE("cluster: many threads run the context, others write, nodes come and go: all agree") {
    Sites sites;
    auto& [io, hq, branch, shop] = sites;
    branch.join(hq.invite("branch"));
    shop.join(hq.invite("shop"));
    auto guard = boost::asio::make_work_guard(io);
    io.restart();
    std::vector<std::thread> runners;
    for (int i = 0; i < 3; ++i) runners.emplace_back([&io = io] { io.run(); });
    branch.start();
    std::vector<std::thread> writers;
    for (int writer = 0; writer < 2; ++writer) {
        writers.emplace_back([&, writer] {
            for (int i = 0; i < 60; ++i) {
                const auto added = hq.store->users().create(
                    {.login = "user" + std::to_string(writer) + "x" + std::to_string(i),
                     .password = Secret(good_password)});
                CHECK(added);
            }
        });
    }
    for (int round = 0; round < 10; ++round) {
        shop.start();
        std::this_thread::sleep_for(milliseconds{15 * round});
        shop.node.reset();
    }
    for (auto& writer : writers) writer.join();
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds{20};
    while (branch.seq() != hq.seq() && std::chrono::steady_clock::now() < end) {
        std::this_thread::sleep_for(milliseconds{10});
    }
    CHECK(sites.in_step(branch));
    branch.node.reset();
    hq.node.reset();
    guard.reset();
    io.stop();
    for (auto& runner : runners) runner.join();
}
