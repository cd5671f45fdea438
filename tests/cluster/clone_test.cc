#include <doctest/doctest.h>

#include "cluster/linked_sites.h"

using namespace countersign;
using namespace countersign::testing;
using namespace std::chrono_literals;

namespace {

/// A disk that is rolled back with all it holds: the node itself cannot tell.
class Snapshot {
  public:
    explicit Snapshot(Site& site) : site_(site), kept_(site) {}
    void roll_back() const {
        site_.close();
        kept_.put_back({"store.db", "store.db-wal", "store.db-shm", "marker"});
        site_.place.events.forget();
    }

  private:
    Site& site_;
    KeptFiles kept_;
};

struct Pool {
    Pool() {
        hq.create();
        add_user(*hq.store, "alice");
        let_in(hq, branch);
    }
    std::optional<errc> link() {
        SiteLink link(branch, hq);
        link.run();
        return link.reason();
    }
    bool heard(Event::Kind kind) const { return branch.place.events.heard(kind); }
    std::uint32_t failures() {
        const auto alice = branch.store->users().find("alice");
        REQUIRE(alice);
        return branch.store->lockout().show(alice->id)->password.failures;
    }

    Site hq{1, "hq"};
    Site branch{2, "branch"};
};

/// What a peer's goodbye does.
void tell_of_clone(Store& store) {
    REQUIRE(store.links().store()->told_of_clone());
}

Incarnation incarnation(Store& store) {
    return store.links().store()->identity().incarnation;
}

}  // namespace

TEST_CASE("cluster: a disk rolled back under the same machine: its members tell, a new life") {
    Pool pool;
    pool.branch.close();
    pool.branch.reopen();
    const Snapshot snapshot(pool.branch);
    // What the lost future did: link, and count.
    REQUIRE_FALSE(pool.link());
    sign_in(*pool.branch.store, "alice", "wrong");
    snapshot.roll_back();
    pool.branch.reopen();
    REQUIRE_FALSE(pool.heard(Event::Kind::new_incarnation));
    const auto shared = incarnation(*pool.branch.store);
    sign_in(*pool.branch.store, "alice", "another");
    REQUIRE(pool.failures() == 1);

    CHECK(pool.link() == errc::clone_suspected);
    CHECK(pool.heard(Event::Kind::clone_suspected));
    CHECK(pool.branch.place.events.count(Event::Kind::new_incarnation) == 1);
    const auto fresh = incarnation(*pool.branch.store);
    CHECK(fresh != shared);
    CHECK(pool.branch.store->status()->restored);
    // All that was counted is said again; both add up.
    CHECK(pool.failures() == 2);
    // It is let in, and no row is written any more as the twin writes them.
    CHECK_FALSE(pool.link());
    CHECK(in_step(pool.hq, pool.branch));
    const std::string by_former =
        "SELECT coalesce(max(row_seq), 0) FROM tally WHERE incarnation = " +
        std::to_string(static_cast<std::int64_t>(value(shared)));
    const auto before = pool.branch.place.ask(by_former.c_str());
    sign_in(*pool.branch.store, "alice");
    sign_in(*pool.branch.store, "alice", "yet another");
    CHECK(pool.branch.place.ask(by_former.c_str()) == before);

    // It stays so: not once more at the next start.
    pool.branch.close();
    pool.branch.place.events.forget();
    pool.branch.reopen();
    CHECK_FALSE(pool.heard(Event::Kind::new_incarnation));
    CHECK(incarnation(*pool.branch.store) == fresh);
}

TEST_CASE("cluster: a member that cries clone again and again: one new life a day") {
    Pool pool;
    auto& store = *pool.branch.store;
    auto last = incarnation(store);
    tell_of_clone(store);
    CHECK(incarnation(store) != last);
    last = incarnation(store);
    for (int i = 0; i < 3; ++i) {
        tell_of_clone(store);
        pool.branch.place.environment->pass(7h);
    }
    CHECK(incarnation(store) == last);
    CHECK(pool.branch.place.events.count(Event::Kind::clone_suspected) == 4);
    pool.branch.place.environment->pass(4h);
    tell_of_clone(store);
    CHECK(incarnation(store) != last);
}

TEST_CASE("cluster: a disk rolled back three times within an hour: a new life each time") {
    Pool pool;
    pool.branch.close();
    pool.branch.reopen();
    for (int i = 0; i < 3; ++i) {
        CAPTURE(i);
        const Snapshot snapshot(pool.branch);
        REQUIRE_FALSE(pool.link());
        snapshot.roll_back();
        pool.branch.reopen();
        const auto before = incarnation(*pool.branch.store);
        CHECK(pool.link() == errc::clone_suspected);
        CHECK(incarnation(*pool.branch.store) != before);
        CHECK_FALSE(pool.link());
        pool.branch.close();
        pool.branch.reopen();
    }
    CHECK(in_step(pool.hq, pool.branch));
}

TEST_CASE("cluster: a primary is told of its clone: writes once a member has confirmed its log") {
    Pool pool;
    REQUIRE_FALSE(pool.link());
    tell_of_clone(*pool.hq.store);
    const auto refused =
        pool.hq.store->users().create({.login = "bob", .password = Secret(good_password)});
    REQUIRE_FALSE(refused);
    CHECK(refused.error() == errc::needs_confirmation);
    REQUIRE_FALSE(pool.link());
    add_user(*pool.hq.store, "bob");
    // What a member has said need not be said again.
    pool.hq.place.environment->pass(2min);
    pool.hq.store->run_due();
    pool.hq.close();
    pool.hq.reopen();
    add_user(*pool.hq.store, "carol");
    REQUIRE_FALSE(pool.link());
    CHECK(in_step(pool.hq, pool.branch));
}

TEST_CASE("cluster: told of a clone: what was asked or given before is good no more") {
    Pool pool;
    const auto alice = pool.hq.store->users().find("alice");
    REQUIRE(alice);
    const auto uri = add_authenticator(*pool.hq.store, *pool.hq.place.environment, alice->id).uri;
    REQUIRE_FALSE(pool.link());
    auto& store = *pool.branch.store;
    pool.branch.place.environment->pass(60s);
    const auto challenge = sign_in(store, "alice").challenge;
    pool.branch.place.environment->pass(1ms);
    tell_of_clone(store);
    REQUIRE_FALSE(pool.link());  // it has caught up, and its first guess is right
    const auto code = code_at(uri, pool.branch.place.environment->wall());
    CHECK(answer_challenge(store, challenge, code).verdict == Verdict::refused);
    pool.branch.place.environment->pass(30s);
    const auto later = code_at(uri, pool.branch.place.environment->wall());
    CHECK(sign_in(store, "alice", good_password, later).verdict == Verdict::accepted);
}

TEST_CASE("cluster: one process is told of a clone: the others live the new life, too") {
    Pool pool;
    auto tool = Store::open(pool.branch.place.options);
    REQUIRE(tool);
    tell_of_clone(*pool.branch.store);
    const auto fresh = incarnation(*pool.branch.store);
    sign_in(*tool, "alice", "wrong");
    CHECK(incarnation(*tool) == fresh);
    CHECK(tool->status()->restored);
    CHECK(pool.branch.place.ask("SELECT count(DISTINCT incarnation) FROM tally") == 1);
}
