#include "attempts/spent.h"

#include <random>

#include <doctest/doctest.h>

#include "rows.h"

using namespace countersign;
using namespace countersign::attempts;
using namespace countersign::attempts::testing;

namespace {

CredentialId authenticator(std::uint8_t number = 1) {
    TotpId id;
    id.bytes[0] = std::byte{number};
    return CredentialId::totp(user(1), id);
}

SpentRow spent_step(std::uint8_t author, std::uint64_t step) {
    return {.credential = authenticator(),
            .code = Code::totp_step(step),
            .node = node(author),
            .incarnation = Incarnation{2},
            .row_seq = RowSeq{3},
            .head = LogSeq{4},
            .expiry = UnixTime(milliseconds(5))};
}

Code code_of(CodeKind kind, std::uint8_t number) {
    std::array<std::byte, 16> id{};
    id[15] = std::byte{number};
    return Code::with_id(kind, id);
}

using Bytes = std::vector<std::byte>;

Bytes with(Bytes bytes, std::size_t at, std::uint8_t byte) {
    bytes.at(at) = std::byte{byte};
    return bytes;
}

}  // namespace

TEST_CASE("spent: a row encoded: every field where the format says, read back the same") {
    const Bytes bytes = encode(spent_step(9, 0x0a0b));
    REQUIRE(bytes.size() == 107);
    CHECK(to_hex(std::span(bytes).subspan(26, 17)) ==
          "01"
          "0b0a000000000000"
          "0000000000000000");
    CHECK(to_hex(std::span(bytes).subspan(75)) ==
          "0200000000000000"
          "0300000000000000"
          "0400000000000000"
          "0500000000000000");
    CHECK(*decode_spent(bytes) == spent_step(9, 0x0a0b));
    CHECK(*author_of_spent(bytes) == node(9));

    for (auto kind : {CodeKind::recovery_code,
                      CodeKind::one_time_code,
                      CodeKind::link,
                      CodeKind::challenge,
                      CodeKind::refresh_token}) {
        SpentRow other = spent_step(9, 1);
        other.code = code_of(kind, 7);
        const auto read = decode_spent(encode(other));
        REQUIRE(read);
        CHECK(*read == other);
        CHECK_FALSE(read->code.step());
    }
}

TEST_CASE("spent: bytes that no author writes: refused, each with its error") {
    const Bytes bytes = encode(spent_step(9, 1));
    for (std::size_t size = 0; size < bytes.size(); ++size) {
        CHECK(decode_spent(std::span(bytes).first(size)).error() == errc::malformed);
    }
    Bytes longer = bytes;
    longer.push_back(std::byte{0});
    CHECK(decode_spent(longer).error() == errc::malformed);
    CHECK(decode_spent(with(bytes, 0, 2)).error() == errc::unsupported_version);
    CHECK(decode_spent(with(bytes, 17, 4)).error() == errc::malformed);  // kind of credential
    CHECK(decode_spent(with(bytes, 26, 0)).error() == errc::malformed);  // kind of code
    CHECK(decode_spent(with(bytes, 26, 7)).error() == errc::malformed);
    CHECK(decode_spent(with(bytes, 35, 1)).error() == errc::malformed);      // step beyond 8 bytes
    CHECK(decode_spent(with(bytes, 83, 0)).error() == errc::malformed);      // row_seq 0
    CHECK(decode_spent(with(bytes, 106, 0x80)).error() == errc::malformed);  // expiry before 1970
}

TEST_CASE("spent: a signed row: read only as its author signed it, and as a spent row") {
    const auto key = signing_key(4);
    SpentRow made = spent_step(1, 50);
    made.node.bytes = key.public_key();
    const Bytes bytes = encode(made);
    const auto signature = sign(made, key);
    CHECK(*verify_spent(bytes, signature) == made);
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        const auto changed = with(bytes, i, std::to_integer<std::uint8_t>(bytes[i]) ^ 1U);
        CHECK(verify_spent(changed, signature).error() == errc::bad_signature);
    }
    CHECK(verify_spent(bytes, sealing::sign(sealing::SignatureKind::tally, bytes, key)).error() ==
          errc::bad_signature);
    CHECK(verify_spent({}, signature).error() == errc::malformed);
}

