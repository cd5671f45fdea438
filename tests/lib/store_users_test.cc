#include <algorithm>
#include <functional>
#include <set>
#include <span>
#include <string>

#include <doctest/doctest.h>

#include "support/store_fixture.h"

using namespace countersign;
using namespace countersign::testing;

namespace {

/// Every user that the pages of `query` hold, in order; `pages` counts them.
std::vector<std::string> logins_of(Store& store, UserQuery query, std::size_t* pages = nullptr) {
    std::vector<std::string> logins;
    for (;;) {
        const auto page = store.users().list(query);
        if (!page) FAIL(page.error().message());
        CHECK(page->users.size() <= query.limit);
        for (const auto& user : page->users) logins.push_back(user.login);
        if (pages) ++*pages;
        if (page->next.empty()) return logins;
        query.cursor = page->next;
    }
}

}  // namespace

TEST_CASE("store: a new user: found by id, login and e-mail, as it was given") {
    StorePlace place;
    auto store = place.create();
    const auto id = store.users().create({.login = "Alice",
                                          .password = Secret(good_password),
                                          .display_name = "Alice Li 李",
                                          .email = "Alice@Example.org"});
    REQUIRE(id);
    for (const auto& found : {store.users().get(*id), store.users().find("ALICE")}) {
        REQUIRE(found);
        CHECK(found->id == *id);
        CHECK(found->login == "alice");
        CHECK(found->display_name == "Alice Li 李");
        CHECK(found->email == "Alice@example.org");
        CHECK_FALSE(found->disabled);
        CHECK(found->has_password);
        CHECK_FALSE(found->has_totp);
        CHECK(found->authenticators.empty());
        CHECK(found->recovery_codes == 0);
        CHECK(found->realm == RealmId::default_users);
        CHECK(found->seq == LogSeq{2});
        CHECK(found->created == place.environment->wall());
        CHECK(found->modified == place.environment->wall());
        CHECK(found->password_changed == place.environment->wall());
    }
    const auto by_email = store.users().find_by_email("alice@example.ORG");
    REQUIRE(by_email);
    REQUIRE(by_email->size() == 1);
    CHECK(by_email->front().id == *id);
    CHECK(store.status()->users == 1);
}

TEST_CASE("store: a user in no way known: not_found") {
    StorePlace place;
    auto store = place.create();
    const UserId nobody{};
    CHECK(store.users().get(nobody).error() == errc::not_found);
    CHECK(store.users().find("nobody").error() == errc::not_found);
    CHECK(store.users().find_by_email("nobody@example.org")->empty());
    CHECK(store.users().change(nobody, {.disabled = true}).error() == errc::not_found);
    CHECK(store.users().set_password(nobody, Secret(good_password)).error() == errc::not_found);
    CHECK(store.users()
              .change_password(nobody, Secret(good_password), Secret("another good one"))
              .error() == errc::not_found);
    CHECK(store.users().erase(nobody).error() == errc::not_found);
    CHECK(store.users().enrol_totp(nobody).error() == errc::not_found);
    CHECK(store.users().confirm_totp(nobody, TotpId{}, "123456").error() == errc::not_found);
    CHECK(store.users().remove_totp(nobody, TotpId{}).error() == errc::not_found);
    CHECK(store.users().make_recovery_codes(nobody).error() == errc::not_found);
    CHECK(store.lockout().show(nobody).error() == errc::not_found);
    CHECK(store.lockout().clear(nobody).error() == errc::not_found);
    CHECK(state_of(store).seq == LogSeq{1});
}

TEST_CASE("store: a login in another spelling: already_exists, state unchanged") {
    StorePlace place;
    auto store = place.create();
    const struct {
        const char* login;
        const char* other;
    } spellings[] = {
        {"alice", "ALICE"},             // case
        {"bob", "\uff22\uff4f\uff42"},  // full-width letters
        {"jos\u00e9", "jose\u0301"},    // decomposed
        {"\u00c5ngstr\u00f6m", "\u00e5ngstr\u00f6m"},
        {"\u03a3\u03af\u03c3\u03c5\u03c6\u03bf\u03c3",
         "\u03c3\u03af\u03c3\u03c5\u03c6\u03bf\u03c3"},
    };
    for (const auto& each : spellings) {
        CAPTURE(each.login);
        const auto id = add_user(store, each.login);
        const auto before = state_of(store);
        const auto again = store.users().create({.login = each.other});
        REQUIRE_FALSE(again);
        CHECK(again.error() == errc::already_exists);
        CHECK(state_of(store) == before);
        CHECK(store.users().find(each.other)->id == id);
        CHECK(sign_in(store, each.other).verdict == Verdict::accepted);
    }
}

