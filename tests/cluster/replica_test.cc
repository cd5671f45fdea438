#include <doctest/doctest.h>

#include "cluster/linked_sites.h"
#include "support/manual_tasks.h"

using namespace countersign;
using namespace countersign::testing;
using Kind = LinkEvent::Kind;

namespace {

/// A primary with two users, one of them with an authenticator, and a branch that has just been
/// let in.
struct HqAndBranch {
    HqAndBranch() {
        hq.create();
        alice = add_user(*hq.store, "alice");
        bob = add_user(*hq.store, "bob", "a horse on a battery");
        authenticator = add_authenticator(*hq.store, *hq.place.environment, bob);
        let_in(hq, branch);
        pass(std::chrono::seconds{60});
    }
    void pass(milliseconds time) {
        hq.place.environment->pass(time);
        branch.place.environment->pass(time);
    }
    std::string code() { return code_at(authenticator.uri, branch.place.environment->wall()); }

    Site hq{1, "hq"};
    Site branch{2, "branch"};
    UserId alice;
    UserId bob;
    Authenticator authenticator;
};

}  // namespace

TEST_CASE("cluster: a new node: copies the pool and signs users in, second factor included") {
    HqAndBranch sites;
    auto& store = *sites.branch.store;
    CHECK(in_step(sites.hq, sites.branch));
    CHECK(sign_in(store, "alice").verdict == Verdict::accepted);
    CHECK(sign_in(store, "alice", "not this one").verdict == Verdict::refused);
    const auto half = sign_in(store, "bob", "a horse on a battery");
    REQUIRE(half.verdict == Verdict::code_required);
    const auto code = sites.code();
    const auto whole = answer_challenge(store, half.challenge, code);
    CHECK(whole.verdict == Verdict::accepted);
    CHECK(includes(whole.methods, Methods::password | Methods::totp));
    CHECK(sign_in(store, "bob", "a horse on a battery", code).verdict == Verdict::refused);

    const auto status = store.status();
    REQUIRE(status);
    CHECK(status->name == "branch");
    CHECK(status->primary_name == "hq");
    CHECK_FALSE(status->is_primary);
    CHECK(status->stage == Stage::ready);
    CHECK(status->users == 2);
}

TEST_CASE("cluster: a challenge made at one node: answered at another") {
    HqAndBranch sites;
    const auto half = sign_in(*sites.hq.store, "bob", "a horse on a battery");
    REQUIRE(half.verdict == Verdict::code_required);
    CHECK(answer_challenge(*sites.branch.store, half.challenge, sites.code()).verdict ==
          Verdict::accepted);
}

TEST_CASE("cluster: a write on a replica: not primary, naming who writes, nothing changed") {
    HqAndBranch sites;
    const auto before = state_of(*sites.branch.store);
    auto users = sites.branch.store->users();
    const auto refused = users.create({.login = "carol", .password = Secret(good_password)});
    REQUIRE_FALSE(refused);
    CHECK(refused.error() == errc::not_primary);
    CHECK(refused.error().detail().find("hq") != std::string::npos);
    CHECK(users.erase(sites.alice).error() == errc::not_primary);
    CHECK(users.set_password(sites.alice, Secret("another battery")).error() == errc::not_primary);
    CHECK(sites.branch.store->nodes()
              .invite({.name = "edge", .addresses = {"hq.example:7700"}})
              .error() == errc::not_primary);
    CHECK(state_of(*sites.branch.store) == before);
}

TEST_CASE("cluster: commits while linked: pushed, and in force at once") {
    HqAndBranch sites;
    SiteLink link(sites.branch, sites.hq);
    link.run();
    CHECK(link.saw(Kind::caught_up));
    REQUIRE(sites.hq.store->users().set_password(sites.alice, Secret("a new pair of boots")));
    link.run();
    CHECK(sign_in(*sites.branch.store, "alice").verdict == Verdict::refused);
    CHECK(sign_in(*sites.branch.store, "alice", "a new pair of boots").verdict ==
          Verdict::accepted);
    REQUIRE(sites.hq.store->users().change(sites.alice, {.disabled = true}));
    link.run();
    CHECK(sign_in(*sites.branch.store, "alice", "a new pair of boots").verdict ==
          Verdict::disabled);
    REQUIRE(sites.hq.store->users().erase(sites.alice));
    link.run();
    CHECK(sites.branch.store->users().get(sites.alice).error() == errc::not_found);
    CHECK(link.status().state == LinkStatus::State::following);
    CHECK(in_step(sites.hq, sites.branch));
}

