#include "attempts/tally.h"

#include <random>

#include <doctest/doctest.h>

#include "rows.h"

using namespace countersign;
using namespace countersign::attempts;
using namespace countersign::attempts::testing;

namespace {

TallyRow example() {
    TallyRow made = row(1, 9, 7, 3, {clear(0, 5, 2), clear(1, 1, 4, 8), clear(2, 1, 1)});
    made.head = LogSeq{77};
    return made;
}

using Bytes = std::vector<std::byte>;

Bytes with(Bytes bytes, std::size_t at, std::uint8_t byte) {
    bytes.at(at) = std::byte{byte};
    return bytes;
}

}  // namespace

TEST_CASE("tally: a row encoded: every field where the format says, read back the same") {
    const Bytes bytes = encode(example());
    REQUIRE(bytes.size() == 96 + 3 * 52);
    CHECK(bytes[0] == std::byte{1});
    CHECK(to_hex(std::span(bytes).subspan(1, 25)) == to_hex(password_of(1).bytes()));
    CHECK(to_hex(std::span(bytes).subspan(26, 32)) == to_hex(node(1).bytes));
    CHECK(to_hex(std::span(bytes).subspan(58, 38)) ==
          "0100000000000000"
          "0900000000000000"
          "0700000000000000"
          "03000000"
          "4d00000000000000"
          "0300");
    CHECK(to_hex(std::span(bytes).subspan(96, 52)) == to_hex(node(0).bytes) +
                                                          "0100000000000000"
                                                          "0500000000000000"
                                                          "02000000");
    const auto read = decode_tally(bytes);
    REQUIRE(read);
    CHECK(*read == example());
}

TEST_CASE("tally: bytes too few, too many or of another format: refused, each with its error") {
    const Bytes bytes = encode(example());
    for (std::size_t size = 0; size < bytes.size(); ++size) {
        CHECK(decode_tally(std::span(bytes).first(size)).error() == errc::malformed);
    }
    Bytes longer = bytes;
    longer.push_back(std::byte{0});
    CHECK(decode_tally(longer).error() == errc::malformed);
    CHECK(decode_tally(with(bytes, 0, 2)).error() == errc::unsupported_version);
    CHECK(decode_tally(with(bytes, 0, 0)).error() == errc::unsupported_version);
    // 257 clears, and none of them there: refused before room is made for them.
    CHECK(decode_tally(with(with(bytes, 94, 1), 95, 1)).error() == errc::too_large);
    CHECK(decode_tally(with(bytes, 94, 2)).error() == errc::malformed);
}

TEST_CASE("tally: values that no author writes: malformed") {
    const Bytes bytes = encode(example());
    CHECK(decode_tally(with(bytes, 17, 9)).error() == errc::malformed);   // kind of credential
    CHECK(decode_tally(with(bytes, 66, 0)).error() == errc::malformed);   // row_seq 0
    CHECK(decode_tally(with(bytes, 74, 0)).error() == errc::malformed);   // window 0
    CHECK(decode_tally(with(bytes, 74, 10)).error() == errc::malformed);  // window above row_seq
    CHECK(decode_tally(with(bytes, 96 + 40, 0)).error() == errc::malformed);  // clear of window 0
    CHECK(decode_tally(with(bytes, 96 + 48, 0)).error() == errc::malformed);  // of no failures
}

TEST_CASE("tally: clears unsorted, twice, or of the row itself: malformed") {
    const Bytes bytes = encode(example());
    CHECK(decode_tally(with(bytes, 96, 9)).error() == errc::malformed);  // unsorted
    Bytes twice = with(bytes, 96 + 52, 0);                               // node 0 again
    CHECK(decode_tally(with(twice, 96 + 52 + 32, 1)).error() == errc::malformed);
    CHECK(decode_tally(with(bytes, 96 + 52 + 32, 1)).error() == errc::malformed);  // itself
}

TEST_CASE("tally: bytes changed at random: refused, or the one encoding of what was read") {
    std::mt19937_64 random(20);
    const Bytes good = encode(example());
    int accepted = 0;
    for (int i = 0; i < 20'000; ++i) {
        Bytes bytes = good;
        for (int flips = 0; flips < 2; ++flips) {
            bytes[random() % bytes.size()] = static_cast<std::byte>(random());
        }
        if (const auto read = decode_tally(bytes)) {
            CHECK(encode(*read) == bytes);
            ++accepted;
        }
    }
    CHECK(accepted > 0);
}

TEST_CASE("tally: a signed row: read only as its author signed it") {
    const auto key = signing_key(1);
    TallyRow made = example();
    made.node.bytes = key.public_key();
    const Bytes bytes = encode(made);
    const auto signature = sign(made, key);

    const auto read = verify_tally(bytes, signature);
    REQUIRE(read);
    CHECK(*read == made);
    CHECK(*author_of_tally(bytes) == made.node);

    for (std::size_t i = 0; i < bytes.size(); ++i) {
        const auto changed = with(bytes, i, std::to_integer<std::uint8_t>(bytes[i]) ^ 1U);
        CHECK(verify_tally(changed, signature).error() == errc::bad_signature);
    }
    CHECK(verify_tally(std::span(bytes).first(95), signature).error() == errc::malformed);
    CHECK(verify_tally(Bytes(96 + 257 * 52), signature).error() == errc::too_large);
}

TEST_CASE("tally: signed as something else, or by another node: bad signature") {
    const auto key = signing_key(1);
    TallyRow made = example();
    made.node.bytes = key.public_key();
    const Bytes bytes = encode(made);
    CHECK(verify_tally(bytes, sealing::sign(sealing::SignatureKind::spent, bytes, key)).error() ==
          errc::bad_signature);
    CHECK(verify_tally(bytes, sealing::sign(sealing::SignatureKind::tally, bytes, signing_key(2)))
              .error() == errc::bad_signature);
}

TEST_CASE("tally: a well-signed row that breaks the format: refused all the same") {
    const auto key = signing_key(1);
    TallyRow made = example();
    made.node.bytes = key.public_key();
    const Bytes bytes = with(encode(made), 74, 10);
    CHECK(verify_tally(bytes, sealing::sign(sealing::SignatureKind::tally, bytes, key)).error() ==
          errc::malformed);
}
