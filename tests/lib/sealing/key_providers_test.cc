#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include <doctest/doctest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "countersign/environment.h"
#include "countersign/keys.h"

#include "support/vectors.h"

using namespace countersign;
using countersign::testing::bytes_of;
using countersign::testing::unhex;

namespace {

namespace fs = std::filesystem;

/// A directory that goes with the test.
class Folder {
  public:
    Folder() {
        std::string name = (fs::temp_directory_path() / "countersign-keys-XXXXXX").string();
        REQUIRE(::mkdtemp(name.data()) != nullptr);
        path_ = name;
    }
    ~Folder() { fs::remove_all(path_); }
    std::string operator/(const char* name) const { return (path_ / name).string(); }
    std::size_t entries() const {
        return static_cast<std::size_t>(
            std::distance(fs::directory_iterator(path_), fs::directory_iterator()));
    }

  private:
    fs::path path_;
};

std::array<std::byte, KeyProvider::entropy_size> fresh(std::uint8_t first = 0) {
    std::array<std::byte, KeyProvider::entropy_size> bytes;
    for (auto& byte : bytes) byte = static_cast<std::byte>(first++);
    return bytes;
}

KeyContext context() {
    KeyContext context;
    context.pool.bytes.fill(std::byte{0xa0});
    context.node.bytes.fill(std::byte{0xb0});
    return context;
}

Secret master() {
    return Secret("a master key of 32 random bytes.");
}

template <class T>
errc code_of(const Result<T>& result) {
    REQUIRE_FALSE(result);
    return result.error().code();
}

/// What every provider that seals keys itself must do with a key it wrapped.
void check_bound(KeyProvider& provider, const std::vector<std::byte>& wrapped) {
    REQUIRE(provider.unwrap(wrapped, context()).value() == master());

    KeyContext other_pool = context();
    other_pool.pool.bytes[0] ^= std::byte{1};
    CHECK(code_of(provider.unwrap(wrapped, other_pool)) == errc::wrong_key);
    KeyContext other_node = context();
    other_node.node.bytes[31] ^= std::byte{1};
    CHECK(code_of(provider.unwrap(wrapped, other_node)) == errc::wrong_key);

    auto changed = wrapped;
    changed.back() ^= std::byte{1};
    CHECK(code_of(provider.unwrap(changed, context())) == errc::wrong_key);
    for (std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{2}, wrapped.size() - 1}) {
        CHECK(code_of(provider.unwrap(std::span(wrapped).first(size), context())) == errc::corrupt);
    }
    auto longer = wrapped;
    longer.push_back({});
    CHECK(code_of(provider.unwrap(longer, context())) == errc::corrupt);
    auto newer = wrapped;
    newer[1] = std::byte{2};
    CHECK(code_of(provider.unwrap(newer, context())) == errc::newer_format);
    newer[1] = std::byte{1};
    newer[0] = std::byte{9};
    CHECK(code_of(provider.unwrap(newer, context())) == errc::newer_format);
    CHECK(code_of(provider.wrap(Secret("short"), context(), fresh())) == errc::invalid_argument);
}

std::string content_of(const std::string& path) {
    std::ifstream stream(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
}

void write(const std::string& path, std::string_view content, mode_t mode) {
    std::ofstream(path) << content;
    REQUIRE(::chmod(path.c_str(), mode) == 0);
}

}  // namespace

TEST_CASE("keys: a key file is made: 32 random bytes that only the owner can read") {
    const Folder folder;
    const std::string path = folder / "key";
    REQUIRE(make_key_file(path, *system_environment()));
    struct stat status;
    REQUIRE(::stat(path.c_str(), &status) == 0);
    CHECK((status.st_mode & 07777) == 0600);
    CHECK(content_of(path).size() == 32);
    REQUIRE(make_key_file(folder / "other", *system_environment()));
    CHECK(content_of(path) != content_of(folder / "other"));
}

TEST_CASE("keys: a key file is made where something is: already_exists, and it stays") {
    const Folder folder;
    const std::string path = folder / "key";
    write(path, "precious", 0600);
    CHECK(code_of(make_key_file(path, *system_environment())) == errc::already_exists);
    CHECK(content_of(path) == "precious");
}

