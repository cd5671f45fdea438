#include <algorithm>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "support/store_fixture.h"

using namespace countersign;
using namespace countersign::testing;
using namespace std::chrono_literals;

namespace {

namespace fs = std::filesystem;

/// Goes on until nothing but the next scrub is due.
void scrub(StorePlace& place, Store& store) {
    place.environment->pass(24h);
    for (int i = 0; i < 50; ++i) {
        const auto next = store.run_due();
        const auto now = place.environment->now().monotonic;
        if (next > now + 1s) return;
        place.environment->pass(std::chrono::ceil<milliseconds>(next - now));
    }
    FAIL("the scrub does not end");
}

/// Whether any file of the directory, as it lies on the disk now, holds these bytes.
bool in_files(const StorePlace& place, const std::string& bytes) {
    return place.bytes_on_disk().find(bytes) != std::string::npos;
}

/// From the middle of a batch with one record: sealed bytes.
std::string ciphertext_in(Store& store, LogSeq seq) {
    const auto exact = store.log().exact(seq);
    REQUIRE(exact);
    const auto& bytes = exact->bytes;
    return {reinterpret_cast<const char*>(bytes.data()) + bytes.size() - 160, 64};
}

}  // namespace

TEST_CASE("store: the log shown: each batch with its place, time, changes and hash") {
    StorePlace place;
    auto store = place.create();
    add_user(store, "alice");
    place.environment->pass(5s);
    std::vector<NewUser> users;
    for (int i = 0; i < 5; ++i) users.push_back({.login = "user" + std::to_string(i)});
    for (const auto& made : store.users().create_many(std::move(users))) REQUIRE(made);
    const auto status = store.status();
    const auto batches = store.log().show(LogSeq{1}, 1000);
    REQUIRE(batches);
    REQUIRE(batches->size() == 3);
    for (std::size_t i = 0; i < 3; ++i) {
        const auto& batch = batches->at(i);
        CHECK(batch.seq == LogSeq{i + 1});
        CHECK(batch.root_term == RootTerm{1});
        CHECK(batch.epoch == Epoch{1});
        CHECK(batch.node == status->node);
        CHECK(batch.hash.size() == 64);
        const auto exact = store.log().exact(batch.seq);
        REQUIRE(exact);
        CHECK(exact->bytes.size() == batch.bytes);
        CHECK(exact->signature.size() == 64);
    }
    CHECK(batches->at(1).changes == 1);
    CHECK(batches->at(2).changes == 5);
    CHECK(batches->at(2).time == place.environment->wall());
    CHECK(batches->at(1).time == place.environment->wall() - 5s);

    CHECK(store.log().show(LogSeq{2}, 1)->size() == 1);
    CHECK(store.log().show(LogSeq{4}, 1)->empty());
    for (const std::size_t limit : {0, 1001}) {
        const auto bad = store.log().show(LogSeq{1}, limit);
        REQUIRE_FALSE(bad);
        CHECK(bad.error() == errc::invalid_argument);
    }
    const auto beyond = store.log().exact(LogSeq{4});
    REQUIRE_FALSE(beyond);
    CHECK(beyond.error() == errc::not_found);
}

TEST_CASE("store: the log verified: what it walked over, and the digest that is signed") {
    StorePlace place;
    auto store = place.create();
    add_user(store, "alice");
    const auto verified = store.log().verify();
    REQUIRE(verified);
    CHECK(verified->batches == 2);
    CHECK(verified->seq == LogSeq{2});
    CHECK(verified->digest == store.status()->digest);
    CHECK(verified->records ==
          static_cast<std::uint64_t>(place.ask("SELECT count(*) FROM record")));
}

