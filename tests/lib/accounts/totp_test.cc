#include "accounts/totp.h"

#include <limits>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "countersign/ids.h"

#include "sealing/hmac.h"
#include "support/vectors.h"

using namespace countersign;
using namespace countersign::accounts;
using namespace std::chrono_literals;
using countersign::testing::bytes_of;
using countersign::testing::unhex;
using countersign::testing::vectors;

namespace {

UnixTime at(std::int64_t seconds) {
    return UnixTime(std::chrono::seconds(seconds));
}

TotpAlgorithm algorithm_named(const std::string& name) {
    if (name == "SHA1") return TotpAlgorithm::sha1;
    if (name == "SHA256") return TotpAlgorithm::sha256;
    REQUIRE(name == "SHA512");
    return TotpAlgorithm::sha512;
}

TotpParameters parameters_of(const nlohmann::json& test) {
    return {.algorithm = algorithm_named(test["algorithm"]),
            .digits = test["digits"].get<unsigned>(),
            .period = std::chrono::seconds(test["period"].get<int>())};
}

/// The cases of one file: its code at its time, and at that time only.
void check_codes(const nlohmann::json& tests) {
    for (const auto& test : tests) {
        CAPTURE(test.dump());
        const auto parameters = parameters_of(test);
        const auto secret = unhex(test["secret_hex"].get<std::string>());
        const auto code = test["code"].get<std::string>();
        const auto now = at(test["time"].get<std::int64_t>());
        const auto step = step_at(now, parameters.period).value();
        CHECK(hotp(secret, value(step), parameters.digits, parameters.algorithm) == code);
        CHECK(matching_step(parameters, secret, code, now) == step);
        CHECK(matching_step(parameters, secret, code, now + parameters.period) == step);
        CHECK_FALSE(matching_step(parameters, secret, code, now + 2 * parameters.period));
        CHECK_FALSE(matching_step(parameters, secret, code, now - parameters.period));
    }
}

const auto rfc_secret = bytes_of("12345678901234567890");
const TotpParameters eight_digits{.digits = 8};

}  // namespace

TEST_CASE("totp: appendix D of RFC 4226: the ten codes, and the MACs they come from") {
    for (const auto& file : vectors("rfc", "rfc4226")) {
        const auto secret = unhex(file.content["secret_hex"].get<std::string>());
        for (const auto& test : file.content["tests"]) {
            const auto count = test["count"].get<std::uint64_t>();
            CHECK(hotp(secret, count, 6) == test["hotp"].get<std::string>());
            std::vector<std::byte> message(8);
            message[7] = static_cast<std::byte>(count);
            CHECK(to_hex(sealing::hmac_sha1(secret, message)) ==
                  test["hmac_sha1"].get<std::string>());
        }
    }
}

TEST_CASE("totp: appendix B of RFC 6238: the codes of all three algorithms") {
    for (const auto& file : vectors("rfc", "rfc6238")) {
        check_codes(file.content["tests"]);
        for (const auto& test : file.content["tests"]) {
            const auto step = step_at(at(test["time"].get<std::int64_t>()), 30s).value();
            CHECK(value(step) == std::stoull(test["T_hex"].get<std::string>(), nullptr, 16));
        }
    }
}

TEST_CASE("totp: codes of oathtool: same codes") {
    for (const auto& file : vectors("totp", "totp_generated")) check_codes(file.content["tests"]);
}

// These sequences allow for one step ahead, we for none. No case hinges on it: the only code ahead
// of its time is two steps ahead and refused either way.
TEST_CASE("totp: sequences of replays, windows and formats: as the sequences say") {
    for (const auto& file : vectors("totp", "totp_sequences")) {
        for (const auto& sequence : file.content) {
            CAPTURE(sequence["kind"].get<std::string>());
            CHECK(sequence["window_back"] == 1);
            const auto parameters = parameters_of(sequence);
            const auto secret = unhex(sequence["secret_hex"].get<std::string>());
            std::optional<TotpStep> last_spent;
            for (const auto& submission : sequence["submissions"]) {
                CAPTURE(submission.dump());
                const auto step = matching_step(parameters,
                                                secret,
                                                submission["code"].get<std::string>(),
                                                at(submission["t"].get<std::int64_t>()));
                const bool accepted = step && accept(*step, last_spent);
                if (accepted) last_spent = step;
                CHECK(accepted == (submission["expect"] == "accept"));
            }
        }
    }
}

