#include "accounts/precis.h"

#include <map>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "accounts/unicode.h"
#include "support/vectors.h"

using namespace countersign;
using namespace countersign::accounts;
using countersign::testing::vectors;

namespace {

/// What the golden file calls a refusal, and a word of our sentence for it.
const std::map<std::string, std::string> reasons = {
    {"DISALLOWED/arabic_indic", "Arabic-Indic digits"},
    {"DISALLOWED/bidi_rule", "right-to-left"},
    {"DISALLOWED/controls", "control characters"},
    {"DISALLOWED/empty", "empty"},
    {"DISALLOWED/exceptions", "excepted"},
    {"DISALLOWED/extended_arabic_indic", "extended Arabic-Indic digits"},
    {"DISALLOWED/greek_keraia", "keraia"},
    {"DISALLOWED/has_compat", "variant form"},
    {"DISALLOWED/hebrew_punctuation", "Hebrew punctuation"},
    {"DISALLOWED/katakana_middle_dot", "katakana middle dot"},
    {"DISALLOWED/middle_dot", "a middle dot"},
    {"DISALLOWED/old_hangul_jamo", "old Hangul"},
    {"DISALLOWED/other", "not a character for text"},
    {"DISALLOWED/other_letter_digits", "not a plain letter"},
    {"DISALLOWED/precis_ignorable_properties", "invisible"},
    {"DISALLOWED/punctuation", "punctuation"},
    {"DISALLOWED/spaces", "spaces"},
    {"DISALLOWED/symbols", "symbols"},
    {"DISALLOWED/unassigned", "does not assign"},
    {"DISALLOWED/zero_width_joiner", "zero-width joiner"},
    {"DISALLOWED/zero_width_nonjoiner", "zero-width non-joiner"},
};

/// All three profiles give text, for comparison.
Result<std::string> enforce(const std::string& profile, std::string_view input) {
    if (profile == "UsernameCaseMapped") return normalise_login(input);
    if (profile == "UsernameCasePreserved") return normalise_login(input, LoginCase::preserved);
    REQUIRE(profile == "OpaqueString");
    const auto password = normalise_password(Secret(input));
    if (!password) return password.error();
    return std::string(password->text());
}

std::string why(const Result<std::string>& result) {
    return result ? "accepted" : result.error().detail();
}

std::string normal(std::string_view text) {
    const auto login = normalise_login(text);
    return login ? *login : "refused: " + login.error().detail();
}

std::string repeated(std::string_view text, int times) {
    std::string all;
    for (int i = 0; i < times; ++i) all += text;
    return all;
}

}  // namespace

TEST_CASE("precis: the golden cases of precis_i18n: same outcome, same reason") {
    for (const auto& file : vectors("precis")) {
        CAPTURE(file.name);
        for (const auto& test : file.content) {
            const auto input = test["input"].get<std::string>();
            CAPTURE(test.dump(-1, ' ', true));
            const auto result = enforce(test["profile"], input);
            // A lone surrogate, which the support reads as its escape.
            const bool surrogate = input.size() == 6 && input.starts_with("\\ud");
            if (surrogate) {
                const auto encoded = enforce(test["profile"], "\xed\xa3\xbf");
                CHECK(why(encoded) == "it is not UTF-8");
            } else if (test["output"].is_null()) {
                REQUIRE_FALSE(result);
                CHECK(result.error() == (test["profile"] == "OpaqueString" ? errc::invalid_password
                                                                           : errc::invalid_login));
                const auto reason = reasons.find(test["error"].get<std::string>());
                REQUIRE(reason != reasons.end());
                CHECK_MESSAGE(why(result).find(reason->second) != std::string::npos, why(result));
            } else {
                REQUIRE_MESSAGE(result, why(result));
                CHECK(*result == test["output"].get<std::string>());
                CHECK(enforce(test["profile"], *result).value() == *result);
            }
        }
    }
}

TEST_CASE("precis: the examples of RFC 8265: valid ones pass, the others are refused") {
    for (const auto& file : vectors("rfc", "rfc8265")) {
        const auto& examples = file.content;
        for (const auto& name : examples["userparts_valid"]) {
            CHECK(normalise_login(name.get<std::string>()));
        }
        for (const auto& bad : examples["userparts_invalid"]) {
            CAPTURE(bad.dump());
            CHECK(normalise_login(bad["s"].get<std::string>()).error() == errc::invalid_login);
        }
        for (const auto& pair : examples["comparison"]) {
            const bool equal =
                normal(pair["a"].get<std::string>()) == normal(pair["b"].get<std::string>());
            CHECK(equal == pair["case_mapped_equal"].get<bool>());
        }
        for (const auto& good : examples["passwords_valid"]) {
            CHECK(enforce("OpaqueString", good["in"].get<std::string>()).value() ==
                  good["out"].get<std::string>());
        }
        for (const auto& bad : examples["passwords_invalid"]) {
            CAPTURE(bad.dump());
            CHECK(normalise_password(Secret(bad["s"].get<std::string>())).error() ==
                  errc::invalid_password);
        }
    }
}

TEST_CASE("precis: the version of Unicode: that of unicode_tables.h") {
    CHECK(unicode_version() == "15.0.0");
}