TEST_CASE("store: bytes changed behind its back: verify says what and where, and it is told") {
    struct Case {
        const char* sql;
        const char* what;
    };
    const Case cases[] = {
        {"UPDATE batch SET bytes = CAST(substr(bytes, 1, length(bytes) - 8) || x'0102030405060708'"
         " AS BLOB) WHERE seq = 2",
         "batch"},
        {"UPDATE batch SET signature = zeroblob(64) WHERE seq = 2", "batch"},
        {"DELETE FROM batch WHERE seq = 2", "batch"},
        {"UPDATE record SET sealed = CAST(substr(sealed, 1, length(sealed) - 1) || x'5a' AS BLOB)"
         " WHERE seq = 2",
         "digest"},
        {"DELETE FROM record WHERE seq = 2", "digest"},
        {"DELETE FROM handle", "handle"},
    };
    for (const auto& each : cases) {
        CAPTURE(each.sql);
        StorePlace place;
        {
            auto store = place.create();
            add_user(store, "alice");
            add_user(store, "bob");
        }
        place.plant(each.sql);
        auto store = place.open();
        const auto verified = store.log().verify();
        REQUIRE_FALSE(verified);
        CHECK(verified.error().message().find(each.what) != std::string::npos);
        CHECK(place.events.count(Event::Kind::damage_found) == 1);
    }
}

TEST_CASE("store: compaction: batches go, what they said stays, and the log goes on") {
    StorePlace place;
    auto store = place.create();
    for (int i = 0; i < 20; ++i) add_user(store, "user" + std::to_string(i));
    const auto before = state_of(store);
    const auto compacted = store.log().compact();
    REQUIRE(compacted);
    CHECK(compacted->batches_erased > 0);
    CHECK(compacted->batches_erased + compacted->batches_kept == 21);
    CHECK(state_of(store) == before);
    const auto gone = store.log().show(LogSeq{1}, 10);
    REQUIRE_FALSE(gone);
    CHECK(gone.error() == errc::not_found);
    CHECK(store.log().verify()->seq == before.seq);
    CHECK(fs::file_size(place.database() + "-wal") == 0);
    add_user(store, "alice");
    CHECK(store.log().verify()->seq == next(before.seq));
    {
        const auto closed = std::move(store);
    }
    store = place.open();
    CHECK(store.log().verify());
    CHECK(sign_in(store, "user7").verdict == Verdict::accepted);
    CHECK(store.log().compact());
}

TEST_CASE("store: old batches go by themselves when they are of age or too many bytes") {
    StorePlace place;
    place.options.log_age = 24h;
    auto store = place.create();
    for (int i = 0; i < 5; ++i) add_user(store, "user" + std::to_string(i));
    place.environment->pass(23h);
    add_user(store, "alice");
    store.run_due();
    CHECK(store.log().show(LogSeq{1}, 10)->size() == 7);
    place.environment->pass(2h);
    store.run_due();
    const auto kept = store.log().verify();
    REQUIRE(kept);
    CHECK(kept->batches < 7);
    CHECK(kept->batches >= 1);
    CHECK(sign_in(store, "user3").verdict == Verdict::accepted);
}

TEST_CASE("store: erasure and compaction: no earlier form of the record is in any file") {
    StorePlace place;
    auto store = place.create();
    const auto alice = add_user(store, "alice");
    add_user(store, "bob");
    std::vector<std::string> forms{ciphertext_in(store, store.users().get(alice)->seq)};
    const auto keep = [&](const Result<LogSeq>& seq) {
        REQUIRE(seq);
        forms.push_back(ciphertext_in(store, *seq));
    };
    keep(store.users().set_password(alice, Secret("a better one")));
    keep(store.users().change(alice, {.display_name = "Alice"}));
    add_authenticator(store, *place.environment, alice);
    forms.push_back(ciphertext_in(store, store.users().get(alice)->seq));
    REQUIRE(store.users().make_recovery_codes(alice));
    forms.push_back(ciphertext_in(store, store.users().get(alice)->seq));
    sign_in(store, "alice", "wrong");
    for (const auto& form : forms) CHECK(in_files(place, form));

    const std::string id(reinterpret_cast<const char*>(alice.bytes.data()), alice.bytes.size());
    CHECK(in_files(place, id));
    REQUIRE(store.users().erase(alice));
    REQUIRE(store.log().compact());
    for (const auto& form : forms) CHECK_FALSE(in_files(place, form));
    CHECK(store.log().verify());
    CHECK(sign_in(store, "bob").verdict == Verdict::accepted);
}