TEST_CASE("cluster: cut off: goes on signing in; linked again, catches up from the log") {
    HqAndBranch sites;
    for (int i = 0; i < 20; ++i) add_user(*sites.hq.store, "user-" + std::to_string(i));
    sites.hq.close();
    CHECK(sign_in(*sites.branch.store, "alice").verdict == Verdict::accepted);
    sites.branch.close();
    sites.branch.reopen();
    CHECK(sites.branch.store->stage() == Stage::ready);
    CHECK(sign_in(*sites.branch.store, "alice").verdict == Verdict::accepted);

    sites.hq.reopen();
    SiteLink link(sites.branch, sites.hq);
    link.run();
    CHECK_FALSE(link.saw(Kind::copy_started));
    CHECK(sign_in(*sites.branch.store, "user-19").verdict == Verdict::accepted);
    CHECK(in_step(sites.hq, sites.branch));
}

TEST_CASE("cluster: the log has been compacted meanwhile: copied anew, serving all the while") {
    HqAndBranch sites;
    for (int i = 0; i < 20; ++i) add_user(*sites.hq.store, "user-" + std::to_string(i));
    CHECK(sign_in(*sites.branch.store, "bob", "a guess").verdict == Verdict::refused);
    REQUIRE(sites.hq.store->users().erase(sites.bob));
    const auto compacted = sites.hq.store->log().compact();
    REQUIRE(compacted);
    CHECK(compacted->batches_kept == 1);
    CHECK(compacted->must_copy == std::vector<std::string>{"branch"});

    SiteLink link(sites.branch, sites.hq);
    link.run();
    CHECK(link.saw(Kind::copy_finished));
    CHECK(sign_in(*sites.branch.store, "user-19").verdict == Verdict::accepted);
    CHECK(sites.branch.store->users().get(sites.bob).error() == errc::not_found);
    REQUIRE(sites.hq.store->users().set_password(sites.alice, Secret("a new pair of boots")));
    link.run();
    CHECK(sign_in(*sites.branch.store, "alice", "a new pair of boots").verdict ==
          Verdict::accepted);
    CHECK(in_step(sites.hq, sites.branch));
    link.cut();
    sites.branch.close();
    CHECK(sites.branch.place.ask("SELECT count(*) FROM tally") == 0);
}

TEST_CASE("cluster: the log goes on past a copy that another link feeds: the copy is let go of") {
    HqAndBranch sites;
    const auto hq = sites.hq.store->links().store();
    const auto branch = sites.branch.store->links().store();
    SiteLink link(sites.branch, sites.hq);
    link.run();
    REQUIRE(branch->begin_copy());
    const auto page = hq->read_page({}, 1 << 20);
    REQUIRE(page);
    REQUIRE(page->last);
    const auto staged = branch->stage(*page);
    REQUIRE(staged);
    const auto anchor = hq->read_batches(LogSeq{value(staged->first) - 1}, 1 << 20, 1);
    REQUIRE(anchor);
    add_user(*sites.hq.store, "carol");
    link.run();
    const auto head = branch->head().seq;
    CHECK(head > staged->last);

    const auto replayed = branch->replay(anchor->batches);
    REQUIRE(replayed);
    CHECK(replayed->stage == CopyState::Stage::none);
    CHECK(branch->head().seq == head);
    CHECK(branch->copy_state()->stage == CopyState::Stage::none);
    CHECK(sign_in(*sites.branch.store, "carol").verdict == Verdict::accepted);
    add_user(*sites.hq.store, "dave");
    link.run();
    CHECK(in_step(sites.hq, sites.branch));
}

