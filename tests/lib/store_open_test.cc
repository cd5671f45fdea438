#include <filesystem>
#include <string>

#include <doctest/doctest.h>
#include <sys/stat.h>

#include "support/faulty_vfs.h"
#include "support/store_fixture.h"

using namespace countersign;
using namespace countersign::testing;

namespace {

namespace fs = std::filesystem;

void check_opening_fails(const Options& options, errc expected) {
    const auto store = Store::open(options);
    REQUIRE_FALSE(store);
    CHECK(store.error() == expected);
    CHECK_FALSE(store.error().detail().empty());
}

}  // namespace

TEST_CASE("store: nothing there: not_a_store, and nothing is made") {
    StorePlace place;
    check_opening_fails(place.options, errc::not_a_store);
    CHECK_FALSE(fs::exists(place.options.directory));
    fs::create_directory(place.options.directory);
    check_opening_fails(place.options, errc::not_a_store);
    CHECK(fs::is_empty(place.options.directory));
}

TEST_CASE("store: another key than the store's: wrong_key, and the right one still opens it") {
    StorePlace place;
    StoreState before;
    {
        auto store = place.create();
        add_user(store, "alice");
        before = state_of(store);
    }
    auto options = place.options;
    options.key_provider = memory_key('x');
    check_opening_fails(options, errc::wrong_key);
    auto store = place.open();
    CHECK(state_of(store) == before);
    CHECK_FALSE(place.events.heard(Event::Kind::unclean_end));
}

TEST_CASE("store: a key file: missing, insecure, another: each its own error") {
    StorePlace place;
    const std::string path = place.around / "kek";
    REQUIRE(make_key_file(path, *place.environment));
    place.options.key_provider = key_file(path);
    place.create();

    REQUIRE(::chmod(path.c_str(), 0640) == 0);
    check_opening_fails(place.options, errc::insecure_key_file);
    REQUIRE(::chmod(path.c_str(), 0600) == 0);
    place.open();

    fs::rename(path, path + ".away");
    check_opening_fails(place.options, errc::key_unavailable);
    REQUIRE(make_key_file(path, *place.environment));
    check_opening_fails(place.options, errc::wrong_key);
    place.around.write("kek", "short");
    check_opening_fails(place.options, errc::wrong_key);
    fs::rename(path + ".away", path);
    place.open();
}

TEST_CASE("store: the key provider goes away while the store is open: it goes on") {
    StorePlace place;
    const std::string path = place.around / "kek";
    REQUIRE(make_key_file(path, *place.environment));
    place.options.key_provider = key_file(path);
    auto store = place.create();
    fs::remove(path);
    add_user(store, "alice");
    CHECK(sign_in(store, "alice").verdict == Verdict::accepted);
}

TEST_CASE("store: a file of a newer release: newer_format, and it is as it was") {
    StorePlace place;
    place.create();
    place.plant("PRAGMA user_version = 2");
    check_opening_fails(place.options, errc::newer_format);
    place.plant("PRAGMA user_version = 1");
    place.open();
}

