#include <chrono>
#include <string>

#include <doctest/doctest.h>

#include "support/store_fixture.h"

using namespace countersign;
using namespace countersign::testing;
using namespace std::chrono_literals;

TEST_CASE("store: a disabled user: told so after the right password only, and back again") {
    StorePlace place;
    auto store = place.create();
    const auto alice = add_user(store, "alice");
    REQUIRE(store.users().change(alice, {.disabled = true}));
    CHECK(store.users().get(alice)->disabled);
    const auto right = sign_in(store, "alice");
    CHECK(right.verdict == Verdict::disabled);
    CHECK(right.user == alice);
    CHECK(right.challenge.empty());
    const auto wrong = sign_in(store, "alice", "wrong password");
    CHECK(wrong.verdict == Verdict::refused);
    CHECK(wrong.user == UserId{});
    REQUIRE(store.users().change(alice, {.disabled = false}));
    CHECK(sign_in(store, "alice").verdict == Verdict::accepted);
}

TEST_CASE("store: a password is set: the old one is void, and so is what was counted against it") {
    StorePlace place;
    auto store = place.create();
    const auto alice = add_user(store, "alice");
    for (int i = 0; i < 10; ++i) sign_in(store, "alice", "wrong " + std::to_string(i));
    CHECK(sign_in(store, "alice").verdict == Verdict::locked);
    place.environment->pass(1s);
    const auto seq = store.users().set_password(alice, Secret("a better one"));
    REQUIRE(seq);
    CHECK(store.users().get(alice)->seq == *seq);
    CHECK(store.users().get(alice)->password_changed == place.environment->wall());
    CHECK(store.lockout().show(alice)->password.failures == 0);
    CHECK(sign_in(store, "alice").tries_left == 9);
    CHECK(sign_in(store, "alice", "a better one").verdict == Verdict::accepted);
    const auto before = state_of(store);
    CHECK(store.users().set_password(alice, Secret("short")).error() == errc::invalid_password);
    CHECK(store.users().set_password(alice, Secret("alice")).error() == errc::invalid_password);
    CHECK(store.users().set_password(alice, Secret()).error() == errc::invalid_password);
    CHECK(store.users().set_password(alice, Secret("iloveyou1")).error() == errc::password_blocked);
    CHECK(state_of(store) == before);
}

TEST_CASE(
    "store: an owner changes the password: a wrong current one counts, and is not_permitted") {
    StorePlace place;
    auto store = place.create();
    const auto alice = add_user(store, "alice");
    const auto change = [&](const char* current, const char* next) {
        return store.users().change_password(alice, Secret(current), Secret(next));
    };
    REQUIRE(change(good_password, "the second one"));
    CHECK(sign_in(store, "alice", "the second one").verdict == Verdict::accepted);
    CHECK(sign_in(store, "alice").verdict == Verdict::refused);
    const auto before = state_of(store);
    CHECK(change(good_password, "the third one").error() == errc::not_permitted);
    CHECK(store.lockout().show(alice)->password.failures == 2);
    // The proof is right, the new one is not: the proof clears what was counted.
    CHECK(change("the second one", "short").error() == errc::invalid_password);
    CHECK(store.lockout().show(alice)->password.failures == 0);
    for (int i = 0; i < 10; ++i) {
        CHECK(change("wrong", "the third one").error() == errc::not_permitted);
    }
    CHECK(store.lockout().show(alice)->password.locked);
    CHECK(change("the second one", "the third one").error() == errc::not_permitted);
    CHECK(state_of(store) == before);
    place.environment->pass(30s);
    CHECK(change("the second one", "the third one"));
    CHECK(sign_in(store, "alice", "the third one").verdict == Verdict::accepted);
}

TEST_CASE("store: an owner with a second factor changes the password: the password proves it") {
    StorePlace place;
    auto store = place.create();
    const auto alice = add_user(store, "alice");
    add_authenticator(store, *place.environment, alice);
    CHECK(store.users().change_password(alice, Secret(good_password), Secret("the second one")));
}