struct BadUser {
    const char* name;
    std::function<void(NewUser&)> spoil;
    errc expected;
};

void check_refused(std::span<const BadUser> cases) {
    StorePlace place;
    auto store = place.create();
    add_user(store, "alice");
    const auto before = state_of(store);
    for (const auto& each : cases) {
        CAPTURE(std::string(each.name));
        NewUser user{.login = "bob", .password = Secret(good_password)};
        each.spoil(user);
        const auto made = store.users().create(std::move(user));
        REQUIRE_FALSE(made);
        CHECK(made.error() == each.expected);
        CHECK(state_of(store) == before);
    }
    add_user(store, "bob");
}

TEST_CASE("store: bad text in a new user: its own error, state unchanged") {
    const BadUser cases[] = {
        {"login empty", [](NewUser& u) { u.login.clear(); }, errc::invalid_login},
        {"login with a space", [](NewUser& u) { u.login = "bob b"; }, errc::invalid_login},
        {"login not UTF-8", [](NewUser& u) { u.login = "b\xff"; }, errc::invalid_login},
        {"login too long",
         [](NewUser& u) { u.login = std::string(2000, 'b'); },
         errc::invalid_login},
        {"login unassigned", [](NewUser& u) { u.login = "b\u0378"; }, errc::invalid_login},
        {"login mixed direction", [](NewUser& u) { u.login = "a\u05d0"; }, errc::invalid_login},
        {"password short",
         [](NewUser& u) { u.password = Secret("7 chars"); },
         errc::invalid_password},
        {"password long",
         [](NewUser& u) { u.password = Secret(std::string(129, 'p')); },
         errc::invalid_password},
        {"password not UTF-8",
         [](NewUser& u) { u.password = Secret("long enough \xc3"); },
         errc::invalid_password},
        {"password with a control",
         [](NewUser& u) { u.password = Secret("long enough\n"); },
         errc::invalid_password},
        {"password frequent",
         [](NewUser& u) { u.password = Secret("PassWord123"); },
         errc::password_blocked},
        {"password is the login",
         [](NewUser& u) {
             u.login = "robert.tables";
             u.password = Secret("Robert.Tables");
         },
         errc::password_blocked},
        {"display name too long",
         [](NewUser& u) { u.display_name = std::string(513, 'd'); },
         errc::invalid_argument},
        {"display name with a control",
         [](NewUser& u) { u.display_name = "Bob\x1b[31m"; },
         errc::invalid_argument},
        {"display name with DEL",
         [](NewUser& u) { u.display_name = "Bob\x7f"; },
         errc::invalid_argument},
        {"display name with NEL",
         [](NewUser& u) { u.display_name = "Bob\u0085"; },
         errc::invalid_argument},
        {"display name not UTF-8",
         [](NewUser& u) { u.display_name = "Bob \xe2\x82"; },
         errc::invalid_argument},
        {"e-mail without a domain", [](NewUser& u) { u.email = "bob"; }, errc::invalid_email},
        {"e-mail too long",
         [](NewUser& u) { u.email = "bob@" + std::string(255, 'e') + ".org"; },
         errc::invalid_email},
    };
    check_refused(cases);
}

TEST_CASE(
    "store: a bad realm, hash or authenticator in a new user: its own error, state unchanged") {
    const std::string hash =
        "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$"
        "CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
    const BadUser cases[] = {
        {"realm of the pool", [](NewUser& u) { u.realm = RealmId::pool; }, errc::not_held},
        {"realm unknown", [](NewUser& u) { u.realm = RealmId{77}; }, errc::not_held},
        {"hash and password", [&](NewUser& u) { u.password_hash = hash; }, errc::invalid_argument},
        {"hash of another kind",
         [](NewUser& u) {
             u.password = {};
             u.password_hash = "$2b$12$abcdefghijklmnopqrstuuAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
         },
         errc::invalid_hash},
        {"hash of 4 GiB",
         [](NewUser& u) {
             u.password = {};
             u.password_hash =
                 "$argon2id$v=19$m=4194304,t=2,p=1$c29tZXNhbHQ$"
                 "CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
         },
         errc::invalid_hash},
        {"hash of 11 passes",
         [](NewUser& u) {
             u.password = {};
             u.password_hash =
                 "$argon2id$v=19$m=64,t=11,p=1$c29tZXNhbHQ$"
                 "CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
         },
         errc::invalid_hash},
        {"TOTP without a secret",
         [](NewUser& u) { u.totp_uri = "otpauth://totp/a:b?issuer=a"; },
         errc::invalid_totp},
        {"TOTP of 9 digits",
         [](NewUser& u) { u.totp_uri = "otpauth://totp/b?secret=JBSWY3DPEHPK3PXP&digits=9"; },
         errc::invalid_totp},
    };
    check_refused(cases);
}