TEST_CASE("store: files that are no store: each its own error, and they are as they were") {
    StorePlace place;
    fs::create_directory(place.options.directory);
    SUBCASE("another application's database") {
        place.around.write("store/store.db", "");
        place.plant("CREATE TABLE mine (x); INSERT INTO mine VALUES (1)");
        check_opening_fails(place.options, errc::not_a_store);
        place.plant("INSERT INTO mine VALUES (2)");
    }
    SUBCASE("an empty file") {
        place.around.write("store/store.db", "");
        check_opening_fails(place.options, errc::not_a_store);
    }
    SUBCASE("bytes of anything") {
        place.around.write("store/store.db", std::string(10'000, 'x'));
        check_opening_fails(place.options, errc::corrupt);
        CHECK(place.around.read("store/store.db") == std::string(10'000, 'x'));
    }
}

TEST_CASE("store: a read-only disk: read_only, and it can be opened later") {
    FaultyVfs vfs;
    StorePlace place;
    place.environment->set_vfs(vfs.name());
    place.create();
    vfs.plan({.calls = io_write, .code = 8, .system_errno = EROFS, .for_good = true});
    place.environment->refuse_to_write("marker", errc::read_only);
    check_opening_fails(place.options, errc::read_only);
    vfs.heal();
    place.environment->allow_all_writes();
    place.open();
}

TEST_CASE("store: the key is wrapped anew: the old provider opens nothing, the new one does") {
    StorePlace place;
    auto options = place.options;
    options.key_provider = memory_key('n');
    {
        auto store = place.create();
        add_user(store, "alice");
        REQUIRE(store.rewrap(options.key_provider));
        CHECK(store.status()->key_provider == "memory key n");
        add_user(store, "bob");
    }
    check_opening_fails(place.options, errc::wrong_key);
    const auto store = Store::open(options);
    REQUIRE(store);
}

TEST_CASE("store: the key is wrapped anew: what the old one wrapped has left the files") {
    StorePlace place;
    std::vector<std::string> wrapped;
    const auto keeping = [&wrapped](char letter) {
        const auto inner = memory_key(letter);
        return key_callback(
            [&wrapped, inner](const Secret& key, const KeyContext& context) {
                auto bytes =
                    inner->wrap(key, context, std::array<std::byte, KeyProvider::entropy_size>{});
                wrapped.emplace_back(reinterpret_cast<const char*>(bytes->data()), bytes->size());
                return bytes;
            },
            [inner](std::span<const std::byte> bytes, const KeyContext& context) {
                return inner->unwrap(bytes, context);
            });
    };
    place.options.key_provider = keeping('k');
    place.options.root_key_provider = memory_key('r');
    auto store = place.create();
    REQUIRE(wrapped.size() == 1);
    const auto files_hold = [&](const std::string& bytes) {
        bool held = false;
        place.copy_files(place.around / "copy");
        for (const auto& file : fs::directory_iterator(place.around / "copy")) {
            const auto content = place.around.read("copy/" + file.path().filename().string());
            held = held || content.find(bytes) != std::string::npos;
        }
        fs::remove_all(place.around / "copy");
        return held;
    };
    CHECK(files_hold(wrapped[0]));
    REQUIRE(store.rewrap(keeping('n')));
    REQUIRE(wrapped.size() == 2);
    CHECK(files_hold(wrapped[1]));
    CHECK_FALSE(files_hold(wrapped[0]));
}

TEST_CASE("store: wrapping anew fails: the old provider still opens the store") {
    FaultyVfs vfs;
    StorePlace place;
    place.environment->set_vfs(vfs.name());
    {
        auto store = place.create();
        const auto none = store.rewrap(nullptr);
        REQUIRE_FALSE(none);
        CHECK(none.error() == errc::invalid_argument);
        const auto away = store.rewrap(key_file(place.around / "missing"));
        REQUIRE_FALSE(away);
        CHECK(away.error() == errc::key_unavailable);
        vfs.plan({.calls = io_write, .code = 13, .system_errno = ENOSPC});
        const auto full = store.rewrap(memory_key('n'));
        REQUIRE_FALSE(full);
        CHECK(full.error() == errc::disk_full);
        vfs.heal();
        CHECK(store.status()->key_provider == "memory key k");
        add_user(store, "alice");
    }
    place.open();
}

TEST_CASE("store: a power cut while the key is wrapped anew: one of the two opens the store") {
    int with_old = 0;
    int with_new = 0;
    for (int nth = 1; nth <= 12; ++nth) {
        CAPTURE(nth);
        FaultyVfs vfs;
        StorePlace place;
        place.environment->set_vfs(vfs.name());
        auto store = place.create();
        vfs.plan({.calls = io_write | io_sync | io_truncate, .nth = nth, .code = 10});
        const auto done = store.rewrap(memory_key('n'));
        auto options = place.options;
        options.directory = place.around / "copy";
        options.environment = std::make_shared<TestEnvironment>(2);
        place.copy_files(options.directory);
        const bool opens_with_old = Store::open(options).has_value();
        options.key_provider = memory_key('n');
        const bool opens_with_new = Store::open(options).has_value();
        CHECK(opens_with_old != opens_with_new);
        if (done) CHECK(opens_with_new);
        with_old += opens_with_old;
        with_new += opens_with_new;
    }
    CHECK(with_old > 0);
    CHECK(with_new > 0);
}

TEST_CASE("store: a directory path with a slash at its end: the root key goes beside it") {
    StorePlace place;
    place.options.directory += "/";
    place.create();
    CHECK(fs::exists(place.around / "store.root"));
    CHECK_FALSE(fs::exists(place.around / "store/.root"));
    auto store = place.open();
    CHECK(store.status()->root_key_here);
}
