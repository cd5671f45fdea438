#include <doctest/doctest.h>

#include "cluster/linked_sites.h"

using namespace countersign;
using namespace countersign::testing;
using Kind = LinkEvent::Kind;

namespace {

constexpr int users = 60;
constexpr const char* flip_first_user =
    "UPDATE record SET sealed = CAST(substr(sealed, 1, 50) || x'5a' || substr(sealed, 52) AS BLOB)"
    " WHERE kind = 1 AND seq = 2";
constexpr const char* lose_last_user =
    "DELETE FROM record WHERE kind = 1 AND id = (SELECT max(id) FROM record WHERE kind = 1)";

/// A primary with many users and two branches, the second of which may be damaged by a test.
struct Sites {
    explicit Sites(bool with_second = false) {
        hq.create();
        first = add_user(*hq.store, "user-0");
        for (int i = 1; i < users; ++i) add_user(*hq.store, "user-" + std::to_string(i));
        let_in(hq, branch);
        if (with_second) let_in(hq, second);
    }
    /// Changes the site's file behind the store's back.
    static void damage(Site& site, const char* sql) {
        site.close();
        site.place.plant(sql);
        site.reopen();
        site.place.events.forget();
    }
    static bool refuses(Site& site) {
        const auto result =
            site.store->authenticate({.login = "user-7", .password = Secret(good_password)});
        return !result && result.error() == errc::corrupt && !site.store->status()->damage.empty();
    }
    static bool serves(Site& site) {
        return sign_in(*site.store, "user-7").verdict == Verdict::accepted &&
               site.store->status()->damage.empty();
    }
    static void find_damage(Site& site) { CHECK_FALSE(site.store->log().verify()); }
    void set_password() {
        REQUIRE(hq.store->users().set_password(first, Secret("a new pair of boots")));
    }

    Site hq{1, "hq"};
    Site branch{2, "branch"};
    Site second{3, "second"};
    UserId first;
};

}  // namespace

TEST_CASE("repair: a record of a replica that does not open: refused, restarted, linked, mended") {
    Sites sites;
    auto& branch = sites.branch;
    Sites::damage(branch, flip_first_user);
    const auto refused =
        branch.store->authenticate({.login = "user-0", .password = Secret(good_password)});
    REQUIRE_FALSE(refused);
    CHECK(refused.error() == errc::corrupt);
    CHECK(branch.place.events.count(Event::Kind::damage_found) == 1);
    CHECK(Sites::refuses(branch));
    branch.close();
    branch.reopen();
    CHECK(Sites::refuses(branch));

    SiteLink link(branch, sites.hq);
    link.run();
    CHECK(link.saw(Kind::repaired));
    CHECK_FALSE(link.saw(Kind::copy_started));
    CHECK(Sites::serves(branch));
    CHECK(sign_in(*branch.store, "user-0").verdict == Verdict::accepted);
    CHECK(in_step(sites.hq, branch));
    CHECK(branch.place.events.detail_of(Event::Kind::damage_repaired)
              .starts_with("1 records replaced, in buckets "));
    CHECK_FALSE(sites.hq.place.events.heard(Event::Kind::damage_found));
    sites.set_password();
    link.run();
    CHECK(in_step(sites.hq, branch));
}

TEST_CASE("repair: a batch meets a damaged row: applied once it is known whose fault it is") {
    Sites sites;
    Sites::damage(sites.branch, flip_first_user);
    sites.set_password();
    SiteLink link(sites.branch, sites.hq);
    link.run();
    CHECK(sites.branch.place.events.heard(Event::Kind::damage_found));
    CHECK(link.saw(Kind::repaired));
    CHECK_FALSE(link.reason());
    CHECK(Sites::serves(sites.branch));
    CHECK(in_step(sites.hq, sites.branch));
}

