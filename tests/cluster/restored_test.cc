#include <filesystem>

#include <doctest/doctest.h>

#include "cluster/linked_sites.h"

using namespace countersign;
using namespace countersign::testing;

namespace {

/// Puts an older copy of a closed site's directory back.
class Backup {
  public:
    explicit Backup(Site& site) : site_(site), copy_(site.place.options.directory + ".backup") {
        site_.place.copy_files(copy_);
    }
    void restore() const {
        site_.close();
        // Beside the one that it replaces, so that no file gets the number of an old one.
        const auto fresh = copy_ + ".restored";
        std::filesystem::copy(copy_, fresh);
        std::filesystem::remove_all(site_.place.options.directory);
        std::filesystem::rename(fresh, site_.place.options.directory);
        site_.place.environment->pass(std::chrono::minutes{1});
    }

  private:
    Site& site_;
    std::string copy_;
};

struct Pool {
    Pool() {
        hq.create();
        add_user(*hq.store, "alice");
        let_in(hq, branch);
    }
    void link() {
        SiteLink link(branch, hq);
        link.run();
        link.pass(std::chrono::seconds{10});
    }
    Site hq{1, "hq"};
    Site branch{2, "branch"};
};

}  // namespace

TEST_CASE("cluster: a primary restored from a backup: pulls its later batches back, then writes") {
    Pool pool;
    const Backup backup(pool.hq);
    add_user(*pool.hq.store, "bob");
    pool.link();
    backup.restore();
    pool.branch.place.environment->pass(std::chrono::minutes{1});
    pool.hq.reopen();
    CHECK(pool.hq.place.events.heard(Event::Kind::new_incarnation));
    CHECK(pool.hq.store->users().find("bob").error() == errc::not_found);
    const auto refused =
        pool.hq.store->users().create({.login = "carol", .password = Secret(good_password)});
    REQUIRE_FALSE(refused);
    CHECK(refused.error() == errc::needs_confirmation);
    pool.link();
    CHECK(pool.hq.store->users().find("bob"));
    add_user(*pool.hq.store, "carol");
    pool.link();
    CHECK(in_step(pool.hq, pool.branch));
    CHECK(sign_in(*pool.branch.store, "carol").verdict == Verdict::accepted);

    // What a member has said need not be said again.
    pool.hq.store->run_due();
    pool.hq.place.environment->pass(std::chrono::minutes{2});
    pool.hq.store->run_due();
    pool.hq.close();
    pool.hq.reopen();
    add_user(*pool.hq.store, "dave");
}

TEST_CASE(
    "cluster: a restored primary that is confirmed too soon: a fork, and who sees it says so") {
    Pool pool;
    const Backup backup(pool.hq);
    add_user(*pool.hq.store, "bob");
    pool.link();
    backup.restore();
    pool.hq.reopen();
    REQUIRE(pool.hq.store->confirm_primary());
    add_user(*pool.hq.store, "carol");
    const auto before = state_of(*pool.branch.store);
    pool.branch.place.environment->pass(std::chrono::minutes{1});
    pool.link();
    CHECK(state_of(*pool.branch.store) == before);
    const bool told = pool.hq.place.events.heard(Event::Kind::fork) ||
                      pool.branch.place.events.heard(Event::Kind::fork);
    CHECK(told);
    CHECK(sign_in(*pool.branch.store, "bob").verdict == Verdict::accepted);
}

TEST_CASE("cluster: a sign of life of another branch: refused, and both heads are told") {
    Pool pool;
    const Backup backup(pool.hq);
    add_user(*pool.hq.store, "bob");
    pool.link();
    backup.restore();
    pool.hq.reopen();
    REQUIRE(pool.hq.store->confirm_primary());
    add_user(*pool.hq.store, "carol");
    const auto hq = pool.hq.store->links().store();
    const auto branch = pool.branch.store->links().store();
    REQUIRE(hq->head().seq == branch->head().seq);
    const auto pulse = hq->newest_pulse(pool.hq.place.environment->now());
    REQUIRE(pulse);
    const auto taken = branch->take_pulse(*pulse, pool.branch.place.environment->now());
    CHECK(taken.error() == errc::fork);
    CHECK(pool.branch.place.events.heard(Event::Kind::fork));
}

TEST_CASE("cluster: a restored primary and a member that lagged: waits for one that did not") {
    Pool pool;
    Site edge(3, "edge");
    let_in(pool.hq, edge);
    pool.link();
    add_user(*pool.hq.store, "bob");
    const Backup backup(pool.hq);
    add_user(*pool.hq.store, "carol");
    pool.link();
    backup.restore();
    pool.branch.place.environment->pass(std::chrono::minutes{1});
    edge.place.environment->pass(std::chrono::minutes{1});
    pool.hq.reopen();
    const auto write = [&] {
        return pool.hq.store->users().create({.login = "dave", .password = Secret(good_password)});
    };
    {
        SiteLink link(edge, pool.hq);
        link.run();
        link.pass(std::chrono::seconds{10});
    }
    const auto refused = write();
    REQUIRE_FALSE(refused);
    CHECK(refused.error() == errc::needs_confirmation);
    pool.link();
    CHECK(pool.hq.store->users().find("carol"));
    CHECK(write());
    pool.link();
    CHECK(in_step(pool.hq, pool.branch));
}

TEST_CASE("cluster: a replica restored from a backup: begins anew, and catches up") {
    Pool pool;
    const Backup backup(pool.branch);
    add_user(*pool.hq.store, "bob");
    pool.link();
    backup.restore();
    pool.hq.place.environment->pass(std::chrono::minutes{1});
    pool.branch.reopen();
    CHECK(pool.branch.place.events.heard(Event::Kind::new_incarnation));
    pool.link();
    CHECK(in_step(pool.hq, pool.branch));
    CHECK(sign_in(*pool.branch.store, "bob").verdict == Verdict::accepted);
}

TEST_CASE("cluster: two directories speak as one node: noticed") {
    Pool pool;
    const Backup backup(pool.branch);
    pool.link();
    Site clone(3, "branch");
    clone.place.options.directory = pool.branch.place.options.directory + ".backup";
    clone.reopen();
    CHECK(clone.place.events.heard(Event::Kind::new_incarnation));
    add_user(*pool.hq.store, "bob");
    SiteLink first(pool.branch, pool.hq);
    first.run();
    CHECK(first.status().state == LinkStatus::State::following);
}
