#include <future>
#include <thread>

#include <doctest/doctest.h>

#include "cluster/linked_sites.h"

using namespace countersign;
using namespace countersign::testing;
using namespace std::chrono_literals;

namespace {

/// A power cut at a site whose disk keeps nothing of what is written after this was made.
class PowerCut {
  public:
    explicit PowerCut(Site& site) : site_(site), kept_(site) {}
    void happen() const {
        site_.place.environment->refuse_to_write("marker", errc::io_error);
        site_.close();
        site_.place.environment->allow_all_writes();
        kept_.put_back({"store.db", "store.db-wal", "store.db-shm"});
        site_.place.events.forget();
    }

  private:
    Site& site_;
    KeptFiles kept_;
};

/// A primary and two members that hold all it wrote.
struct Pool {
    Pool() {
        hq.create();
        add_user(*hq.store, "alice");
        for (Site* site : {&branch, &edge}) let_in(hq, *site);
        pass(1min);
        add_user(*hq.store, "andrew");  // the marker is written
        for (Site* site : {&branch, &edge}) link(*site);
    }
    void pass(milliseconds time) {
        for (Site* site : {&hq, &branch, &edge}) site->place.environment->pass(time);
    }
    void link(Site& site) {
        SiteLink link(site, hq);
        link.run();
    }
    /// Loses bob, whom the branch has heard of. Its process serves again.
    void cut_power() {
        const PowerCut cut(hq);
        add_user(*hq.store, "bob");
        link(branch);
        REQUIRE(branch.store->users().find("bob"));
        cut.happen();
        pass(1min);
    }
    void serve() {
        hq.reopen();
        auto lock = hq.store->links().serve();
        REQUIRE(lock);
        serving = std::move(*lock);
    }
    bool heard(Event::Kind kind) const { return hq.place.events.heard(kind); }

    Site hq{1, "hq"};
    Site branch{2, "branch"};
    Site edge{3, "edge"};
    std::unique_ptr<FileLock> serving;
};

/// A write that may have to wait, on a thread of its own.
struct Write {
    Write(Store& store, const char* login)
        : outcome(std::async(std::launch::async, [&store, login] {
              return store.users().create({.login = login, .password = Secret(good_password)});
          })) {}
    bool waits() { return outcome.wait_for(50ms) == std::future_status::timeout; }
    /// Fails the test rather than hang.
    Result<UserId> get() {
        REQUIRE(outcome.wait_for(30s) == std::future_status::ready);
        return outcome.get();
    }
    std::future<Result<UserId>> outcome;
};

}  // namespace

TEST_CASE("cluster: a primary's disk lost a batch in a power cut: it comes back before a write") {
    Pool pool;
    pool.cut_power();
    pool.serve();
    CHECK(pool.heard(Event::Kind::unclean_end));
    CHECK_FALSE(pool.heard(Event::Kind::new_incarnation));
    REQUIRE(pool.hq.store->users().find("bob").error() == errc::not_found);
    Write carol(*pool.hq.store, "carol");
    CHECK(carol.waits());
    // Who signs in does not wait, and nothing is signed meanwhile.
    CHECK(sign_in(*pool.hq.store, "alice").verdict == Verdict::accepted);
    CHECK(pool.hq.store->links().store()->newest_pulse(pool.hq.place.environment->now()) ==
          nullptr);
    pool.link(pool.branch);
    CHECK(pool.hq.store->users().find("bob"));
    CHECK(carol.waits());  // the edge may know of yet another
    bool all = false;
    SUBCASE("all are heard from") {
        all = true;
        pool.link(pool.edge);
    }
    SUBCASE("the last is not, within the time") {
        pool.pass(5s);
    }
    REQUIRE(carol.get());
    CHECK(pool.heard(Event::Kind::members_not_heard) != all);
    for (Site* site : {&pool.branch, &pool.edge}) {
        pool.link(*site);
        CHECK(in_step(pool.hq, *site));
        CHECK_FALSE(site->place.events.heard(Event::Kind::fork));
    }
    CHECK_FALSE(pool.heard(Event::Kind::fork));
    CHECK(pool.hq.store->users().find("carol"));
    add_user(*pool.hq.store, "dave");  // waits no more
}