TEST_CASE("store: users come and go, and compaction: no erased one's id is in any file") {
    // SQLite moves rows from page to page, and leaves copies in the free space of pages.
    std::mt19937 draw(2);
    StorePlace place;
    auto store = place.create();
    std::vector<UserId> users;
    std::vector<std::string> erased;
    for (int i = 0; i < 1500; ++i) {
        if (users.empty() || draw() % 10 < 5) {
            NewUser user{.login = "user" + std::to_string(i)};
            user.display_name.assign(draw() % 300, 'x');
            users.push_back(*store.users().create(std::move(user)));
        } else {
            std::swap(users[draw() % users.size()], users.back());
            REQUIRE(store.users().erase(users.back()));
            erased.emplace_back(reinterpret_cast<const char*>(users.back().bytes.data()), 16);
            users.pop_back();
        }
    }
    add_user(store, "last");  // whose batch is the one that stays
    REQUIRE(store.log().compact());

    const std::string files = place.bytes_on_disk();
    const auto left = std::ranges::count_if(
        erased, [&](const std::string& id) { return files.find(id) != std::string::npos; });
    CHECK(left == 0);
    CHECK(store.log().verify());
    CHECK(sign_in(store, "last").verdict == Verdict::accepted);
}

TEST_CASE("store: the scrub over sound records: told, and again after its interval") {
    StorePlace place;
    auto store = place.create();
    for (int i = 0; i < 3; ++i) add_user(store, "user" + std::to_string(i));
    scrub(place, store);
    CHECK(place.events.count(Event::Kind::scrub_finished) == 1);
    scrub(place, store);
    CHECK(place.events.count(Event::Kind::scrub_finished) == 2);
    CHECK_FALSE(place.events.heard(Event::Kind::damage_found));
}

TEST_CASE("store: one byte of a record flips: the scrub finds it, and nobody signs in any more") {
    StorePlace place;
    {
        auto store = place.create();
        add_user(store, "alice");
        add_user(store, "bob");
    }
    place.plant(
        "UPDATE record SET sealed = CAST(substr(sealed, 1, 50) || x'5a' || substr(sealed, 52)"
        " AS BLOB) WHERE seq = 2");
    auto store = place.open();
    // Alice's record does not open: from then on nobody is let in, restarts included.
    const auto alice = store.authenticate({.login = "alice", .password = Secret(good_password)});
    REQUIRE_FALSE(alice);
    CHECK(alice.error() == errc::corrupt);
    CHECK(place.events.count(Event::Kind::damage_found) == 1);
    {
        const auto closed = std::move(store);
    }
    store = place.open();
    CHECK(store.authenticate({.login = "bob", .password = Secret(good_password)}).error() ==
          errc::corrupt);
    CHECK(store.users().create({.login = "carol", .password = Secret(good_password)}).error() ==
          errc::corrupt);
    CHECK(store.status()->damage.find("record of user") != std::string::npos);
    place.events.forget();
    scrub(place, store);
    CHECK_FALSE(place.events.heard(Event::Kind::scrub_finished));
    CHECK_FALSE(place.events.heard(Event::Kind::damage_repaired));
    for (const char* login : {"alice", "bob", "nobody"}) {
        const auto result = store.authenticate({.login = login, .password = Secret(good_password)});
        REQUIRE_FALSE(result);
        CHECK(result.error() == errc::corrupt);
        CHECK(result.error().message().find("repair") != std::string::npos);
    }
}

TEST_CASE("store: no scrub is wanted: none is done") {
    StorePlace place;
    place.options.scrub_interval = 0ms;
    auto store = place.create();
    place.environment->pass(48h);
    for (int i = 0; i < 5; ++i) store.run_due();
    CHECK_FALSE(place.events.heard(Event::Kind::scrub_finished));
}