TEST_CASE("precis: logins in other cases, widths and compositions: one form") {
    CHECK(normal("Alice") == "alice");
    CHECK(normal("\uff21\uff4c\uff49\uff43\uff45") == "alice");  // full-width
    CHECK(normal("Ame\u0301lie") == "am\u00e9lie");
    CHECK(normal("\u0130pek") == "i\u0307pek");  // full mapping, no Turkish rules
    CHECK(normal("\u01c5") ==
          "refused: U+01C6: a variant form; use the plain characters it stands for");
    CHECK(normal("\uff76\uff9e") == "\u30ac");  // half-width ka and voicing mark
    CHECK(normal("\u039f\u0394\u039f\u03a3") == "\u03bf\u03b4\u03bf\u03c2");  // final sigma
    CHECK(normal("\u03a3\u039f") == "\u03c3\u03bf");
    CHECK(normal("\u13a0") == "\uab70");  // Cherokee
    CHECK(normalise_login("Ame\u0301lie", LoginCase::preserved).value() == "Am\u00e9lie");
}

TEST_CASE("precis: bad logins: each with its own why") {
    CHECK(normal("foo bar") == "refused: U+0020: spaces are not allowed");
    CHECK(normal("henry\u2163").starts_with("refused: U+2173: a variant form"));
    CHECK(
        normal("a\u0378").starts_with("refused: U+0378: this version of Unicode does not assign"));
    CHECK(normal("a\u200bb").starts_with("refused: U+200B: invisible"));
    CHECK(normal("a\ufdd0").starts_with("refused: U+FDD0: invisible"));
    CHECK(normal("a\ue000").starts_with("refused: U+E000: not a character for text"));
    CHECK(normal("\x61\x80") == "refused: it is not UTF-8");
    CHECK(normal("\xc0\xaf") == "refused: it is not UTF-8");          // overlong
    CHECK(normal("\xed\xa0\x80") == "refused: it is not UTF-8");      // surrogate
    CHECK(normal("\xf4\x90\x80\x80") == "refused: it is not UTF-8");  // above U+10FFFF
    CHECK(normal("\xe2\x82") == "refused: it is not UTF-8");          // cut short
    CHECK(normal("\u05d0a").find("RFC 5893") != std::string::npos);
    CHECK(normal("1\u05d0").find("RFC 5893") != std::string::npos);
    CHECK(normal("\u0661\u0662").find("RFC 5893") != std::string::npos);
    CHECK(normal("\u06271\u0661").find("RFC 5893") != std::string::npos);
    CHECK(normal("\u05d0-").find("RFC 5893") != std::string::npos);
}

TEST_CASE("precis: a zero-width non-joiner: allowed after a virama or between joining letters") {
    CHECK(normal("\u0915\u094d\u200c\u0937") == "\u0915\u094d\u200c\u0937");
    CHECK(normal("\u0628\u200c\u0628") == "\u0628\u200c\u0628");  // dual-joining
    CHECK(normal("\u0628\u064b\u200c\u064b\u0627") == "\u0628\u064b\u200c\u064b\u0627");
    CHECK(normal("\u0627\u200c\u0628").find("non-joiner") !=
          std::string::npos);  // alef: right only
    CHECK(normal("\u0915\u200c").find("non-joiner") != std::string::npos);
    CHECK(normal("a\u200cb").find("non-joiner") != std::string::npos);
    CHECK(normal("\u0915\u094d\u200d\u0937") == "\u0915\u094d\u200d\u0937");
    CHECK(normal("\u0628\u200d\u0628").find("zero-width joiner") != std::string::npos);
}

TEST_CASE("precis: lengths: 255 bytes of login and 1,024 of password pass, one more does not") {
    CHECK(normal(repeated("a", 255)) == repeated("a", 255));
    CHECK(normal(repeated("a", 256)) == "refused: it is longer than 255 bytes");
    CHECK(normal(repeated("\uff21", 255)) == repeated("a", 255));  // 765 bytes before mapping
    CHECK(normal(repeated("a", 1025)) == "refused: it is longer than 255 bytes");

    const auto password = [](const std::string& text) { return normalise_password(Secret(text)); };
    CHECK(password(repeated("p", 1024))->size() == 1024);
    CHECK(password(repeated("p", 1025)).error().detail() == "it is longer than 1,024 bytes");
    // U+FB2C is excluded from composition: three bytes before, six after.
    CHECK(password(repeated("\ufb2c", 170))->size() == 1020);
    CHECK(password(repeated("\ufb2c", 171)).error().detail() ==
          "it is longer than 1,024 bytes in its normal form");
}

TEST_CASE("precis: passwords: case, width and symbols stay, spaces become one kind") {
    CHECK(enforce("OpaqueString", "P\uff41 \u2665\u3000x").value() == "P\uff41 \u2665 x");
    CHECK(enforce("OpaqueString", "a\u030a").value() == "\u00e5");
    CHECK(enforce("OpaqueString", "\U0001f40e\U0001f50b").value() == "\U0001f40e\U0001f50b");
    const Secret kept("e\u0301");
    CHECK(normalise_password(kept).value() == Secret("\u00e9"));
    CHECK(kept == Secret("e\u0301"));
    CHECK(why(enforce("OpaqueString", "tab\t")) == "control characters are not allowed");
    CHECK(why(enforce("OpaqueString", "\xff")) == "it is not UTF-8");
}
