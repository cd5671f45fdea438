#include <cstdlib>

#include <doctest/doctest.h>

#include "cluster/linked_sites.h"

using namespace countersign;
using namespace countersign::testing;
using Kind = LinkEvent::Kind;

namespace {

struct Hq : Site {
    Hq() : Site(1, "hq") {
        create();
        alice = add_user(*store, "alice");
    }
    UserId alice;
};

std::size_t members(Site& site) {
    const auto nodes = site.store->nodes().list();
    REQUIRE(nodes);
    return nodes->size();
}

}  // namespace

TEST_CASE("cluster: a node that nobody has let in: every call says so, status tells the stage") {
    Hq hq;
    Site branch(2, "branch");
    REQUIRE(branch.join(invite(hq, "branch")));
    auto& store = *branch.store;
    CHECK(store.stage() == Stage::joining);
    CHECK(store.status()->stage == Stage::joining);
    CHECK(store.users().find("alice").error() == errc::not_a_member);
    CHECK(store.authenticate({.login = "alice", .password = Secret(good_password)}).error() ==
          errc::not_a_member);
    CHECK(store.log().verify().error() == errc::not_a_member);
    CHECK(store.nodes().list().error() == errc::not_a_member);
    store.run_due();
    branch.close();
    const auto opened = Store::open(branch.place.options);
    REQUIRE_FALSE(opened);
    CHECK(opened.error() == errc::not_a_member);
}

TEST_CASE("cluster: joining cut at many places, the machine restarted: the same text lets it in") {
    const std::size_t apart = std::getenv("COUNTERSIGN_LONG") ? 31 : 307;
    std::size_t cuts = 0;
    for (std::size_t bytes = 1;; bytes += apart) {
        Hq hq;
        Site branch(2, "branch");
        const auto invitation = invite(hq, "branch");
        REQUIRE(branch.join(invitation));
        {
            SiteLink link(branch, hq);
            link.cut_after(bytes);
            link.run();
        }
        const bool done = branch.store->stage() == Stage::ready;
        branch.close();
        if (done) break;
        ++cuts;
        CAPTURE(bytes);
        REQUIRE(branch.join(invitation));
        SiteLink link(branch, hq);
        link.run();
        REQUIRE(branch.store->stage() == Stage::ready);
        REQUIRE(members(hq) == 2);
        REQUIRE(in_step(hq, branch));
        REQUIRE(sign_in(*branch.store, "alice").verdict == Verdict::accepted);
    }
    CHECK(cuts > 8);
}

TEST_CASE("cluster: admitted, then restarted before the copy: opened as it is, goes on") {
    Hq hq;
    Site branch(2, "branch");
    REQUIRE(branch.join(invite(hq, "branch")));
    for (std::size_t bytes = 500; branch.store->stage() == Stage::joining; bytes += 50) {
        SiteLink link(branch, hq);
        link.cut_after(bytes);
        link.run();
    }
    REQUIRE(branch.store->stage() == Stage::copying);
    branch.close();
    branch.reopen();
    CHECK(branch.store->stage() == Stage::copying);
    CHECK(branch.store->users().find("alice").error() == errc::not_a_member);
    SiteLink link(branch, hq);
    link.run();
    CHECK(branch.store->stage() == Stage::ready);
    CHECK(in_step(hq, branch));
}

TEST_CASE("cluster: an invitation used by a second machine: refused, the pool unchanged") {
    Hq hq;
    Site branch(2, "branch");
    Site thief(3, "thief");
    const auto invitation = invite(hq, "branch");
    REQUIRE(branch.join(invitation));
    {
        SiteLink link(branch, hq);
        link.run();
    }
    const auto before = state_of(*hq.store);
    REQUIRE(thief.join(invitation));
    SiteLink link(thief, hq);
    link.run();
    CHECK(link.reason());
    CHECK(thief.store->stage() == Stage::joining);
    CHECK(state_of(*hq.store) == before);
    CHECK(members(hq) == 2);
}

