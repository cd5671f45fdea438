#include <filesystem>
#include <functional>
#include <string>

#include <doctest/doctest.h>
#include <sys/stat.h>

#include "support/faulty_vfs.h"
#include "support/store_fixture.h"

using namespace countersign;
using namespace countersign::testing;
using namespace std::chrono_literals;

namespace {

namespace fs = std::filesystem;

/// Nothing of a store, and no root key.
void check_nothing_left(const StorePlace& place) {
    CHECK_FALSE(fs::exists(place.root_file()));
    for (const char* name : {"store.db", "store.db-wal", "store.db-shm", "marker"}) {
        CAPTURE(name);
        CHECK_FALSE(fs::exists(place.options.directory + "/" + name));
    }
}

void check_creation_fails(const StorePlace& place, errc expected) {
    const auto store = Store::create(place.options);
    REQUIRE_FALSE(store);
    CHECK(store.error() == expected);
    check_nothing_left(place);
}

}  // namespace

TEST_CASE("store: a new pool: its first node is its primary, and all of it is there again") {
    StorePlace place;
    Status first;
    {
        auto store = place.create();
        first = *store.status();
        CHECK(first.name == "hq");
        CHECK(first.primary_name == "hq");
        CHECK(first.is_primary);
        CHECK(first.primary == first.node);
        CHECK(first.root_term == RootTerm{1});
        CHECK(first.epoch == Epoch{1});
        CHECK(first.seq == LogSeq{1});
        CHECK(first.users == 0);
        CHECK_FALSE(first.restored);
        CHECK(first.root_key_here);
        CHECK(first.key_provider == "memory key k");
        CHECK(first.digest.size() == 64);
    }
    auto store = place.open();
    const auto second = store.status();
    REQUIRE(second);
    CHECK(second->pool == first.pool);
    CHECK(second->node == first.node);
    CHECK(second->digest == first.digest);
    CHECK(second->seq == first.seq);
    CHECK_FALSE(place.events.heard(Event::Kind::new_incarnation));
    CHECK_FALSE(place.events.heard(Event::Kind::unclean_end));
}

