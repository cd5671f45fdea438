#include "records/seal.h"

#include <algorithm>

#include <doctest/doctest.h>

#include "support/pool.h"
#include "support/vectors.h"

using namespace countersign;
using namespace countersign::records;
using countersign::testing::bytes_of;
using countersign::testing::Draw;
using countersign::testing::key_bytes;
using countersign::testing::Pool;
using countersign::testing::unhex;
using countersign::testing::user_name;

namespace {

const sealing::Nonce nonce{Draw(7).id<sealing::Nonce>()};

Bytes seal(const Pool& pool, std::string_view content = "what a record holds") {
    const auto sealed =
        pool.sealer.seal(user_name(1), RealmId::default_users, bytes_of(content), nonce);
    REQUIRE(sealed);
    return *sealed;
}

}  // namespace

TEST_CASE("seal: a record: format, realm, version, nonce, ciphertext, tag, byte by byte") {
    const Pool pool;
    const auto content = bytes_of("what a record holds");
    const auto sealed = seal(pool);
    REQUIRE(sealed.size() == 1 + 2 + 4 + 24 + content.size() + 16);
    CHECK(std::ranges::equal(BytesView(sealed).first(7),
                             unhex("01"
                                   "0100"
                                   "01000000")));
    CHECK(std::ranges::equal(BytesView(sealed).subspan(7, 24), nonce.bytes));

    // What is bound to it: pool, kind, id and the header before the nonce.
    auto bound = Bytes(pool.id.bytes.begin(), pool.id.bytes.end());
    const auto rest = unhex(
        "0100"
        "00000000000000000000000000000001"
        "01"
        "0100"
        "01000000");
    bound.insert(bound.end(), rest.begin(), rest.end());
    CHECK(std::ranges::equal(BytesView(sealed).subspan(31),
                             sealing::seal(content, bound, nonce, sealing::Key(key_bytes(3)))));

    const auto opened = pool.sealer.open(user_name(1), sealed);
    REQUIRE(opened);
    CHECK(std::ranges::equal(opened->bytes(), content));
}

TEST_CASE("seal: nothing at all, and 64 KiB: opened again; a byte more is too large") {
    const Pool pool;
    for (const std::size_t size : {std::size_t{0}, std::size_t{64 * 1024}}) {
        const auto sealed = seal(pool, std::string(size, 'x'));
        const auto opened = pool.sealer.open(user_name(1), sealed);
        REQUIRE(opened);
        CHECK(opened->size() == size);
    }
    const Bytes above(64 * 1024 + 1);
    CHECK(pool.sealer.seal(user_name(1), RealmId::default_users, above, nonce).error() ==
          errc::too_large);
}

TEST_CASE("seal: moved to another kind, id or pool: corrupt") {
    const Pool pool;
    const auto sealed = seal(pool);
    CHECK(pool.sealer.open(user_name(2), sealed).error() == errc::corrupt);
    auto name = user_name(1);
    name.kind = RecordKind::membership;
    CHECK(pool.sealer.open(name, sealed).error() == errc::corrupt);
    const Sealer elsewhere(Draw(1).id<PoolId>(), pool.keyring);
    CHECK(elsewhere.open(user_name(1), sealed).error() == errc::corrupt);
}

TEST_CASE("seal: relabelled to another realm or key version that is held: corrupt") {
    const Pool pool;
    auto keyring = std::make_shared<sealing::Keyring>(pool.keyring->clone());
    // The same key once more, so that only the label differs.
    REQUIRE(keyring->add(RealmId{2}, KeyVersion{1}, sealing::Key(key_bytes(3))));
    REQUIRE(keyring->add(RealmId{1}, KeyVersion{2}, sealing::Key(key_bytes(3))));
    const Sealer sealer(pool.id, keyring);
    auto sealed = seal(pool);
    sealed[1] = std::byte{2};
    CHECK(sealer.open(user_name(1), sealed).error() == errc::corrupt);
    sealed[1] = std::byte{1};
    sealed[3] = std::byte{2};
    CHECK(sealer.open(user_name(1), sealed).error() == errc::corrupt);
    sealed[3] = std::byte{1};
    CHECK(sealer.open(user_name(1), sealed));
}

TEST_CASE("seal: any bit flipped, or any byte cut off: does not open") {
    const Pool pool;
    const auto sealed = seal(pool);
    for (std::size_t bit = 0; bit < sealed.size() * 8; ++bit) {
        auto flipped = sealed;
        flipped[bit / 8] ^= std::byte{1} << (bit % 8);
        // A changed realm or version names a key that is not held, but for the pool's own realm.
        const errc expected = bit / 8 == 0              ? errc::newer_format
                              : bit / 8 < 7 && bit != 8 ? errc::not_held
                                                        : errc::corrupt;
        CHECK(pool.sealer.open(user_name(1), flipped).error() == expected);
    }
    for (std::size_t size = 0; size < sealed.size(); ++size) {
        CHECK(pool.sealer.open(user_name(1), BytesView(sealed).first(size)).error() ==
              errc::corrupt);
    }
}

TEST_CASE("seal: a realm that is not held: neither sealed nor opened") {
    const Pool pool;
    CHECK(pool.sealer.seal(user_name(1), RealmId{7}, {}, nonce).error() == errc::not_held);
    const auto poor =
        std::make_shared<sealing::Keyring>(sealing::Key(key_bytes(1)), sealing::Key(key_bytes(2)));
    CHECK(Sealer(pool.id, poor).open(user_name(1), seal(pool)).error() == errc::not_held);
}

TEST_CASE("seal: a newer key version: new records take it, old ones still open") {
    const Pool pool;
    auto keyring = std::make_shared<sealing::Keyring>(pool.keyring->clone());
    REQUIRE(keyring->add(RealmId::default_users, KeyVersion{2}, sealing::Key(key_bytes(9))));
    const Sealer sealer(pool.id, keyring);
    CHECK(sealer.open(user_name(1), seal(pool)));
    const auto sealed = sealer.seal(user_name(1), RealmId::default_users, {}, nonce);
    REQUIRE(sealed);
    const auto header = SealHeader::parse(*sealed);
    REQUIRE(header);
    CHECK(header->version == KeyVersion{2});
    CHECK(pool.sealer.open(user_name(1), *sealed).error() == errc::not_held);
}
