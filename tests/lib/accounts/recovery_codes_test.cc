#include "accounts/recovery_codes.h"

#include <algorithm>
#include <array>
#include <string>

#include <doctest/doctest.h>

#include "countersign/ids.h"

using namespace countersign;
using namespace countersign::accounts;

namespace {

template <std::size_t N>
std::array<std::byte, N> counting_from(int first) {
    std::array<std::byte, N> bytes;
    for (std::size_t i = 0; i < N; ++i)
        bytes[i] = static_cast<std::byte>(first + static_cast<int>(i));
    return bytes;
}

const auto low = counting_from<10>(0);
const auto high = counting_from<10>(246);

std::string parsed(std::string_view typed) {
    const auto code = parse_recovery_code(typed);
    return code ? to_hex(code->bytes()) : "none";
}

}  // namespace

TEST_CASE("recovery codes: a hundred random bytes: ten codes, each byte in one of them") {
    const auto random = counting_from<100>(0);
    const auto codes = split_recovery_codes(random);
    CHECK(codes.size() == 10);
    for (std::size_t i = 0; i < codes.size(); ++i) {
        CHECK(std::ranges::equal(codes[i], counting_from<10>(static_cast<int>(i) * 10)));
    }
}

TEST_CASE("recovery codes: printed: the figures of Python's base64 in Crockford's letters") {
    CHECK(print_recovery_code(low).text() == "000G-40R4-0M30-E209");
    CHECK(print_recovery_code(high).text() == "YVVZ-HYFT-ZFYF-VZQZ");
}

TEST_CASE("recovery codes: typed by people: case, spaces, hyphens and confusables do not matter") {
    const std::string code = "00010203040506070809";
    CHECK(parsed("000G-40R4-0M30-E209") == code);
    CHECK(parsed("000g40r40m30e209") == code);
    CHECK(parsed(" ooOg 40R4\t0m3o -- e2o9 ") == code);
    CHECK(parsed("yvvz-hyft-zfyf-vzqz") == to_hex(high));
    CHECK(parsed("1111-1111-1111-1111") == parsed("iIlL-1111-1111-1111"));
}

TEST_CASE("recovery codes: what cannot be one: no value") {
    CHECK(parsed("") == "none");
    CHECK(parsed("000G-40R4-0M30-E20") == "none");
    CHECK(parsed("000G-40R4-0M30-E2090") == "none");
    CHECK(parsed("000G-40R4-0M30-E20U") == "none");
    CHECK(parsed("000G_40R4_0M30_E209") == "none");
    CHECK(parsed("000G40R40M30E20=") == "none");
    CHECK(parsed("000G-40R4-0M30-E209" + std::string(100, ' ')) == "none");
}

TEST_CASE("recovery codes: the digest: the figure of Python's hashlib, another under another key") {
    const auto key = counting_from<32>(0);
    CHECK(to_hex(recovery_code_digest(low, key).bytes) == "0c4b203f7cd9a308d6a874b57ae193d6");
    CHECK(recovery_code_digest(low, key) != recovery_code_digest(low, counting_from<32>(1)));
    CHECK(recovery_code_digest(low, key) != recovery_code_digest(high, key));
}