TEST_CASE("totp: the code of the next step: refused until its time has come") {
    const std::string next = hotp(rfc_secret, 2, 8);
    CHECK_FALSE(matching_step(eight_digits, rfc_secret, next, at(59)));
    CHECK(matching_step(eight_digits, rfc_secret, next, at(60)) == TotpStep{2});
    CHECK(matching_step(eight_digits, rfc_secret, next, at(119)) == TotpStep{2});
    CHECK_FALSE(matching_step(eight_digits, rfc_secret, next, at(120)));
}

TEST_CASE("totp: a code of another form: matches nothing") {
    const std::string good = "94287082";
    REQUIRE(matching_step(eight_digits, rfc_secret, good, at(59)) == TotpStep{1});
    for (const std::string bad : {"",
                                  "9428708",
                                  "942870820",
                                  "94287082 ",
                                  " 94287082",
                                  "9428 7082",
                                  "+4287082",
                                  "--------",
                                  "9428708\u0662",
                                  "\uff19\uff14\uff12\uff18\uff17\uff10\uff18\uff12"}) {
        CAPTURE(bad);
        CHECK_FALSE(matching_step(eight_digits, rfc_secret, bad, at(59)));
    }
    CHECK_FALSE(matching_step(eight_digits, rfc_secret, std::string_view("94287082\0", 9), at(59)));
    CHECK_FALSE(matching_step({}, rfc_secret, good.substr(2), at(120)));
}

TEST_CASE("totp: the first steps and times before 1970: no step below 0") {
    CHECK(step_at(at(0), 30s) == TotpStep{0});
    CHECK(step_at(at(29) + 999ms, 30s) == TotpStep{0});
    CHECK(step_at(at(30), 30s) == TotpStep{1});
    CHECK_FALSE(step_at(at(0) - 1ms, 30s));
    CHECK_FALSE(step_at(UnixTime::min(), 30s));
    CHECK(step_at(UnixTime::max(), 15s));

    const std::string first = hotp(rfc_secret, 0, 6);
    const std::string before_all = hotp(rfc_secret, std::numeric_limits<std::uint64_t>::max(), 6);
    CHECK(matching_step({}, rfc_secret, first, at(0)) == TotpStep{0});
    CHECK(matching_step({}, rfc_secret, first, at(59)) == TotpStep{0});
    CHECK_FALSE(matching_step({}, rfc_secret, first, at(-1)));
    CHECK_FALSE(matching_step({}, rfc_secret, before_all, at(0)));
    CHECK_FALSE(matching_step({}, rfc_secret, before_all, at(-1)));
}

TEST_CASE("totp: a step spent: it and all below are refused, the next is not") {
    CHECK(accept(TotpStep{0}, std::nullopt));
    CHECK(accept(TotpStep{8}, TotpStep{7}));
    CHECK_FALSE(accept(TotpStep{7}, TotpStep{7}));
    CHECK_FALSE(accept(TotpStep{6}, TotpStep{7}));
}

TEST_CASE("totp: settings outside of the limits: errc::invalid_totp, each with its why") {
    CHECK(check(TotpParameters{}));
    CHECK(check({.algorithm = TotpAlgorithm::sha512, .digits = 8, .period = 120s}));
    const auto why = [](TotpParameters parameters) {
        const auto result = check(parameters);
        REQUIRE_FALSE(result);
        CHECK(result.error() == errc::invalid_totp);
        return result.error().detail();
    };
    CHECK(why({.digits = 5}) == "a code has 6 to 8 digits");
    CHECK(why({.digits = 9}) == "a code has 6 to 8 digits");
    CHECK(why({.period = 14s}) == "the period is 15 to 120 seconds");
    CHECK(why({.period = 121s}) == "the period is 15 to 120 seconds");
    CHECK(why({.period = -30s}) == "the period is 15 to 120 seconds");
    CHECK(why({.algorithm = TotpAlgorithm{4}}) == "the algorithm is SHA1, SHA256 or SHA512");
}
