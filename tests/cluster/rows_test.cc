#include <doctest/doctest.h>

#include "cluster/linked_sites.h"

using namespace countersign;
using namespace countersign::testing;
using namespace std::chrono_literals;

namespace {

Verdict try_wrong(Site& site, int number = 1, const std::string& login = "alice") {
    Verdict last{};
    for (int i = 0; i < number; ++i) {
        last = sign_in(*site.store, login, "wrong " + std::to_string(i)).verdict;
    }
    return last;
}

LockoutStatus::Factor password_of(Site& site, UserId user) {
    auto status = site.store->lockout().show(user);
    if (!status) FAIL(status.error().message());
    return status->password;
}

std::uint64_t failures_at(const LockoutStatus::Factor& factor, Site& site) {
    const auto self = site.store->status()->node;
    for (const auto& each : factor.nodes) {
        if (each.node == self) return each.failures;
    }
    return 0;
}

void meet(Site& from, Site& to) {
    SiteLink link(from, to);
    link.run();
}

/// A primary and two others that each know the pool and have not met since.
struct ThreeSites {
    explicit ThreeSites(Capability may = Capability::all) {
        hq.create();
        alice = add_user(*hq.store, "alice");
        let_in(hq, branch, may);
        let_in(hq, shop, may);
        meet(branch, hq);
    }

    Site hq{1, "hq"};
    Site branch{2, "branch"};
    Site shop{3, "shop"};
    UserId alice;
};

/// The files of a directory, put back under the same machine.
void roll_back(Site& site, const KeptFiles& kept) {
    site.close();
    kept.put_back({"store.db", "store.db-wal", "marker", "links"});
    site.reopen();
}

}  // namespace

TEST_CASE("cluster: guesses spread over three nodes: lock everywhere once they are linked") {
    ThreeSites pool;
    try_wrong(pool.hq, 4);
    try_wrong(pool.branch, 3);
    try_wrong(pool.shop, 3);
    CHECK(password_of(pool.hq, pool.alice).failures == 4);
    meet(pool.branch, pool.hq);
    meet(pool.shop, pool.hq);
    meet(pool.branch, pool.hq);  // what came from the shop
    for (Site* site : {&pool.hq, &pool.branch, &pool.shop}) {
        const auto password = password_of(*site, pool.alice);
        CHECK(password.failures == 10);
        CHECK(password.locked);
        CHECK(failures_at(password, pool.hq) == 4);
        CHECK(failures_at(password, pool.branch) == 3);
        CHECK(failures_at(password, pool.shop) == 3);
        CHECK(sign_in(*site->store, "alice").verdict == Verdict::locked);
    }
}

TEST_CASE("cluster: a link is open: a wrong guess is known at the other end at once") {
    ThreeSites pool;
    SiteLink link(pool.branch, pool.hq);
    link.run();
    for (std::uint64_t i = 1; i <= 5; ++i) {
        try_wrong(pool.branch);
        link.run();
        CHECK(password_of(pool.hq, pool.alice).failures == 2 * i - 1);
        try_wrong(pool.hq);
        link.run();
        CHECK(password_of(pool.branch, pool.alice).failures == 2 * i);
    }
    CHECK(sign_in(*pool.branch.store, "alice").verdict == Verdict::locked);
}

TEST_CASE("cluster: a success at one node: ends the failures of all, and their rows let go") {
    ThreeSites pool;
    try_wrong(pool.hq, 4);
    try_wrong(pool.branch, 3);
    meet(pool.branch, pool.hq);
    CHECK(sign_in(*pool.branch.store, "alice").verdict == Verdict::accepted);
    CHECK(password_of(pool.branch, pool.alice).failures == 0);
    CHECK(password_of(pool.hq, pool.alice).failures == 7);
    meet(pool.branch, pool.hq);
    CHECK(password_of(pool.hq, pool.alice).failures == 0);
    // Failures that the success did not know of stay.
    try_wrong(pool.hq, 2);
    CHECK(sign_in(*pool.branch.store, "alice").verdict == Verdict::accepted);
    meet(pool.branch, pool.hq);
    CHECK(password_of(pool.branch, pool.alice).failures == 2);
    CHECK(password_of(pool.hq, pool.alice).failures == 2);
}