TEST_CASE("repair: rows changed, lost and made up, handles and head: each found and mended") {
    const char* damages[] = {
        flip_first_user,
        lose_last_user,
        "UPDATE record SET seq = 3 WHERE kind = 1 AND seq = 9",
        "UPDATE record SET seq = -3 WHERE kind = 1 AND seq = 9",
        "UPDATE record SET kind = 70000 WHERE kind = 1 AND seq = 9",
        "UPDATE record SET id = zeroblob(16) WHERE kind = 1 AND seq = 9",
        "UPDATE record SET handles = x'' WHERE kind = 1 AND seq = 9",
        "INSERT INTO record SELECT kind, zeroblob(16), seq, sealed, handles FROM record"
        " WHERE kind = 1 AND seq = 9",
        "DELETE FROM record WHERE kind = 1",
        "DELETE FROM handle WHERE kind = 1",
        "UPDATE handle SET value = zeroblob(16) WHERE id = (SELECT max(id) FROM handle)",
        "UPDATE head SET digest = zeroblob(2048)",
        "UPDATE head SET time = time + 1",
    };
    Sites sites;
    for (const char* sql : damages) {
        CAPTURE(std::string(sql));
        Sites::damage(sites.branch, sql);
        Sites::find_damage(sites.branch);
        CHECK(sites.branch.place.events.count(Event::Kind::damage_found) >= 1);
        SiteLink link(sites.branch, sites.hq);
        link.run();
        sites.branch.store->run_due();
        CHECK(Sites::serves(sites.branch));
        CHECK(in_step(sites.hq, sites.branch));
    }
}

TEST_CASE("repair: the primary is damaged: signs nothing, and is mended by a replica it feeds") {
    for (const char* sql : {flip_first_user, lose_last_user}) {
        CAPTURE(std::string(sql));
        Sites sites;
        auto& hq = sites.hq;
        Sites::damage(hq, sql);
        Sites::find_damage(hq);
        CHECK(Sites::refuses(hq));
        const auto written =
            hq.store->users().create({.login = "carol", .password = Secret(good_password)});
        REQUIRE_FALSE(written);
        CHECK(written.error() == errc::corrupt);
        CHECK(Sites::serves(sites.branch));
        SiteLink link(sites.branch, hq);
        link.run();
        CHECK(link.saw(Kind::repaired));
        CHECK(hq.place.events.heard(Event::Kind::damage_repaired));
        CHECK_FALSE(sites.branch.place.events.heard(Event::Kind::damage_found));
        CHECK(Sites::serves(hq));
        CHECK(in_step(hq, sites.branch));
        add_user(*hq.store, "carol");
        link.run();
        CHECK(in_step(hq, sites.branch));
    }
}

TEST_CASE("repair: cut at any byte: begins again, and nothing is let in before the proof") {
    Sites sites;
    std::size_t cuts = 0;
    for (std::size_t bytes = 200; cuts < 400; bytes += 1500, ++cuts) {
        CAPTURE(bytes);
        Sites::damage(sites.branch, flip_first_user);
        Sites::find_damage(sites.branch);
        {
            SiteLink link(sites.branch, sites.hq);
            link.cut_after(bytes);
            link.run();
        }
        if (sites.branch.store->status()->damage.empty()) {
            CHECK(in_step(sites.hq, sites.branch));
            break;
        }
        CHECK(Sites::refuses(sites.branch));
        sites.branch.close();
        sites.branch.reopen();
        CHECK(Sites::refuses(sites.branch));
        SiteLink link(sites.branch, sites.hq);
        link.run();
        CHECK(Sites::serves(sites.branch));
        CHECK(in_step(sites.hq, sites.branch));
    }
    CHECK(cuts > 3);
    CHECK(cuts < 400);
}

TEST_CASE("repair: the feeder is damaged: recognised as such, and harms nobody") {
    Sites sites;
    Sites::damage(sites.hq, flip_first_user);
    Sites::damage(sites.branch, lose_last_user);
    Sites::find_damage(sites.branch);
    SiteLink link(sites.branch, sites.hq);
    link.run();
    // It was asked, looked, and found that it is damaged itself.
    CHECK(sites.hq.place.events.heard(Event::Kind::damage_found));
    CHECK(Sites::refuses(sites.hq));
    CHECK(Sites::refuses(sites.branch));
}