TEST_CASE("store: files of a new store: only their owner can read them") {
    StorePlace place;
    auto store = place.create();
    struct stat status;
    REQUIRE(::stat(place.options.directory.c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0700);
    for (const auto& path : {place.database(), place.root_file(), place.database() + "-wal"}) {
        CAPTURE(path);
        REQUIRE(::stat(path.c_str(), &status) == 0);
        CHECK((status.st_mode & 0777) == 0600);
    }
}

TEST_CASE("store: an option outside its range: invalid_argument names it, nothing is made") {
    struct Case {
        const char* name;
        std::function<void(Options&)> spoil;
    };
    const Case cases[] = {
        {"directory", [](Options& o) { o.directory.clear(); }},
        {"key_provider", [](Options& o) { o.key_provider = nullptr; }},
        {"node_name", [](Options& o) { o.node_name.clear(); }},
        {"node_name", [](Options& o) { o.node_name = std::string(65, 'n'); }},
        {"node_name", [](Options& o) { o.node_name = "two words"; }},
        {"issuer", [](Options& o) { o.pool.issuer.clear(); }},
        {"issuer", [](Options& o) { o.pool.issuer = std::string(65, 'i'); }},
        {"issuer", [](Options& o) { o.pool.issuer = "a:b"; }},
        {"password_minimum", [](Options& o) { o.pool.password_minimum = 7; }},
        {"password_minimum", [](Options& o) { o.pool.password_minimum = 65; }},
        {"password_maximum", [](Options& o) { o.pool.password_maximum = 63; }},
        {"password_maximum", [](Options& o) { o.pool.password_maximum = 257; }},
        {"hash_memory_kib", [](Options& o) { o.pool.hash_memory_kib = 7; }},
        {"hash_memory_kib", [](Options& o) { o.pool.hash_memory_kib = 262'145; }},
        {"hash_passes", [](Options& o) { o.pool.hash_passes = 0; }},
        {"hash_passes", [](Options& o) { o.pool.hash_passes = 11; }},
        {"password_throttle.max_failures",
         [](Options& o) { o.pool.password_throttle.max_failures = 0; }},
        {"password_throttle.max_failures",
         [](Options& o) {
             o.pool.guess_budget = 1000;
             o.pool.password_throttle.max_failures = 101;
         }},
        {"password_throttle.lock_for",
         [](Options& o) { o.pool.password_throttle.lock_for = -1ms; }},
        {"password_throttle.lock_for", [](Options& o) { o.pool.password_throttle.lock_cap = 29s; }},
        {"password_throttle.backoff", [](Options& o) { o.pool.password_throttle.backoff = 0; }},
        {"password_throttle.backoff", [](Options& o) { o.pool.password_throttle.backoff = 11; }},
        {"password_throttle.lock_cap",
         [](Options& o) { o.pool.password_throttle.lock_cap = 24h + 1ms; }},
        {"code_throttle.max_failures", [](Options& o) { o.pool.code_throttle.max_failures = 0; }},
        {"code_throttle.lock_for", [](Options& o) { o.pool.code_throttle.lock_for = -1ms; }},
        {"code_throttle.backoff", [](Options& o) { o.pool.code_throttle.backoff = 11; }},
        {"code_throttle.lock_cap", [](Options& o) { o.pool.code_throttle.lock_cap = 25h; }},
        {"guess_budget", [](Options& o) { o.pool.guess_budget = 9; }},
        {"guess_budget", [](Options& o) { o.pool.guess_budget = 100'001; }},
        {"hashing_memory", [](Options& o) { o.hashing_memory = (1 << 20) - 1; }},
        {"hashing_queue", [](Options& o) { o.hashing_queue = 0; }},
        {"hashing_queue_per_source", [](Options& o) { o.hashing_queue_per_source = 0; }},
        {"hashing_queue_per_source", [](Options& o) { o.hashing_queue_per_source = 4097; }},
        {"commit_queue", [](Options& o) { o.commit_queue = 0; }},
        {"checkpoint_bytes", [](Options& o) { o.checkpoint_bytes = (1 << 20) - 1; }},
        {"readers", [](Options& o) { o.readers = 0; }},
        {"readers", [](Options& o) { o.readers = 257; }},
        {"deadline", [](Options& o) { o.deadline = 0ms; }},
        {"lock_patience", [](Options& o) { o.lock_patience = -1ms; }},
        {"scrub_interval", [](Options& o) { o.scrub_interval = -1ms; }},
        {"unclean_end_wait", [](Options& o) { o.unclean_end_wait = -1ms; }},
        {"log_acked_age", [](Options& o) { o.log_acked_age = -1ms; }},
        {"log_age", [](Options& o) { o.log_age = -1ms; }},
    };
    for (const auto& each : cases) {
        StorePlace place;
        CAPTURE(each.name);
        auto options = place.options;
        each.spoil(options);
        const auto store = Store::create(options);
        REQUIRE_FALSE(store);
        CHECK(store.error() == errc::invalid_argument);
        CHECK(store.error().detail().find(each.name) != std::string::npos);
        check_nothing_left(place);
    }
}

TEST_CASE("store: options at their limits: taken") {
    StorePlace place;
    place.options.node_name = std::string(64, 'n');
    place.options.pool.issuer = std::string(64, 'i');
    place.options.pool.password_minimum = 64;
    place.options.pool.password_maximum = 256;
    place.options.pool.guess_budget = 100'000;
    place.options.pool.password_throttle = {
        .max_failures = 100, .lock_for = 24h, .backoff = 10, .lock_cap = 24h};
    place.options.pool.code_throttle = {
        .max_failures = 1, .lock_for = 0ms, .backoff = 1, .lock_cap = 0ms};
    place.options.checkpoint_bytes = 1 << 20;
    place.options.readers = 1;
    place.options.hashing_memory = 1 << 20;
    place.options.commit_queue = 1;
    auto store = place.create();
    add_user(store, "alice", std::string(64, 'p'));
    CHECK(sign_in(store, "alice", std::string(64, 'p')).verdict == Verdict::accepted);
}

TEST_CASE("store: a directory that holds a store: store_exists, and it is as it was") {
    StorePlace place;
    StoreState before;
    {
        auto store = place.create();
        add_user(store, "alice");
        before = state_of(store);
        const auto again = Store::create(place.options);
        REQUIRE_FALSE(again);
        CHECK(again.error() == errc::store_exists);
    }
    const auto again = Store::create(place.options);
    REQUIRE_FALSE(again);
    CHECK(again.error() == errc::store_exists);
    auto store = place.open();
    CHECK(state_of(store) == before);
    CHECK(fs::exists(place.root_file()));
}

TEST_CASE("store: no directory above: not_found says so") {
    StorePlace place;
    place.options.directory = place.around / "missing/store";
    const auto store = Store::create(place.options);
    REQUIRE_FALSE(store);
    CHECK(store.error() == errc::not_found);
    CHECK(store.error().detail().find("make it first") != std::string::npos);
}

TEST_CASE("store: a file where the root key should go: it stays, and no store is made") {
    StorePlace place;
    place.around.write("store.root", "the only key of another pool");
    const auto store = Store::create(place.options);
    REQUIRE_FALSE(store);
    CHECK(store.error() == errc::already_exists);
    CHECK(place.around.read("store.root") == "the only key of another pool");
    CHECK_FALSE(fs::exists(place.database()));

    place.options.root_file = place.around / "elsewhere.root";
    place.create();
    CHECK(fs::exists(place.options.root_file));
    CHECK(place.around.read("store.root") == "the only key of another pool");
}

TEST_CASE("store: the root key taken elsewhere: status says that it is not here") {
    StorePlace place;
    auto store = place.create();
    fs::remove(place.root_file());
    CHECK_FALSE(store.status()->root_key_here);
}

TEST_CASE("store: a key provider that is away while a pool is made: nothing is left, and again") {
    StorePlace place;
    const auto good = place.options.key_provider;
    place.options.key_provider = key_callback(
        [](const Secret&, const KeyContext&) -> Result<std::vector<std::byte>> {
            return Error(errc::key_unavailable, "the HSM is away");
        },
        [](std::span<const std::byte>, const KeyContext&) -> Result<Secret> {
            return Error(errc::key_unavailable, "the HSM is away");
        });
    check_creation_fails(place, errc::key_unavailable);
    place.options.key_provider = good;
    place.create();
}

TEST_CASE("store: a key provider that wraps and does not unwrap: no pool is made with it") {
    StorePlace place;
    const auto good = place.options.key_provider;
    place.options.key_provider = key_callback(
        [](const Secret& key, const KeyContext&) -> Result<std::vector<std::byte>> {
            return std::vector<std::byte>(key.bytes().begin(), key.bytes().end());
        },
        [](std::span<const std::byte>, const KeyContext&) -> Result<Secret> {
            return Error(errc::key_unavailable, "no permission to decrypt");
        });
    check_creation_fails(place, errc::key_unavailable);
    place.options.key_provider = good;
    place.create();
}

TEST_CASE("store: a root key that cannot be wrapped: nothing is left") {
    StorePlace place;
    place.options.root_key_provider = key_file(place.around / "missing.key");
    check_creation_fails(place, errc::key_unavailable);
}

TEST_CASE("store: blocked passwords that cannot be meant: nothing is made") {
    StorePlace place;
    place.options.blocked_passwords = "first line\n\xff\xfe\n";
    check_creation_fails(place, errc::invalid_argument);
    place.options.blocked_passwords.clear();
    place.create();
}

TEST_CASE("store: a file that cannot be written while a pool is made: nothing is left, and again") {
    for (const char* file : {".root", "marker"}) {
        CAPTURE(file);
        StorePlace place;
        place.environment->refuse_to_write(file, errc::disk_full);
        check_creation_fails(place, errc::disk_full);
        place.environment->allow_all_writes();
        place.create();
    }
}

TEST_CASE("store: any call to the disk fails while a pool is made: nothing is left, and again") {
    FaultyVfs vfs;
    StorePlace place;
    place.environment->set_vfs(vfs.name());
    bool made = false;
    int failures = 0;
    for (int nth = 1; !made && nth < 400; ++nth) {
        CAPTURE(nth);
        vfs.heal();
        vfs.plan({.calls = io_write | io_sync | io_truncate, .nth = nth, .code = 10});
        {
            const auto store = Store::create(place.options);
            made = store.has_value();
            // What is not needed for success may fail: the last call of a creation that worked.
            if (made) continue;
            CHECK(store.error() == errc::io_error);
            ++failures;
        }
        check_nothing_left(place);
        if (failures > 300) break;
    }
    CHECK(made);
    CHECK(failures > 3);
}

TEST_CASE("store: a full disk while a pool is made: disk_full, nothing is left, and again") {
    FaultyVfs vfs;
    StorePlace place;
    place.environment->set_vfs(vfs.name());
    vfs.plan({.calls = io_write, .nth = 3, .code = 13, .system_errno = ENOSPC, .for_good = true});
    check_creation_fails(place, errc::disk_full);
    vfs.heal();
    place.create();
}
