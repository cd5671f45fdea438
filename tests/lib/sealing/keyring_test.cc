#include "sealing/keyring.h"

#include <algorithm>
#include <string>

#include <doctest/doctest.h>

#include "sealing/hash.h"
#include "support/vectors.h"

using namespace countersign;
using namespace countersign::sealing;
using countersign::testing::unhex;

namespace {

/// A key of 32 times one byte.
Key key_of(std::uint8_t byte) {
    Secret bytes = Secret::of_size(key_size);
    std::ranges::fill(bytes.writable(), std::byte{byte});
    return Key(std::move(bytes));
}

Keyring keyring_of_new_pool() {
    return Keyring(key_of(0x11), key_of(0x22));
}

NodeSecrets node_secrets() {
    return {key_of(0x01), key_of(0x02), key_of(0x03)};
}

KeyContext context() {
    KeyContext context;
    context.pool.bytes.fill(std::byte{0xa0});
    context.node.bytes.fill(std::byte{0xb0});
    return context;
}

std::vector<std::byte> associated_data() {
    auto data = unhex(std::string(32, 'a') + std::string(64, 'b'));
    std::ranges::fill(std::span(data).first(16), std::byte{0xa0});
    std::ranges::fill(std::span(data).subspan(16), std::byte{0xb0});
    const auto label = testing::bytes_of("keyring\x01");
    data.insert(data.end(), label.begin(), label.end());
    return data;
}

/// Seals any bytes as if they were a node's keys.
std::vector<std::byte> blob_of(std::span<const std::byte> plain) {
    std::vector<std::byte> blob(1 + Nonce::size);
    blob[0] = std::byte{1};
    seal_onto(blob, plain, associated_data(), Nonce{}, key_of(0x77));
    return blob;
}

std::vector<std::byte> plain_of(std::span<const std::byte> blob) {
    Nonce nonce;
    std::ranges::copy(blob.subspan(1, Nonce::size), nonce.bytes.begin());
    const auto plain = open(blob.subspan(1 + Nonce::size), associated_data(), nonce, key_of(0x77));
    REQUIRE(plain);
    return {plain->bytes().begin(), plain->bytes().end()};
}

bool equal(KeyView left, KeyView right) {
    return std::ranges::equal(left, right);
}

template <class T>
errc code_of(const Result<T>& result) {
    REQUIRE_FALSE(result);
    return result.error().code();
}

constexpr RealmId staff{7};
constexpr RealmId guests{8};

std::vector<std::byte> sealed_keyring() {
    Keyring keyring = keyring_of_new_pool();
    REQUIRE(keyring.add(guests, KeyVersion{1}, key_of(0x81)));
    REQUIRE(keyring.add(staff, KeyVersion{2}, key_of(0x72)));
    REQUIRE(keyring.add(staff, KeyVersion{1}, key_of(0x71)));
    return seal_secrets(node_secrets(), keyring, context(), key_of(0x77), Nonce{});
}

}  // namespace

TEST_CASE("keyring: of a new pool: keys derived from the pool secret, each another") {
    const Keyring keyring = keyring_of_new_pool();
    // hashlib.blake2b(key=22*32, salt=id, person="cs-pool-"), ids 1, 2 and 3.
    CHECK(to_hex(keyring.index_key()) ==
          "e9a3e19f427d7d3bd68f736b1c96cf1e6c7ec535f9c6a6cc0f8d797ef07498a0");
    CHECK(to_hex(keyring.digest_key()) ==
          "b842879198fefa02ff151d45cb8bb76bec54b3b8a1fce280d37601ab221ca388");
    const auto pool_key = keyring.newest(RealmId::pool);
    REQUIRE(pool_key);
    CHECK(pool_key->version == KeyVersion{1});
    CHECK(to_hex(pool_key->key) ==
          "8f619edcba76e5caaec46635d6f9267e1f9a7e5b177ec7bca3ee76c94c291c35");
    CHECK(equal(keyring.channel_psk(), key_of(0x11)));
    CHECK(equal(keyring.pool_secret(), key_of(0x22)));
    CHECK(keyring.version() == 1);
    CHECK_FALSE(keyring.newest(RealmId::default_users));
}

TEST_CASE("keyring: data keys added: found by version, the newest by number") {
    Keyring keyring = keyring_of_new_pool();
    REQUIRE(keyring.add(staff, KeyVersion{2}, key_of(0x72)));
    REQUIRE(keyring.add(staff, KeyVersion{1}, key_of(0x71)));
    REQUIRE(keyring.add(guests, KeyVersion{UINT32_MAX}, key_of(0x8f)));
    CHECK(keyring.version() == 4);
    CHECK(equal(keyring.find(staff, KeyVersion{1}).value(), key_of(0x71)));
    CHECK(equal(keyring.find(staff, KeyVersion{2}).value(), key_of(0x72)));
    CHECK_FALSE(keyring.find(staff, KeyVersion{3}));
    CHECK(keyring.newest(staff)->version == KeyVersion{2});
    CHECK(equal(keyring.newest(staff)->key, key_of(0x72)));
    CHECK(keyring.newest(guests)->version == KeyVersion{UINT32_MAX});
    CHECK_FALSE(keyring.newest(RealmId{6}));
    CHECK_FALSE(keyring.newest(RealmId{9}));
}