TEST_CASE("keys: a key file is made in a folder that is not there: read_only") {
    const Folder folder;
    CHECK(code_of(make_key_file(folder / "missing/key", *system_environment())) == errc::read_only);
    CHECK(folder.entries() == 0);
}

TEST_CASE("keys: wrapped with a key file: opens with that file for that pool and node alone") {
    const Folder folder;
    REQUIRE(make_key_file(folder / "key", *system_environment()));
    const auto provider = key_file(folder / "key");
    const auto wrapped = provider->wrap(master(), context(), fresh());
    REQUIRE(wrapped);
    // kind, version, and the given bytes as nonce
    CHECK(to_hex(std::span(*wrapped).first(4)) == "01010001");
    check_bound(*provider, *wrapped);
    CHECK(provider->describe() == "key file " + (folder / "key"));

    REQUIRE(make_key_file(folder / "other", *system_environment()));
    CHECK(code_of(key_file(folder / "other")->unwrap(*wrapped, context())) == errc::wrong_key);
}

TEST_CASE("keys: a wrapped key, once written: opens with every later release") {
    // Made by libsodium from Python: key 01..20, nonce 00..17, associated data as documented.
    const Folder folder;
    std::string key;
    for (char byte = 1; byte <= 32; ++byte) key += byte;
    write(folder / "key", key, 0600);
    const auto wrapped = key_file(folder / "key")->wrap(master(), context(), fresh());
    CHECK(to_hex(*wrapped) ==
          "0101000102030405060708090a0b0c0d0e0f1011121314151617f405bf0dba696234d71798fb"
          "35666b1c1a570aad12bc136f22e50876d90195f936cda4d125b4c92403560bca4eef5c5d");
}

TEST_CASE("keys: a key file that group or others may touch: insecure_key_file, and the remedy") {
    const Folder folder;
    const std::string path = folder / "key";
    REQUIRE(make_key_file(path, *system_environment()));
    const auto provider = key_file(path);
    const auto wrapped = provider->wrap(master(), context(), fresh()).value();
    for (const mode_t mode : {0640, 0604, 0660, 0601, 0620, 0644}) {
        CAPTURE(mode);
        REQUIRE(::chmod(path.c_str(), mode) == 0);
        const auto opened = provider->unwrap(wrapped, context());
        CHECK(code_of(opened) == errc::insecure_key_file);
        CHECK(opened.error().detail().find("chmod 600 " + path) != std::string::npos);
        CHECK(code_of(provider->wrap(master(), context(), fresh())) == errc::insecure_key_file);
    }
    REQUIRE(::chmod(path.c_str(), 0400) == 0);
    CHECK(provider->unwrap(wrapped, context()));
}

TEST_CASE("keys: a key file of another size, or no file: wrong_key") {
    const Folder folder;
    for (const std::size_t size : {0, 31, 33, 4096}) {
        write(folder / "key", std::string(size, 'k'), 0600);
        CHECK(code_of(key_file(folder / "key")->wrap(master(), context(), fresh())) ==
              errc::wrong_key);
    }
    REQUIRE(::mkfifo((folder / "fifo").c_str(), 0600) == 0);
    CHECK(code_of(key_file(folder / "fifo")->wrap(master(), context(), fresh())) ==
          errc::wrong_key);
}

TEST_CASE("keys: a key file that is away: key_unavailable until it is back") {
    const Folder folder;
    const auto provider = key_file(folder / "key");
    CHECK(code_of(provider->wrap(master(), context(), fresh())) == errc::key_unavailable);
    REQUIRE(make_key_file(folder / "key", *system_environment()));
    const auto wrapped = provider->wrap(master(), context(), fresh()).value();
    fs::rename(folder / "key", folder / "away");
    CHECK(code_of(provider->unwrap(wrapped, context())) == errc::key_unavailable);
    fs::rename(folder / "away", folder / "key");
    CHECK(provider->unwrap(wrapped, context()));
}