TEST_CASE("store: a user is erased: nothing of it stays in the tables, the login is free") {
    StorePlace place;
    UserId alice;
    {
        auto store = place.create();
        alice = *store.users().create(
            {.login = "alice", .password = Secret(good_password), .email = "a@example.org"});
        add_authenticator(store, *place.environment, alice);
        REQUIRE(store.users().make_recovery_codes(alice));
        sign_in(store, "alice", "wrong password");
        place.environment->pass(30s);
        CHECK(place.ask("SELECT count(*) FROM tally") > 0);
        CHECK(place.ask("SELECT count(*) FROM spent") > 0);
        CHECK(place.ask("SELECT count(*) FROM handle") == 2);
        const auto seq = store.users().erase(alice);
        REQUIRE(seq);
        CHECK(place.ask("SELECT count(*) FROM tally") == 0);
        CHECK(place.ask("SELECT count(*) FROM spent") == 0);
        CHECK(place.ask("SELECT count(*) FROM handle") == 0);
        CHECK(store.status()->users == 0);
        CHECK(store.users().get(alice).error() == errc::not_found);
        CHECK(store.users().find("alice").error() == errc::not_found);
        CHECK(store.users().find_by_email("a@example.org")->empty());
        CHECK(store.users().erase(alice).error() == errc::not_found);
        CHECK(sign_in(store, "alice").verdict == Verdict::refused);

        const auto again = add_user(store, "alice", "another person");
        CHECK(again != alice);
        const auto other = sign_in(store, "alice", "another person");
        CHECK(other.verdict == Verdict::accepted);
        CHECK(other.user == again);
        CHECK(sign_in(store, "alice").verdict == Verdict::refused);
        CHECK(store.log().verify());
    }
    auto store = place.open();
    CHECK(store.users().get(alice).error() == errc::not_found);
}

TEST_CASE("store: an erased user and a compacted log: the record's bytes are in no file") {
    StorePlace place;
    auto store = place.create();
    const auto alice = add_user(store, "alice");
    const auto made = store.users().get(alice)->seq;
    // The batch holds the sealed record whole; its tail is enough to find it by.
    const auto bytes = store.log().exact(made)->bytes;
    const std::string needle(reinterpret_cast<const char*>(bytes.data()) + bytes.size() - 200, 64);
    const auto in_files = [&] { return place.bytes_on_disk().find(needle) != std::string::npos; };
    CHECK(in_files());
    REQUIRE(store.users().erase(alice));
    const auto compaction = store.log().compact();
    REQUIRE(compaction);
    CHECK(compaction->batches_erased > 0);
    CHECK_FALSE(in_files());
    CHECK(store.log().exact(made).error() == errc::not_found);
    CHECK(store.log().show(made, 10).error() == errc::not_found);
    CHECK(store.log().verify());
    add_user(store, "bob");
    CHECK(store.log().verify());
}