TEST_CASE("keyring: a data key that is there is added again: nothing changes") {
    Keyring keyring = keyring_of_new_pool();
    REQUIRE(keyring.add(staff, KeyVersion{1}, key_of(0x71)));
    CHECK(keyring.add(staff, KeyVersion{1}, key_of(0x71)));
    CHECK(keyring.version() == 2);
    CHECK(code_of(keyring.add(staff, KeyVersion{1}, key_of(0x72))) == errc::conflict);
    CHECK(equal(keyring.find(staff, KeyVersion{1}).value(), key_of(0x71)));
    CHECK(keyring.version() == 2);
}

TEST_CASE("keyring: data keys that cannot be: invalid_argument or limit_reached") {
    Keyring keyring = keyring_of_new_pool();
    CHECK(code_of(keyring.add(staff, KeyVersion{0}, key_of(1))) == errc::invalid_argument);
    CHECK(code_of(keyring.add(RealmId::pool, KeyVersion{2}, key_of(1))) == errc::invalid_argument);
    CHECK(code_of(keyring.add(RealmId::pool, KeyVersion{1}, key_of(1))) == errc::conflict);
    for (std::uint32_t version = 1; version < Keyring::max_data_keys; ++version) {
        REQUIRE(keyring.add(staff, KeyVersion{version}, key_of(1)));
    }
    CHECK(code_of(keyring.add(guests, KeyVersion{1}, key_of(1))) == errc::limit_reached);
    CHECK(code_of(keyring.replace_pool_secret(key_of(0x33), KeyVersion{2})) == errc::limit_reached);
    CHECK(keyring.pool_version() == KeyVersion{1});
    CHECK(keyring.version() == Keyring::max_data_keys);

    const auto blob = seal_secrets(node_secrets(), keyring, context(), key_of(0x77), Nonce{});
    CHECK(open_secrets(blob, context(), key_of(0x77))->keyring.data_keys().size() ==
          Keyring::max_data_keys);
}

TEST_CASE("keyring: the pool secret is replaced: new derived keys, and the old realm key stays") {
    Keyring keyring = keyring_of_new_pool();
    const Key old_index(keyring.index_key());
    const Key old_pool(keyring.newest(RealmId::pool)->key);
    CHECK(code_of(keyring.replace_pool_secret(key_of(0x33), KeyVersion{1})) ==
          errc::invalid_argument);
    REQUIRE(keyring.replace_pool_secret(key_of(0x33), KeyVersion{2}));
    CHECK(keyring.version() == 2);
    CHECK(keyring.pool_version() == KeyVersion{2});
    CHECK(equal(keyring.pool_secret(), key_of(0x33)));
    CHECK_FALSE(equal(keyring.index_key(), old_index));
    CHECK(equal(keyring.find(RealmId::pool, KeyVersion{1}).value(), old_pool));
    CHECK(keyring.newest(RealmId::pool)->version == KeyVersion{2});
    CHECK_FALSE(equal(keyring.newest(RealmId::pool)->key, old_pool));

    const auto blob = seal_secrets(node_secrets(), keyring, context(), key_of(0x77), Nonce{});
    const auto opened = open_secrets(blob, context(), key_of(0x77));
    REQUIRE(opened);
    CHECK(opened->keyring.data_keys() == keyring.data_keys());
}

TEST_CASE("keyring: cloned: the same keys, and apart from the original") {
    Keyring keyring = keyring_of_new_pool();
    REQUIRE(keyring.add(staff, KeyVersion{1}, key_of(0x71)));
    Keyring copy = keyring.clone();
    CHECK(copy.version() == keyring.version());
    CHECK(copy.data_keys() == keyring.data_keys());
    REQUIRE(copy.add(staff, KeyVersion{2}, key_of(0x72)));
    CHECK_FALSE(keyring.find(staff, KeyVersion{2}));

    const NodeSecrets node = node_secrets();
    const NodeSecrets twin = node.clone();
    CHECK(twin.signing_seed == node.signing_seed);
    CHECK(twin.channel_secret == node.channel_secret);
    CHECK(twin.token_seed == node.token_seed);
}

