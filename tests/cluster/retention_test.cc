#include <doctest/doctest.h>

#include "cluster/linked_sites.h"

using namespace countersign;
using namespace countersign::testing;
using namespace std::chrono_literals;

namespace {

/// A primary and two members that hold all it wrote; it keeps batches that all have for a day.
struct Pool {
    Pool() {
        hq.create();
        for (Site* site : {&branch, &edge}) let_in(hq, *site);
    }
    void pass(milliseconds time) {
        for (Site* site : {&hq, &branch, &edge}) site->place.environment->pass(time);
    }
    void link(Site& site) {
        SiteLink link(site, hq);
        link.run();
    }
    LogSeq head() { return hq.store->status()->seq; }

    Site hq{1, "hq"};
    Site branch{2, "branch"};
    Site edge{3, "edge"};
};

LogSeq oldest(Site& site) {
    for (LogSeq seq = site.store->status()->seq;; seq = LogSeq{value(seq) - 1}) {
        if (seq == LogSeq{0} || !site.store->log().exact(seq)) return next(seq);
    }
}

}  // namespace

TEST_CASE("cluster: retention: what all members have goes when it is a day old, and no more") {
    Pool pool;
    add_user(*pool.hq.store, "alice");
    for (Site* site : {&pool.branch, &pool.edge}) pool.link(*site);
    const LogSeq all_have = pool.head();
    add_user(*pool.hq.store, "bob");
    pool.link(pool.branch);
    add_user(*pool.hq.store, "carol");
    add_user(*pool.hq.store, "dave");

    pool.pass(23h);
    pool.hq.store->run_due();
    CHECK(oldest(pool.hq) == LogSeq{1});
    pool.pass(2h);
    pool.hq.store->run_due();
    CHECK(oldest(pool.hq) == next(all_have));
    // Nobody has told the branch anything: a replica keeps by age and size.
    pool.branch.store->run_due();
    CHECK(oldest(pool.branch) < all_have);

    // The one that lagged needs no copy.
    {
        SiteLink link(pool.edge, pool.hq);
        link.run();
        CHECK(link.status().copied == 0);
    }
    CHECK(in_step(pool.hq, pool.edge));
    pool.pass(1min);
    pool.hq.store->run_due();
    CHECK(oldest(pool.hq) == LogSeq{value(pool.head()) - 1});
    pool.link(pool.branch);
    pool.pass(1min);
    pool.hq.store->run_due();
    CHECK(oldest(pool.hq) == pool.head());
    CHECK(pool.hq.store->log().verify());
    add_user(*pool.hq.store, "erin");
    CHECK(pool.hq.store->log().verify());
}

TEST_CASE("cluster: retention: a member stays away: kept for it until the age limit, then not") {
    Pool pool;
    const LogSeq edge_has = pool.edge.store->status()->seq;
    add_user(*pool.hq.store, "alice");
    pool.link(pool.branch);
    pool.link(pool.edge);
    REQUIRE(edge_has < pool.head());
    const LogSeq all_have = pool.head();
    add_user(*pool.hq.store, "bob");
    for (int day = 2; day < 29; day += 9) {
        pool.pass(24h * 9);
        add_user(*pool.hq.store, "user" + std::to_string(day));
        pool.link(pool.branch);
        pool.hq.store->run_due();
        CHECK(oldest(pool.hq) == next(all_have));
    }
    pool.pass(24h * 4);
    pool.hq.store->run_due();
    CHECK(oldest(pool.hq) > next(all_have));
    // The newest are still handed on from memory.
    pool.hq.close();
    pool.hq.reopen();
    {
        SiteLink link(pool.edge, pool.hq);
        link.run();
        CHECK(link.status().copied > 0);
    }
    CHECK(in_step(pool.hq, pool.edge));
}

TEST_CASE("cluster: retention: after a restart, members not heard of yet: kept for them") {
    Pool pool;
    add_user(*pool.hq.store, "alice");
    for (Site* site : {&pool.branch, &pool.edge}) pool.link(*site);
    pool.hq.close();
    pool.pass(25h);
    pool.hq.reopen();
    pool.link(pool.branch);
    pool.hq.store->run_due();
    CHECK(oldest(pool.hq) == LogSeq{1});
    pool.link(pool.edge);
    pool.pass(1min);
    pool.hq.store->run_due();
    CHECK(oldest(pool.hq) == pool.head());
}

TEST_CASE("cluster: retention: a removed node: the batch that tells it so stays for a while") {
    Pool pool;
    for (Site* site : {&pool.branch, &pool.edge}) pool.link(*site);
    const auto edge = pool.edge.store->status()->node;
    const auto removed_at = pool.hq.store->nodes().remove(edge);
    REQUIRE(removed_at);
    add_user(*pool.hq.store, "alice");
    pool.link(pool.branch);
    pool.pass(25h);
    pool.hq.store->run_due();
    CHECK(oldest(pool.hq) == *removed_at);
    pool.link(pool.edge);
    CHECK(pool.edge.store->stage() == Stage::removed);
    pool.pass(24h * 30);
    pool.hq.store->run_due();
    CHECK(oldest(pool.hq) == pool.head());
}

TEST_CASE("cluster: retention: a process that keeps no links: goes by what the serving one shows") {
    Pool pool;
    add_user(*pool.hq.store, "alice");
    for (Site* site : {&pool.branch, &pool.edge}) pool.link(*site);
    auto links = pool.hq.store->links();
    links.show({});
    pool.pass(25h);
    auto tool = Store::open(pool.hq.place.options);
    REQUIRE(tool);
    // Nobody serves: what is in the file is of another day.
    tool->run_due();
    CHECK(oldest(pool.hq) == LogSeq{1});
    const auto serving = links.serve();
    REQUIRE(serving);
    pool.pass(1min);
    tool->run_due();
    CHECK(oldest(pool.hq) == pool.head());
}