TEST_CASE("store: 10,500 users at once: across batches, bad rows alone fail, results in order") {
    StorePlace place;
    auto store = place.create();
    std::vector<NewUser> users;
    for (int i = 0; i < 10'500; ++i) {
        NewUser user{.login = "user" + std::to_string(i)};
        if (i == 17) user.login = "two words";
        if (i == 18) user.login = "USER16";
        if (i == 10'400) user.login = "user3";
        if (i == 10'499) user.email = "nobody@";
        users.push_back(std::move(user));
    }
    const auto made = store.users().create_many(std::move(users));
    REQUIRE(made.size() == 10'500);
    for (int i = 0; i < 10'500; ++i) {
        const auto& each = made[static_cast<std::size_t>(i)];
        CAPTURE(i);
        if (i == 17) {
            CHECK(each.error() == errc::invalid_login);
        } else if (i == 18 || i == 10'400) {
            CHECK(each.error() == errc::already_exists);
        } else if (i == 10'499) {
            CHECK(each.error() == errc::invalid_email);
        } else {
            REQUIRE(each);
        }
    }
    const auto status = store.status();
    CHECK(status->users == 10'496);
    CHECK(status->seq <= LogSeq{4});
    CHECK(store.users().find("user10498")->id == *made[10'498]);
    const auto verified = store.log().verify();
    REQUIRE(verified);
    CHECK(verified->digest == status->digest);
}

TEST_CASE("store: more users at once than the commit queue takes: all are made") {
    StorePlace place;
    place.options.commit_queue = 10;
    auto store = place.create();
    std::vector<NewUser> users;
    for (int i = 0; i < 105; ++i) users.push_back({.login = "user" + std::to_string(i)});
    for (const auto& made : store.users().create_many(std::move(users))) CHECK(made);
    CHECK(store.status()->users == 105);
    CHECK(store.users().create_many({}).empty());
}

TEST_CASE("store: a list of blocked passwords: what is on it is refused, besides the built-in") {
    StorePlace place;
    place.options.blocked_passwords =
        "Our Company 2026\r\n#!comment: internal words\nhunter22 rules\n";
    auto store = place.create();
    for (const char* password : {"our company 2026", "HUNTER22 rules", "password1"}) {
        CHECK(store.users().create({.login = "bob", .password = Secret(password)}).error() ==
              errc::password_blocked);
    }
    CHECK(store.users().create({.login = "bob", .password = Secret("our company 2026!")}));
}

TEST_CASE("store: a password in another Unicode form: the same password") {
    StorePlace place;
    auto store = place.create();
    add_user(store, "alice", "na\u00efve caf\u00e9\u3000x");
    CHECK(sign_in(store, "alice", "nai\u0308ve cafe\u0301 x").verdict == Verdict::accepted);
    CHECK(sign_in(store, "alice", "naive cafe x").verdict == Verdict::refused);
    CHECK(sign_in(store, "alice", "Na\u00efve caf\u00e9 x").verdict == Verdict::refused);
}

TEST_CASE("store: a hash made elsewhere, weaker than the policy: accepted, and made anew once") {
    StorePlace place;
    place.options.pool.hash_memory_kib = 512;
    auto store = place.create();
    // Of the reference implementation's own tests.
    const auto id =
        store.users().create({.login = "alice",
                              .password_hash = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$"
                                               "nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"});
    REQUIRE(id);
    const auto imported = *store.users().get(*id);
    CHECK(imported.has_password);
    CHECK(sign_in(store, "alice", "Password").tries_left == 9);
    CHECK(store.status()->seq == LogSeq{2});
    place.environment->pass(1s);
    const auto first = sign_in(store, "alice", "password");
    CHECK(first.verdict == Verdict::accepted);
    CHECK(first.new_hash_wanted);
    CHECK(store.status()->seq == LogSeq{3});
    // The same password: its version, and when it was last changed, stay.
    CHECK(store.users().get(*id)->password_changed == imported.password_changed);
    const auto second = sign_in(store, "alice", "password");
    CHECK(second.verdict == Verdict::accepted);
    CHECK_FALSE(second.new_hash_wanted);
    CHECK(store.status()->seq == LogSeq{3});
}

TEST_CASE("store: an authenticator in use elsewhere: imported, wanted from the first sign-in") {
    StorePlace place;
    auto store = place.create();
    const Secret uri("otpauth://totp/Old:alice?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&digits=8");
    const auto id = store.users().create(
        {.login = "alice", .password = Secret(good_password), .totp_uri = std::string(uri.text())});
    REQUIRE(id);
    const auto user = store.users().get(*id);
    CHECK(user->has_totp);
    REQUIRE(user->authenticators.size() == 1);
    CHECK(user->authenticators[0].confirmed);
    CHECK(sign_in(store, "alice").verdict == Verdict::code_required);
    const auto code = code_at(uri, place.environment->wall());
    CHECK(sign_in(store, "alice", good_password, code).verdict == Verdict::accepted);
}