TEST_CASE("cluster: an operator unlocks at one node, without the primary: everywhere as it comes") {
    ThreeSites pool;
    try_wrong(pool.shop, 10);
    meet(pool.shop, pool.hq);
    meet(pool.branch, pool.hq);
    REQUIRE(password_of(pool.branch, pool.alice).locked);
    REQUIRE(pool.branch.store->lockout().clear(pool.alice));
    CHECK(sign_in(*pool.branch.store, "alice").verdict == Verdict::accepted);
    CHECK(password_of(pool.shop, pool.alice).locked);
    meet(pool.branch, pool.hq);
    meet(pool.shop, pool.hq);
    for (Site* site : {&pool.hq, &pool.shop}) {
        CHECK_FALSE(password_of(*site, pool.alice).locked);
        CHECK(password_of(*site, pool.alice).failures == 0);
        CHECK(sign_in(*site->store, "alice").verdict == Verdict::accepted);
    }
}

TEST_CASE("cluster: an unlock at a node without `administer`: refused, nothing changes") {
    ThreeSites pool(Capability::propose);
    try_wrong(pool.branch, 3);
    const auto refused = pool.branch.store->lockout().clear(pool.alice);
    REQUIRE_FALSE(refused);
    CHECK(refused.error() == errc::not_permitted);
    CHECK(password_of(pool.branch, pool.alice).failures == 3);
}

TEST_CASE("cluster: a name that nobody has: counts over all nodes like one that somebody has") {
    ThreeSites pool;
    try_wrong(pool.hq, 5, "nobody");
    try_wrong(pool.branch, 5, "nobody");
    meet(pool.branch, pool.hq);
    CHECK(try_wrong(pool.hq, 1, "nobody") == Verdict::locked);
    CHECK(try_wrong(pool.branch, 1, "nobody") == Verdict::locked);
}

TEST_CASE("cluster: a code used at one node: refused at the other once it has heard") {
    ThreeSites pool;
    const auto authenticator =
        add_authenticator(*pool.hq.store, *pool.hq.place.environment, pool.alice);
    meet(pool.branch, pool.hq);
    for (Site* site : {&pool.hq, &pool.branch}) site->place.environment->pass(60s);
    const auto code = code_at(authenticator.uri, pool.hq.place.environment->wall());
    CHECK(sign_in(*pool.hq.store, "alice", good_password, code).verdict == Verdict::accepted);
    meet(pool.branch, pool.hq);
    CHECK(sign_in(*pool.branch.store, "alice", good_password, code).verdict == Verdict::refused);
    CHECK(pool.branch.place.events.count(Event::Kind::code_used_twice) == 0);
}

TEST_CASE("cluster: a code used at two nodes that had not heard of each other: both are told") {
    ThreeSites pool;
    const auto authenticator =
        add_authenticator(*pool.hq.store, *pool.hq.place.environment, pool.alice);
    meet(pool.branch, pool.hq);
    for (Site* site : {&pool.hq, &pool.branch}) site->place.environment->pass(60s);
    const auto code = code_at(authenticator.uri, pool.hq.place.environment->wall());
    for (Site* site : {&pool.hq, &pool.branch}) {
        CHECK(sign_in(*site->store, "alice", good_password, code).verdict == Verdict::accepted);
    }
    meet(pool.branch, pool.hq);
    for (Site* site : {&pool.hq, &pool.branch}) {
        CHECK(site->place.events.count(Event::Kind::code_used_twice) == 1);
    }
    meet(pool.branch, pool.hq);
    CHECK(pool.hq.place.events.count(Event::Kind::code_used_twice) == 1);
}

TEST_CASE(
    "cluster: rows and how far they have come: kept over a restart, and not asked for twice") {
    ThreeSites pool;
    try_wrong(pool.branch, 3);
    meet(pool.branch, pool.hq);
    const auto vector = *pool.hq.store->links().store()->row_vector();
    pool.hq.close();
    pool.hq.reopen();
    CHECK(*pool.hq.store->links().store()->row_vector() == vector);
    CHECK(password_of(pool.hq, pool.alice).failures == 3);
    meet(pool.branch, pool.hq);
    const auto counts = pool.hq.store->status()->rows;
    CHECK(counts.taken == 0);
    CHECK(counts.held == 0);
}