TEST_CASE("store: limits of a user's fields: what lies at them is taken") {
    StorePlace place;
    auto store = place.create();
    const auto id = store.users().create({.login = "bob",
                                          .password = Secret(std::string(128, 'p')),
                                          .display_name = std::string(512, 'd')});
    REQUIRE(id);
    CHECK(sign_in(store, "bob", std::string(128, 'p')).verdict == Verdict::accepted);
    CHECK(sign_in(store, "bob", std::string(127, 'p')).verdict == Verdict::refused);
    REQUIRE(store.users().create({.login = "c", .password = Secret("8 points")}));
    // One code point is one character, whatever its bytes.
    REQUIRE(store.users().create({.login = "d",
                                  .password = Secret("\u6f22\u5b57\u6f22\u5b57"
                                                     "\u6f22\u5b57\u6f22\u5b58")}));
}

TEST_CASE("store: bad input to a change: its own error, state unchanged") {
    StorePlace place;
    auto store = place.create();
    const auto alice = add_user(store, "alice");
    add_user(store, "bob");
    const auto before = state_of(store);
    const auto refused = [&](UserChanges changes, errc expected) {
        const auto done = store.users().change(alice, std::move(changes));
        REQUIRE_FALSE(done);
        CHECK(done.error() == expected);
        CHECK(state_of(store) == before);
    };
    refused({.login = "BOB"}, errc::already_exists);
    refused({.login = ""}, errc::invalid_login);
    refused({.display_name = std::string(513, 'd')}, errc::invalid_argument);
    refused({.email = "nobody@"}, errc::invalid_email);
    // What is good of a bad change is not done either.
    refused({.login = "carol", .email = "nobody@"}, errc::invalid_email);
    CHECK(store.users().get(alice)->login == "alice");
}

TEST_CASE("store: a login changes: the old one is free, what was counted stays with the user") {
    StorePlace place;
    auto store = place.create();
    const auto alice = add_user(store, "alice");
    CHECK(sign_in(store, "alice", "wrong password").tries_left == 9);
    REQUIRE(store.users().change(alice, {.login = "alicia"}));
    CHECK(store.users().find("alicia")->id == alice);
    CHECK(store.users().find("alice").error() == errc::not_found);
    CHECK(sign_in(store, "alicia", "wrong password").tries_left == 8);
    const auto other = add_user(store, "alice");
    CHECK(other != alice);
    CHECK(sign_in(store, "alice").user == other);
    CHECK(sign_in(store, "alicia").user == alice);
    // Another spelling of one's own login is no conflict.
    CHECK(store.users().change(alice, {.login = "ALICIA"}));
}

TEST_CASE("store: attributes change: what is given does, the rest stays") {
    StorePlace place;
    auto store = place.create();
    const auto id = *store.users().create({.login = "alice",
                                           .password = Secret(good_password),
                                           .display_name = "Alice",
                                           .email = "a@example.org"});
    place.environment->pass(milliseconds{1000});
    const auto seq = store.users().change(id, {.display_name = "Alice Li"});
    REQUIRE(seq);
    auto user = *store.users().get(id);
    CHECK(user.display_name == "Alice Li");
    CHECK(user.email == "a@example.org");
    CHECK(user.seq == *seq);
    CHECK(user.modified == place.environment->wall());
    CHECK(user.created < user.modified);
    CHECK(user.password_changed == user.created);
    REQUIRE(store.users().change(id, {.email = ""}));
    CHECK(store.users().get(id)->email.empty());
    CHECK(store.users().find_by_email("a@example.org")->empty());
    CHECK(sign_in(store, "alice").verdict == Verdict::accepted);
}