TEST_CASE("keys: wrapped with a passphrase: opens with that one for that pool and node alone") {
    const auto provider = passphrase(Secret("correct horse battery staple"));
    const auto wrapped = provider->wrap(master(), context(), fresh());
    REQUIRE(wrapped);
    // kind, version, 65,536 KiB, 3 passes, and the given bytes as salt
    CHECK(to_hex(std::span(*wrapped).first(12)) == "020100000100030000000001");
    check_bound(*provider, *wrapped);
    CHECK(provider->describe() == "passphrase");
    CHECK(code_of(passphrase(Secret("correct horse battery"))->unwrap(*wrapped, context())) ==
          errc::wrong_key);
}

TEST_CASE("keys: a wrapped key that asks for a cost beyond the limits: corrupt, at once") {
    const auto provider = passphrase(Secret("correct horse battery staple"));
    std::vector<std::byte> wrapped = unhex("0201");
    wrapped.resize(2 + 8 + 16 + 24 + 48);
    for (const auto& [memory, passes] : {std::pair(0xffffffffu, 1u),
                                         std::pair(262145u, 1u),
                                         std::pair(7u, 1u),
                                         std::pair(8u, 0u),
                                         std::pair(8u, 11u)}) {
        for (std::size_t i = 0; i < 4; ++i) {
            wrapped[2 + i] = static_cast<std::byte>(memory >> (8 * i));
            wrapped[6 + i] = static_cast<std::byte>(passes >> (8 * i));
        }
        CHECK(code_of(provider->unwrap(wrapped, context())) == errc::corrupt);
    }
}

TEST_CASE("keys: an empty passphrase: invalid_argument") {
    CHECK(code_of(passphrase(Secret())->wrap(master(), context(), fresh())) ==
          errc::invalid_argument);
}

TEST_CASE("keys: wrapped by one kind of provider, unwrapped by another: wrong_key, and by which") {
    const Folder folder;
    REQUIRE(make_key_file(folder / "key", *system_environment()));
    const auto wrapped = key_file(folder / "key")->wrap(master(), context(), fresh()).value();
    const auto opened = passphrase(Secret("x"))->unwrap(wrapped, context());
    CHECK(code_of(opened) == errc::wrong_key);
    CHECK(opened.error().detail() == "the key was wrapped with a key file, not with a passphrase");
}

TEST_CASE("keys: a callback: is given key and context, and gives back what it was given") {
    Secret held;
    const auto provider = key_callback(
        [&](const Secret& key, const KeyContext& given) -> Result<std::vector<std::byte>> {
            held = key.clone();
            CHECK(given.pool == context().pool);
            CHECK(given.node == context().node);
            return bytes_of("handle 7");
        },
        [&](std::span<const std::byte> wrapped, const KeyContext& given) -> Result<Secret> {
            CHECK(given.pool == context().pool);
            CHECK(std::ranges::equal(wrapped, bytes_of("handle 7")));
            return held.clone();
        },
        "vault at hq");
    const auto wrapped = provider->wrap(master(), context(), fresh());
    REQUIRE(wrapped);
    CHECK(provider->unwrap(*wrapped, context()).value() == master());
    CHECK(provider->describe() == "vault at hq");
    held = Secret("of another size");
    CHECK(code_of(provider->unwrap(*wrapped, context())) == errc::wrong_key);
}

TEST_CASE("keys: a callback that fails, or gives too much: its error, or too_large") {
    const auto away = key_callback(
        [](const Secret&, const KeyContext&) -> Result<std::vector<std::byte>> {
            return errc::key_unavailable;
        },
        [](std::span<const std::byte>, const KeyContext&) -> Result<Secret> {
            return errc::key_unavailable;
        });
    CHECK(code_of(away->wrap(master(), context(), fresh())) == errc::key_unavailable);
    CHECK(code_of(away->unwrap(unhex("0301aa"), context())) == errc::key_unavailable);
    CHECK(away->describe() == "callback");

    std::size_t size = KeyProvider::max_wrapped_size - 2;
    const auto large = key_callback(
        [&](const Secret&, const KeyContext&) -> Result<std::vector<std::byte>> {
            return std::vector<std::byte>(size);
        },
        [](std::span<const std::byte>, const KeyContext&) -> Result<Secret> { return master(); });
    const auto largest = large->wrap(master(), context(), fresh());
    REQUIRE(largest);
    CHECK(large->unwrap(*largest, context()));
    ++size;
    CHECK(code_of(large->wrap(master(), context(), fresh())) == errc::too_large);
}