TEST_CASE("cluster: compaction: what a copy that was begun holds of the erased goes, too") {
    HqAndBranch sites;
    const auto branch = sites.branch.store->links().store();
    SiteLink link(sites.branch, sites.hq);
    link.run();
    REQUIRE(branch->begin_copy());
    REQUIRE(branch->stage(*sites.hq.store->links().store()->read_page({}, 1 << 20)));
    REQUIRE(sites.hq.store->users().erase(sites.alice));
    add_user(*sites.hq.store, "carol");
    link.run();
    CHECK(sites.branch.place.ask("SELECT count(*) FROM staged_record") > 0);
    REQUIRE(sites.branch.store->log().compact());
    CHECK(branch->copy_state()->stage == CopyState::Stage::none);
    const std::string bytes = sites.branch.place.bytes_on_disk();
    const std::string id(reinterpret_cast<const char*>(sites.alice.bytes.data()), 16);
    CHECK(bytes.size() > 10'000);
    CHECK(bytes.find(id) == std::string::npos);
    CHECK(in_step(sites.hq, sites.branch));
}

TEST_CASE("cluster: a user is erased while a guess at them is verified: nothing of it is kept") {
    HqAndBranch sites;
    ManualTasks tasks;
    sites.branch.close();
    sites.branch.place.options.run_blocking = tasks.run_blocking();
    sites.branch.reopen();
    std::optional<Result<SignInResult>> answer;
    SignIn guess;
    guess.login = "bob";
    guess.password = Secret("a guess");
    sites.branch.store->authenticate(std::move(guess), [&](auto result) { answer = result; });
    REQUIRE(tasks.run_one());  // up to the hash, or beyond it, but not to the commit's answer
    REQUIRE(sites.hq.store->users().erase(sites.bob));
    SiteLink link(sites.branch, sites.hq);
    link.run();
    tasks.run_all();
    REQUIRE(answer);
    link.cut();
    sites.branch.close();
    CHECK(sites.branch.place.ask("SELECT count(*) FROM tally") == 0);
}

TEST_CASE("cluster: the replica's batch is acknowledged: compaction costs it no copy") {
    HqAndBranch sites;
    SiteLink link(sites.branch, sites.hq);
    add_user(*sites.hq.store, "carol");
    link.run();
    const auto compacted = sites.hq.store->log().compact();
    REQUIRE(compacted);
    CHECK(compacted->must_copy.empty());
    add_user(*sites.hq.store, "dave");
    link.run();
    CHECK_FALSE(link.saw(Kind::copy_started));
    CHECK(sign_in(*sites.branch.store, "dave").verdict == Verdict::accepted);
}

TEST_CASE("cluster: the age of the data: what the primary has signed last") {
    HqAndBranch sites;
    CHECK(sign_in(*sites.hq.store, "alice").data_age == milliseconds{0});
    CHECK(sign_in(*sites.branch.store, "alice").data_age == milliseconds{60'000});
    SiteLink link(sites.branch, sites.hq);
    link.pass(std::chrono::seconds{30});
    const auto idle = sign_in(*sites.branch.store, "alice").data_age;
    REQUIRE(idle);
    CHECK(*idle <= milliseconds{10'000});
    link.cut();
    sites.pass(std::chrono::hours{1});
    CHECK(*sign_in(*sites.branch.store, "alice").data_age >= std::chrono::hours{1});
    sites.branch.place.environment->set_wall(sites.branch.place.environment->wall() -
                                             std::chrono::hours{3});
    CHECK_FALSE(sign_in(*sites.branch.store, "alice").data_age);
}

TEST_CASE("cluster: signs of life come and batches do not: the data grows older") {
    HqAndBranch sites;
    SiteLink link(sites.branch, sites.hq);
    link.pass(std::chrono::seconds{30});
    link.cut();
    add_user(*sites.hq.store, "carol");
    sites.pass(std::chrono::minutes{10});
    const Now now = sites.branch.place.environment->now();
    const auto pulse =
        sites.hq.store->links().store()->newest_pulse(sites.hq.place.environment->now());
    REQUIRE(pulse);
    REQUIRE(sites.branch.store->links().store()->take_pulse(*pulse, now));
    CHECK(*sign_in(*sites.branch.store, "alice").data_age >= std::chrono::minutes{10});
    SiteLink again(sites.branch, sites.hq);
    again.pass(std::chrono::seconds{30});
    CHECK(*sign_in(*sites.branch.store, "alice").data_age <= std::chrono::seconds{10});
}

TEST_CASE("cluster: failures at a replica: lock there, and are kept over a restart") {
    HqAndBranch sites;
    for (int i = 0; i < 10; ++i) {
        CHECK(sign_in(*sites.branch.store, "alice", "guess " + std::to_string(i)).verdict ==
              Verdict::refused);
    }
    CHECK(sign_in(*sites.branch.store, "alice").verdict == Verdict::locked);
    sites.branch.close();
    sites.branch.reopen();
    CHECK(sign_in(*sites.branch.store, "alice").verdict == Verdict::locked);
    CHECK(sign_in(*sites.hq.store, "alice").verdict == Verdict::accepted);
    // A new password ends the lock wherever its batch arrives.
    REQUIRE(sites.hq.store->users().set_password(sites.alice, Secret("a new pair of boots")));
    SiteLink link(sites.branch, sites.hq);
    link.run();
    CHECK(sign_in(*sites.branch.store, "alice", "a new pair of boots").verdict ==
          Verdict::accepted);
}