TEST_CASE("repair: two damaged in different buckets: each mended from one that is not") {
    Sites sites(true);
    Sites::damage(sites.hq, flip_first_user);
    Sites::find_damage(sites.hq);
    Sites::damage(sites.branch, lose_last_user);
    Sites::find_damage(sites.branch);
    {
        SiteLink link(sites.branch, sites.hq);
        link.run();
        CHECK(Sites::refuses(sites.hq));
        CHECK(Sites::refuses(sites.branch));
    }
    {
        SiteLink link(sites.second, sites.hq);
        link.run();
        CHECK(Sites::serves(sites.hq));
    }
    SiteLink link(sites.branch, sites.hq);
    link.run();
    CHECK(Sites::serves(sites.branch));
    CHECK(in_step(sites.hq, sites.branch));
    CHECK(in_step(sites.second, sites.branch));
}

TEST_CASE("repair: a primary that signed over its damage: its batch is refused, nobody is fooled") {
    Sites sites;
    Sites::damage(sites.hq, "UPDATE record SET seq = 3 WHERE kind = 1 AND seq = 2");
    sites.set_password();
    {
        SiteLink link(sites.branch, sites.hq);
        link.run();
        CHECK(link.reason() == errc::digest_mismatch);
    }
    CHECK(Sites::serves(sites.branch));
    CHECK(sign_in(*sites.branch.store, "user-0").verdict == Verdict::accepted);
    CHECK(sites.branch.place.events.detail_of(Event::Kind::damage_found).find("author's") !=
          std::string::npos);
    Sites::find_damage(sites.hq);
    CHECK(Sites::refuses(sites.hq));
}

TEST_CASE("repair: the primary goes on writing meanwhile: mended at one batch, then caught up") {
    Sites sites;
    Sites::damage(sites.branch, flip_first_user);
    Sites::find_damage(sites.branch);
    sites.set_password();
    SiteLink link(sites.branch, sites.hq);
    int written = 0;
    link.watch = [&] {
        if (++written % 3 == 0 && written < 60) {
            add_user(*sites.hq.store, "late-" + std::to_string(written));
        }
    };
    link.run();
    CHECK(link.saw(Kind::repaired));
    CHECK(Sites::serves(sites.branch));
    CHECK(in_step(sites.hq, sites.branch));
}

TEST_CASE("repair: few records among many: a hundredth of what a copy moves") {
    Site hq(1, "hq");
    Site branch(2, "branch");
    hq.create();
    std::vector<NewUser> many(5'000);
    for (std::size_t i = 0; i < many.size(); ++i) {
        many[i].login = "user-" + std::to_string(i);
        many[i].password_hash =
            "$argon2id$v=19$m=8,t=1,p=1$3i9+qkkovG32gyv1kak1VA$"
            "/4ksckDeNHj+ouZ+xwkj4FJ1ak9ZDzea61kkLL53XXI";
    }
    for (const auto& made : hq.store->users().create_many(std::move(many))) REQUIRE(made);
    add_user(*hq.store, "user-a");
    REQUIRE(branch.join(invite(hq, "branch")));
    std::size_t copied = 0;
    {
        SiteLink link(branch, hq);
        link.run();
        copied = link.arrived();
    }
    Sites::damage(branch,
                  "UPDATE record SET sealed = zeroblob(300) WHERE kind = 1 AND id ="
                  " (SELECT id FROM record WHERE kind = 1 ORDER BY id LIMIT 1 OFFSET 99)");
    Sites::find_damage(branch);
    SiteLink link(branch, hq);
    link.run();
    CHECK(link.saw(Kind::repaired));
    CHECK(in_step(hq, branch));
    CAPTURE(link.arrived());
    CAPTURE(copied);
    CHECK(link.arrived() * 100 < copied);
}

TEST_CASE("repair: a damaged node is asked for a copy: it gives none") {
    Sites sites;
    Sites::damage(sites.hq, flip_first_user);
    Sites::find_damage(sites.hq);
    Site edge(9, "edge");
    CHECK(sites.hq.store->nodes()
              .invite({.name = "edge", .addresses = {"hq.example:7700"}})
              .error() == errc::corrupt);
    const auto page = sites.hq.store->links().store()->read_page({}, 1000);
    REQUIRE_FALSE(page);
    CHECK(page.error() == errc::corrupt);
}