TEST_CASE("cluster: a new node: serves once it has the rows too, and not before") {
    Site hq(1, "hq");
    Site branch(2, "branch");
    hq.create();
    const auto alice = add_user(*hq.store, "alice");
    try_wrong(hq, 10);
    REQUIRE(branch.join(invite(hq, "branch")));
    SiteLink link(branch, hq);
    bool was_copied = false;
    link.watch = [&] {
        const auto head = branch.store->links().store()->head();
        if (head.seq == LogSeq{}) return;
        if (branch.store->stage() == Stage::copying) was_copied = true;
        if (branch.store->stage() != Stage::ready) return;
        CHECK(password_of(branch, alice).failures == 10);
    };
    SUBCASE("in one go") {}
    SUBCASE("though it is cut off and restarted in between") {
        link.watch = [&] {
            if (branch.store->links().store()->row_vector()) link.cut();
        };
        link.run();
        link.watch = nullptr;
        CHECK(branch.store->stage() == Stage::copying);
        branch.close();
        branch.reopen();
        CHECK(branch.store->stage() == Stage::copying);
        const auto early = branch.store->authenticate({.login = "alice"});
        REQUIRE_FALSE(early);
        CHECK(early.error() == errc::not_a_member);
        meet(branch, hq);
        was_copied = true;
    }
    link.run();
    CHECK(was_copied);
    REQUIRE(branch.store->stage() == Stage::ready);
    CHECK(sign_in(*branch.store, "alice").verdict == Verdict::locked);
}

TEST_CASE("cluster: a disk that was rolled back: hears its later rows, and lives anew") {
    ThreeSites pool;
    try_wrong(pool.branch, 2);
    const KeptFiles kept(pool.branch);
    try_wrong(pool.branch, 3);
    meet(pool.branch, pool.hq);
    roll_back(pool.branch, kept);
    REQUIRE(password_of(pool.branch, pool.alice).failures == 2);
    for (int i = 0; i < 80; ++i) {  // past the numbers of links that the other life has used
        REQUIRE(pool.branch.store->links().store()->next_link_counter());
    }
    const auto life = pool.branch.store->links().store()->identity().incarnation;
    meet(pool.branch, pool.hq);
    CHECK(pool.branch.store->links().store()->identity().incarnation != life);
    CHECK(pool.branch.place.events.count(Event::Kind::new_incarnation) == 1);
    CHECK(pool.branch.store->status()->rows.of_twins == 1);
    // The five of the life it had, and the two that this one counts on its own: too high is safe.
    CHECK(password_of(pool.branch, pool.alice).failures == 7);
    CHECK(password_of(pool.hq, pool.alice).failures == 7);
}

TEST_CASE("cluster: a restored node has one guess: an unlock that reaches it gives it the others") {
    ThreeSites pool;
    pool.branch.close();
    pool.branch.place.environment->set_machine_id("another machine");
    pool.branch.reopen();
    meet(pool.branch, pool.hq);
    REQUIRE(password_of(pool.branch, pool.alice).share == 1);
    CHECK(try_wrong(pool.branch) == Verdict::refused);
    CHECK(try_wrong(pool.branch) == Verdict::locked);
    meet(pool.branch, pool.hq);
    REQUIRE(pool.hq.store->lockout().clear(pool.alice));
    meet(pool.branch, pool.hq);
    CHECK(password_of(pool.branch, pool.alice).failures == 0);
    CHECK(try_wrong(pool.branch) == Verdict::refused);
}