TEST_CASE("store: one e-mail address of two users: refused only where the pool says so") {
    for (const bool unique : {false, true}) {
        CAPTURE(unique);
        StorePlace place;
        place.options.pool.unique_email = unique;
        auto store = place.create();
        const auto alice = *store.users().create({.login = "alice", .email = "us@example.org"});
        const auto before = state_of(store);
        const auto bob = store.users().create({.login = "bob", .email = "Us@Example.ORG"});
        CHECK(bob.has_value() != unique);
        CHECK(store.users().find_by_email("us@example.org")->size() == (unique ? 1 : 2));
        if (!unique) continue;
        CHECK(bob.error() == errc::already_exists);
        CHECK(state_of(store) == before);
        const auto carol = *store.users().create({.login = "carol", .email = "c@example.org"});
        CHECK(store.users().change(carol, {.email = "us@example.org"}).error() ==
              errc::already_exists);
        CHECK(store.users().change(alice, {.email = "us@EXAMPLE.org"}));
        REQUIRE(store.users().change(alice, {.email = ""}));
        CHECK(store.users().change(carol, {.email = "us@example.org"}));
    }
}

TEST_CASE("store: 101 users of one address: the first 100 are found") {
    StorePlace place;
    auto store = place.create();
    std::vector<NewUser> users;
    for (int i = 0; i < 101; ++i) {
        users.push_back({.login = "u" + std::to_string(i), .email = "all@example.org"});
    }
    for (const auto& made : store.users().create_many(std::move(users))) REQUIRE(made);
    CHECK(store.users().find_by_email("all@example.org")->size() == 100);
    CHECK(store.users().find_by_email("not an address").error() == errc::invalid_email);
}

TEST_CASE("store: a list in pages: every user once, in the order of creation") {
    StorePlace place;
    auto store = place.create();
    std::vector<std::string> all;
    for (int i = 0; i < 25; ++i) {
        place.environment->pass(milliseconds{1});
        all.push_back("user" + std::to_string(i));
        REQUIRE(store.users().create({.login = all.back(),
                                      .display_name = i % 2 ? "Odd One" : "Even",
                                      .email = all.back() + (i < 5 ? "@a.org" : "@b.org"),
                                      .disabled = i % 5 == 0}));
    }
    std::size_t pages = 0;
    CHECK(logins_of(store, {.limit = 10}, &pages) == all);
    CHECK(pages == 3);
    pages = 0;
    CHECK(logins_of(store, {.limit = 25}, &pages) == all);
    CHECK(pages == 1);
    CHECK(logins_of(store, {.limit = 1}) == all);

    CHECK(logins_of(store, {.contains = "odd o", .limit = 5}).size() == 12);
    CHECK(logins_of(store, {.contains = "@A.ORG", .limit = 2}) ==
          std::vector<std::string>(all.begin(), all.begin() + 5));
    CHECK(logins_of(store, {.contains = "USER24", .limit = 3}) ==
          std::vector<std::string>{"user24"});
    CHECK(logins_of(store, {.contains = "nowhere"}).empty());
    CHECK(logins_of(store, {.disabled = true, .limit = 2}) ==
          std::vector<std::string>{"user0", "user5", "user10", "user15", "user20"});
    CHECK(logins_of(store, {.contains = "odd", .disabled = true}) ==
          std::vector<std::string>{"user5", "user15"});
}

TEST_CASE("store: a list asked for badly: its own error") {
    StorePlace place;
    auto store = place.create();
    CHECK(store.users().list({.limit = 0}).error() == errc::invalid_argument);
    CHECK(store.users().list({.limit = 10'001}).error() == errc::invalid_argument);
    for (const char* cursor : {"x", "00000000-0000-0000-0000-00000000000", "alice"}) {
        CHECK(store.users().list({.cursor = cursor}).error() == errc::invalid_cursor);
    }
    CHECK(store.users().list({.limit = 10'000})->users.empty());
}

TEST_CASE("store: users come and go between two pages: the others are each listed once") {
    StorePlace place;
    auto store = place.create();
    std::vector<UserId> ids;
    for (int i = 0; i < 6; ++i) {
        place.environment->pass(milliseconds{1});
        ids.push_back(add_user(store, "user" + std::to_string(i)));
    }
    auto page = *store.users().list({.limit = 3});
    REQUIRE(store.users().erase(ids[2]));  // where the cursor stands
    REQUIRE(store.users().erase(ids[4]));
    place.environment->pass(milliseconds{1});
    add_user(store, "user6");
    CHECK(logins_of(store, {.limit = 3, .cursor = page.next}) ==
          std::vector<std::string>{"user3", "user5", "user6"});
}