TEST_CASE("spent: a step at or below one that was spent: not accepted, one above is") {
    const std::vector<SpentRow> rows{spent_step(1, 100)};
    const StepView view{.node = node(1), .current = 101};
    CHECK_FALSE(step_is_free(99, authenticator(), rows, view, Holders()));
    CHECK_FALSE(step_is_free(100, authenticator(), rows, view, Holders()));
    CHECK(step_is_free(101, authenticator(), rows, view, Holders()));
    CHECK(step_is_free(100, authenticator(2), rows, view, Holders()));  // for that credential only
}

TEST_CASE("spent: a foreign step: counts only from a node that holds the realm") {
    const std::vector<SpentRow> rows{spent_step(2, 100)};
    const StepView view{.node = node(1), .current = 100};
    CHECK_FALSE(step_is_free(100, authenticator(), rows, view, Holders()));
    Holders holders;
    holders.without_realm.insert(node(2));
    CHECK(step_is_free(100, authenticator(), rows, view, holders));
    holders.without_realm = {node(1)};  // its own row always does
    CHECK_FALSE(step_is_free(100, authenticator(), std::vector{spent_step(1, 100)}, view, holders));
}

TEST_CASE("spent: a foreign step from a clock that runs ahead: counts when reached, one of grace") {
    const std::vector<SpentRow> rows{spent_step(2, 100)};
    const Holders holders;
    CHECK(step_is_free(98, authenticator(), rows, {.node = node(1), .current = 98}, holders));
    CHECK_FALSE(step_is_free(99, authenticator(), rows, {.node = node(1), .current = 99}, holders));
    const std::vector<SpentRow> last{spent_step(2, ~0ULL)};
    CHECK(step_is_free(98, authenticator(), last, {.node = node(1), .current = 98}, holders));
    // An own step counts whatever the clock says now: it may have been set back.
    const std::vector<SpentRow> own{spent_step(1, 100)};
    CHECK_FALSE(step_is_free(50, authenticator(), own, {.node = node(1), .current = 50}, holders));
}

TEST_CASE("spent: a step that began before the incarnation's start: not accepted") {
    const StepView view{.node = node(1), .current = 101, .first = 101};
    CHECK_FALSE(step_is_free(100, authenticator(), {}, view, Holders()));
    CHECK(step_is_free(101, authenticator(), {}, view, Holders()));
}

TEST_CASE("spent: a code that was used here or heard of: spent; another is not") {
    SpentRow used = spent_step(2, 1);
    used.code = code_of(CodeKind::recovery_code, 1);
    const std::vector<SpentRow> rows{used};
    const auto is_spent = [&](const Code& code, const Holders& holders) {
        return code_is_spent(code, authenticator(), rows, node(1), holders);
    };
    CHECK(is_spent(used.code, Holders()));
    CHECK_FALSE(is_spent(code_of(CodeKind::recovery_code, 2), Holders()));
    CHECK_FALSE(is_spent(code_of(CodeKind::link, 1), Holders()));
    Holders holders;
    holders.without_realm.insert(node(2));
    CHECK_FALSE(is_spent(used.code, holders));
    CHECK(code_is_spent(used.code, authenticator(), rows, node(2), holders));
}

TEST_CASE("spent: one step at two nodes: a double use; at two incarnations of one node: not") {
    SpentRow again = spent_step(1, 100);
    CHECK(is_double_use(spent_step(1, 100), spent_step(2, 100)));
    CHECK_FALSE(is_double_use(spent_step(1, 100), spent_step(2, 101)));
    again.incarnation = Incarnation{77};
    CHECK_FALSE(is_double_use(spent_step(1, 100), again));
    again = spent_step(2, 100);
    again.credential = authenticator(2);
    CHECK_FALSE(is_double_use(spent_step(1, 100), again));
}