TEST_CASE(
    "cluster: a removed node: its rows count as far as the primary had them, and no further") {
    ThreeSites pool;
    try_wrong(pool.shop, 3);
    meet(pool.shop, pool.hq);
    try_wrong(pool.shop, 2);
    auto& shop = *pool.shop.store->links().store();
    const auto later = shop.read_rows({}, 1u << 20, 1'000);
    REQUIRE(later);
    REQUIRE(pool.hq.store->nodes().remove(pool.shop.store->status()->node));
    meet(pool.branch, pool.hq);
    CHECK(password_of(pool.branch, pool.alice).failures == 3);
    for (Site* site : {&pool.hq, &pool.branch}) {
        REQUIRE(site->store->links().store()->take_rows(later->runs));
        CHECK(password_of(*site, pool.alice).failures == 3);
        CHECK(site->store->status()->rows.after_removal == 1);
    }
}

TEST_CASE("cluster: rows that are forged, out of place or alone: refused, and nothing changes") {
    ThreeSites pool;
    try_wrong(pool.branch, 2);
    try_wrong(pool.branch, 2, "nobody");
    auto page = pool.branch.store->links().store()->read_rows({}, 1u << 20, 1'000);
    REQUIRE(page);
    std::erase_if(page->runs, [&](const RowRun& run) {
        return run.author.node != pool.branch.store->status()->node;
    });
    REQUIRE(page->runs.size() == 1);
    auto& store = *pool.hq.store->links().store();
    const auto before = *store.row_vector();
    const auto refused = [&](auto&& edit) {
        auto run = page->runs[0];
        edit(run);
        const auto taken = store.take_rows({&run, 1});
        CHECK(*store.row_vector() == before);
        CHECK(password_of(pool.hq, pool.alice).failures == 0);
        return taken ? std::optional<errc>() : taken.error().code();
    };
    CHECK(refused([](RowRun& run) { run.rows[0].bytes[80] ^= std::byte{1}; }) ==
          errc::bad_signature);
    CHECK(refused([](RowRun& run) { run.rows[0].signature = run.rows[1].signature; }) ==
          errc::bad_signature);
    CHECK(refused([](RowRun& run) { run.rows[0].seq = RowSeq{1}; }) == errc::malformed);
    CHECK(refused([](RowRun& run) { run.author.incarnation = Incarnation{5}; }) == errc::malformed);
    CHECK(refused([](RowRun& run) { run.rows[0].bytes.resize(15'000); }) == errc::too_large);
    CHECK(refused([](RowRun& run) { run.rows[0].kind = RowKind::spent; }) == errc::malformed);
    CHECK_FALSE(refused([](RowRun& run) { run.after = RowSeq{1}; }));
    CHECK_FALSE(refused([](RowRun& run) { run.author.node.bytes[3] ^= std::byte{1}; }));
    const auto counts = pool.hq.store->status()->rows;
    CHECK(counts.forged == 2);
    CHECK(counts.malformed == 3);
    CHECK(counts.too_large == 1);
    CHECK(counts.alone == 2);
    CHECK(counts.of_strangers == 2);
    CHECK(counts.taken == 0);

    REQUIRE(store.take_rows(page->runs));
    CHECK(password_of(pool.hq, pool.alice).failures == 2);
    REQUIRE(store.take_rows(page->runs));  // replayed
    CHECK(password_of(pool.hq, pool.alice).failures == 2);
    CHECK(pool.hq.store->status()->rows.taken == 2);
    CHECK(pool.hq.store->status()->rows.held == 2);
}

TEST_CASE("cluster: rows of a user who was erased: dropped, and their place is passed") {
    ThreeSites pool;
    try_wrong(pool.branch, 3);
    REQUIRE(pool.hq.store->users().erase(pool.alice));
    meet(pool.branch, pool.hq);
    CHECK(pool.hq.store->status()->rows.of_nobody + pool.branch.store->status()->rows.of_nobody <=
          1);
    CHECK(pool.hq.store->links().store()->row_vector()->size() ==
          pool.branch.store->links().store()->row_vector()->size());
    CHECK_FALSE(pool.branch.store->lockout().show(pool.alice));
}

TEST_CASE("cluster: a password is set anew: unlocked everywhere with it, and the old rows go") {
    ThreeSites pool;
    try_wrong(pool.hq, 5);
    try_wrong(pool.branch, 5);
    meet(pool.branch, pool.hq);
    REQUIRE(password_of(pool.branch, pool.alice).locked);
    REQUIRE(pool.hq.store->users().set_password(pool.alice, Secret("another good password")));
    meet(pool.branch, pool.hq);
    for (Site* site : {&pool.hq, &pool.branch}) {
        CHECK(password_of(*site, pool.alice).failures == 0);
        CHECK(sign_in(*site->store, "alice", "another good password").verdict == Verdict::accepted);
        site->place.environment->pass(61s);
        site->store->run_due();
        CHECK(site->place.ask("SELECT count(*) FROM tally") == 0);
    }
    // What one has dropped it is not sent again.
    meet(pool.branch, pool.hq);
    CHECK(pool.branch.place.ask("SELECT count(*) FROM tally") == 0);
}

TEST_CASE("cluster: a tool unlocks beside the process that serves: the other node hears of it") {
    ThreeSites pool;
    try_wrong(pool.hq, 10);
    SiteLink link(pool.branch, pool.hq);
    link.run();
    REQUIRE(password_of(pool.branch, pool.alice).locked);
    {
        auto tool = pool.hq.place.open();
        REQUIRE(tool.lockout().clear(pool.alice));
    }
    REQUIRE(pool.hq.store->links().look());
    link.run();
    CHECK_FALSE(password_of(pool.branch, pool.alice).locked);
}