TEST_CASE(
    "cluster: an unclean end, and nobody can be reached: goes on after a while, and says so") {
    Pool pool;
    PowerCut(pool.hq).happen();
    pool.serve();
    Write bob(*pool.hq.store, "bob");
    pool.pass(4'999ms);
    CHECK(bob.waits());
    CHECK_FALSE(pool.heard(Event::Kind::members_not_heard));
    pool.pass(1ms);
    REQUIRE(bob.get());
    CHECK(pool.hq.place.events.count(Event::Kind::members_not_heard) == 1);
    CHECK(pool.hq.place.events.detail_of(Event::Kind::members_not_heard).starts_with("2 of 2"));
    // Once, not after the next end, which is in order.
    pool.serving.reset();
    pool.hq.close();
    pool.hq.place.events.forget();
    pool.serve();
    add_user(*pool.hq.store, "carol");
    CHECK_FALSE(pool.heard(Event::Kind::members_not_heard));
}

TEST_CASE("cluster: an unclean end and no write: run_due ends the asking when its time is over") {
    Pool pool;
    PowerCut(pool.hq).happen();
    pool.serve();
    const auto contacts = pool.hq.store->links().contacts();
    CHECK(contacts.size() == 2);
    for (const auto& each : contacts) CHECK(each.is_asked);
    const auto now = pool.hq.place.environment->now().monotonic;
    CHECK(pool.hq.store->run_due() <= now + 1s);
    CHECK_FALSE(pool.heard(Event::Kind::members_not_heard));
    pool.pass(5s);
    pool.hq.store->run_due();
    CHECK(pool.heard(Event::Kind::members_not_heard));
    CHECK(pool.hq.store->links().contacts().empty());
    add_user(*pool.hq.store, "bob");
}

TEST_CASE("cluster: a member holds more and does not give it back: needs confirmation") {
    Pool pool;
    pool.cut_power();
    pool.serve();
    auto told = pool.hq.store->links().store()->head();
    told.seq = next(told.seq);
    REQUIRE(pool.hq.store->links().store()->heard_head(pool.branch.store->status()->node, told));
    Write carol(*pool.hq.store, "carol");
    CHECK(carol.waits());
    pool.pass(5s);
    CHECK(carol.get().error() == errc::needs_confirmation);
    pool.pass(1h);
    pool.hq.store->run_due();
    CHECK_FALSE(pool.heard(Event::Kind::members_not_heard));
    SUBCASE("it gives it back after all") {
        pool.link(pool.branch);
        add_user(*pool.hq.store, "carol");
        pool.link(pool.branch);
        CHECK(in_step(pool.hq, pool.branch));
        CHECK_FALSE(pool.heard(Event::Kind::fork));
    }
    SUBCASE("an operator decides") {
        REQUIRE(pool.hq.store->confirm_primary());
        add_user(*pool.hq.store, "carol");
    }
    SUBCASE("an operator decides, in another process") {
        auto tool = Store::open(pool.hq.place.options);
        REQUIRE(tool);
        REQUIRE(tool->confirm_primary());
        add_user(*pool.hq.store, "carol");
        add_user(*tool, "dave");
    }
}

TEST_CASE("cluster: an unclean end and a shorter deadline: timed out, and nothing was written") {
    Pool pool;
    PowerCut(pool.hq).happen();
    pool.hq.place.options.deadline = 1s;
    pool.serve();
    const auto before = state_of(*pool.hq.store);
    Write bob(*pool.hq.store, "bob");
    CHECK(bob.waits());
    pool.pass(1s);
    CHECK(bob.get().error() == errc::timed_out);
    CHECK(state_of(*pool.hq.store) == before);
}

TEST_CASE("cluster: an unclean end and a tool: waits for nobody where nobody serves") {
    Pool pool;
    PowerCut(pool.hq).happen();
    auto tool = Store::open(pool.hq.place.options);
    REQUIRE(tool);
    add_user(*tool, "bob");
    CHECK(pool.hq.place.events.count(Event::Kind::members_not_heard) == 1);
    add_user(*tool, "carol");
    CHECK(pool.hq.place.events.count(Event::Kind::members_not_heard) == 1);
}

TEST_CASE("cluster: an unclean end and a tool that only reads: asking is left to who serves") {
    Pool pool;
    pool.cut_power();
    {
        auto tool = Store::open(pool.hq.place.options);
        REQUIRE(tool);
        CHECK(tool->users().find("alice"));
    }
    pool.hq.place.events.forget();
    pool.serve();
    CHECK_FALSE(pool.heard(Event::Kind::unclean_end));
    Write carol(*pool.hq.store, "carol");
    CHECK(carol.waits());
    for (Site* site : {&pool.branch, &pool.edge}) pool.link(*site);
    REQUIRE(carol.get());
    CHECK(pool.hq.store->users().find("bob"));
}

TEST_CASE("cluster: an unclean end and a tool beside who serves: waits for what that one hears") {
    Pool pool;
    pool.cut_power();
    pool.serve();
    auto tool = Store::open(pool.hq.place.options);
    REQUIRE(tool);
    Write carol(*tool, "carol");
    CHECK(carol.waits());
    for (Site* site : {&pool.branch, &pool.edge}) pool.link(*site);
    CHECK(carol.waits());
    pool.hq.store->run_due();
    REQUIRE(carol.get());
    CHECK(pool.hq.store->users().find("bob"));
    REQUIRE(pool.hq.store->links().look());
    pool.link(pool.branch);
    CHECK(in_step(pool.hq, pool.branch));
    CHECK_FALSE(pool.heard(Event::Kind::members_not_heard));
}