TEST_CASE("keyring: sealed and opened: every key of node and pool is there again") {
    const auto opened = open_secrets(sealed_keyring(), context(), key_of(0x77));
    REQUIRE(opened);
    CHECK(opened->node.signing_seed == key_of(0x01));
    CHECK(opened->node.channel_secret == key_of(0x02));
    CHECK(opened->node.token_seed == key_of(0x03));
    const Keyring& keyring = opened->keyring;
    CHECK(keyring.version() == 4);
    CHECK(keyring.pool_version() == KeyVersion{1});
    CHECK(equal(keyring.channel_psk(), key_of(0x11)));
    CHECK(equal(keyring.pool_secret(), key_of(0x22)));
    CHECK(equal(keyring.index_key(), keyring_of_new_pool().index_key()));
    CHECK(keyring.data_keys().size() == 4);
    CHECK(equal(keyring.find(staff, KeyVersion{1}).value(), key_of(0x71)));
    CHECK(equal(keyring.find(staff, KeyVersion{2}).value(), key_of(0x72)));
    CHECK(equal(keyring.find(guests, KeyVersion{1}).value(), key_of(0x81)));
}

TEST_CASE("keyring: the sealed bytes: as the format says, with nothing else inside") {
    const auto blob = sealed_keyring();
    const auto repeated = [](const char* byte) {
        std::string text;
        for (std::size_t i = 0; i < key_size; ++i) text += byte;
        return text;
    };
    CHECK(to_hex(std::span(blob).first(25)) == "01" + std::string(48, '0'));
    CHECK(to_hex(plain_of(blob)) == repeated("01") + repeated("02") + repeated("03") +
                                        "0400000000000000" + repeated("11") + "01000000" +
                                        repeated("22") + "03000000" +      //
                                        "070001000000" + repeated("71") +  //
                                        "070002000000" + repeated("72") +  //
                                        "080001000000" + repeated("81"));
}

TEST_CASE("keyring: opened with another master key, or for another pool or node: wrong_key") {
    const auto blob = sealed_keyring();
    CHECK(code_of(open_secrets(blob, context(), key_of(0x78))) == errc::wrong_key);
    KeyContext other = context();
    other.pool.bytes[15] ^= std::byte{1};
    CHECK(code_of(open_secrets(blob, other, key_of(0x77))) == errc::wrong_key);
    other = context();
    other.node.bytes[0] ^= std::byte{1};
    CHECK(code_of(open_secrets(blob, other, key_of(0x77))) == errc::wrong_key);
    auto changed = blob;
    changed[100] ^= std::byte{1};
    CHECK(code_of(open_secrets(changed, context(), key_of(0x77))) == errc::wrong_key);
}

TEST_CASE("keyring: another format, cut short or overlong: newer_format or corrupt") {
    auto blob = sealed_keyring();
    CHECK(code_of(open_secrets({}, context(), key_of(0x77))) == errc::corrupt);
    CHECK(code_of(open_secrets(std::span(blob).first(200), context(), key_of(0x77))) ==
          errc::corrupt);
    CHECK(code_of(open_secrets(
              std::vector<std::byte>(1 << 20, std::byte{1}), context(), key_of(0x77))) ==
          errc::corrupt);
    blob[0] = std::byte{0};
    CHECK(code_of(open_secrets(blob, context(), key_of(0x77))) == errc::corrupt);
    blob[0] = std::byte{2};
    CHECK(code_of(open_secrets(blob, context(), key_of(0x77))) == errc::newer_format);
}

TEST_CASE("keyring: well sealed bytes that break the format: corrupt") {
    const auto good = plain_of(sealed_keyring());
    REQUIRE(open_secrets(blob_of(good), context(), key_of(0x77)));
    constexpr std::size_t version_at = 96;
    constexpr std::size_t pool_version_at = 136;
    constexpr std::size_t count_at = 172;
    constexpr std::size_t entries_at = 176;
    constexpr std::size_t entry = 38;
    const auto refused = [](const std::vector<std::byte>& plain) {
        return code_of(open_secrets(blob_of(plain), context(), key_of(0x77))) == errc::corrupt;
    };
    const auto with = [&](std::size_t at, std::uint8_t byte) {
        auto plain = good;
        REQUIRE(plain[at] != std::byte{byte});
        plain[at] = std::byte{byte};
        return plain;
    };
    CHECK(refused(with(version_at, 0)));
    CHECK(refused(with(pool_version_at, 0)));
    CHECK(refused(with(count_at, 2)));
    CHECK(refused(with(count_at, 4)));
    CHECK(refused(with(count_at + 3, 0xff)));
    CHECK(refused(with(entries_at, 9)));      // realms out of order
    CHECK(refused(with(entries_at + 2, 2)));  // one place twice
    CHECK(refused(with(entries_at + 2, 0)));  // version 0
    auto derived = with(entries_at, 0);       // the pool's own key, which is derived
    CHECK(refused(derived));
    derived[entries_at + 2] = std::byte{5};  // or above its secret
    CHECK(refused(derived));
    auto longer = good;
    longer.push_back({});
    CHECK(refused(longer));
    auto shorter = good;
    shorter.resize(good.size() - entry);
    CHECK(refused(shorter));
}
