#include <doctest/doctest.h>

#include "cluster/linked_sites.h"

using namespace countersign;
using namespace countersign::testing;

namespace {

/// A primary with one other member, whose directory is found on another machine.
struct MovedPrimary {
    MovedPrimary() {
        hq.create();
        alice = add_user(*hq.store, "alice");
        let_in(hq, branch);
        hq.close();
        hq.place.environment->set_machine_id("machine-9");
        hq.reopen();
        REQUIRE(hq.store->status()->restored);
    }
    std::uint32_t share() { return hq.store->lockout().show(alice)->password.share; }

    Site hq{1, "hq"};
    Site branch{2, "branch"};
    UserId alice;
};

}  // namespace

TEST_CASE("cluster: a restored primary with another member: one guess each until confirmed") {
    MovedPrimary pool;
    auto& store = *pool.hq.store;
    CHECK(pool.share() == 1);
    // A success alone is not enough: who knows what the others have seen.
    CHECK(sign_in(store, "alice").verdict == Verdict::accepted);
    CHECK(pool.share() == 1);
    REQUIRE(store.confirm_primary());
    CHECK(pool.share() == 100);
    CHECK(sign_in(store, "alice", "wrong").tries_left == 9);
}

TEST_CASE("cluster: a tool confirms a restored primary: the process that serves it writes too") {
    MovedPrimary pool;
    auto& server = *pool.hq.store;
    const auto refused = server.users().create({.login = "bob"});
    REQUIRE_FALSE(refused);
    CHECK(refused.error() == errc::needs_confirmation);
    CHECK(refused.error().message().find("confirm") != std::string::npos);
    {
        auto tool = pool.hq.place.open();
        REQUIRE(tool.confirm_primary());
    }
    CHECK(server.users().create({.login = "bob"}));
    CHECK(server.log().verify());
    pool.hq.close();
    pool.hq.reopen();
    CHECK(pool.hq.store->users().create({.login = "carol"}));
}