TEST_CASE("cluster: an invitation past its time: not a byte is answered") {
    Hq hq;
    Site branch(2, "branch");
    const auto invitation = invite(hq, "branch");
    for (Site* site : {static_cast<Site*>(&hq), &branch}) {
        site->place.environment->pass(std::chrono::hours{25});
    }
    REQUIRE(branch.join(invitation));
    SiteLink link(branch, hq);
    link.run();
    CHECK(link.reason());
    CHECK(branch.store->stage() == Stage::joining);
    CHECK(members(hq) == 1);
}

TEST_CASE("cluster: joining in a directory of another kind: refused, what is there stays") {
    Hq hq;
    Site other(4, "other");
    other.create();
    const auto invitation = invite(hq, "branch");
    {
        Site branch(2, "branch");
        branch.create();
        const auto before = state_of(*branch.store);
        branch.close();
        CHECK(branch.join(invitation).error() == errc::store_exists);
        branch.reopen();
        CHECK(state_of(*branch.store) == before);
    }
    Site branch(2, "branch");
    REQUIRE(branch.join(invitation));
    branch.close();
    CHECK(branch.join(invite(other, "branch")).error() == errc::store_exists);
    CHECK(branch.join(Secret("csi1-nonsense")).error() == errc::invalid_invitation);
    REQUIRE(branch.join(invitation));
    CHECK(branch.store->stage() == Stage::joining);
}

TEST_CASE("cluster: a node removed while linked: told so, and signs nobody in any more") {
    Hq hq;
    Site branch(2, "branch");
    let_in(hq, branch);
    const auto node = branch.store->status()->node;
    {
        SiteLink link(branch, hq);
        link.run();
        REQUIRE(hq.store->nodes().remove(node));
        link.run();
    }
    CHECK(branch.store->stage() == Stage::removed);
    CHECK(
        branch.store->authenticate({.login = "alice", .password = Secret(good_password)}).error() ==
        errc::not_a_member);
    branch.close();
    branch.reopen();
    CHECK(branch.store->stage() == Stage::removed);
    CHECK(branch.store->links().contacts().empty());
    CHECK(members(hq) == 1);
}

TEST_CASE("cluster: a node removed by another process than the serving one: told at once") {
    Hq hq;
    Site branch(2, "branch");
    let_in(hq, branch);
    SiteLink link(branch, hq);
    link.run();
    REQUIRE(hq.store->links().look());
    {
        auto tool = hq.place.open();
        REQUIRE(tool.nodes().remove(branch.store->status()->node));
    }
    REQUIRE(hq.store->links().look());
    link.run();
    CHECK(branch.store->stage() == Stage::removed);
    CHECK(link.reason());
    CHECK(members(hq) == 1);
}

TEST_CASE("cluster: a node removed while away: told when it comes back, with the proof") {
    Hq hq;
    Site branch(2, "branch");
    let_in(hq, branch);
    for (int i = 0; i < 3; ++i) add_user(*hq.store, "user-" + std::to_string(i));
    REQUIRE(hq.store->nodes().remove(branch.store->status()->node));
    add_user(*hq.store, "user-after");
    hq.close();
    hq.reopen();
    {
        SiteLink link(branch, hq);
        link.run();
        CHECK(link.saw(Kind::removed));
    }
    CHECK(branch.store->stage() == Stage::removed);
    CHECK(branch.store->users().find("user-after").error() == errc::not_found);
    branch.close();
    branch.reopen();
    CHECK(branch.store->stage() == Stage::removed);
}

TEST_CASE("cluster: a node without the users' realm: holds the log, opens nobody") {
    Hq hq;
    Site relay(2, "relay");
    auto invitation = hq.store->nodes().invite(
        {.name = "relay", .may = Capability::serve, .realms = {}, .addresses = {"hq:7700"}});
    REQUIRE(invitation);
    REQUIRE(relay.join(*invitation));
    SiteLink link(relay, hq);
    link.run();
    REQUIRE(relay.store->stage() == Stage::ready);
    CHECK(in_step(hq, relay));
    CHECK(sign_in(*relay.store, "alice").verdict == Verdict::not_held_here);
    CHECK(relay.store->users().get(hq.alice).error() == errc::not_held);
}
