#include <set>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "support/store_fixture.h"

using namespace countersign;
using namespace countersign::testing;
using namespace std::chrono_literals;

namespace {

/// A user with one confirmed authenticator, whose first step is spent.
struct CodesPlace : StorePlace {
    Store store = create();
    UserId alice = add_user(store, "alice");

    std::string code(const Authenticator& authenticator, milliseconds ago = 0ms) const {
        return code_at(authenticator.uri, environment->wall() - ago);
    }
    Verdict try_code(const std::string& code) {
        return sign_in(store, "alice", good_password, code).verdict;
    }
    Authenticator enrol(const TotpOptions& options = {}) {
        auto enrolment = store.users().enrol_totp(alice, options);
        if (!enrolment) FAIL(enrolment.error().message());
        return {.id = enrolment->id, .uri = std::move(enrolment->uri)};
    }
    errc confirming_fails(TotpId id, std::string_view code) {
        const auto confirmed = store.users().confirm_totp(alice, id, code);
        REQUIRE_FALSE(confirmed);
        return confirmed.error().code();
    }
};

}  // namespace

TEST_CASE("store: an authenticator: wanted once it is confirmed, and the code of that is spent") {
    CodesPlace place;
    const auto authenticator = place.enrol({.label = "phone"});
    CHECK(authenticator.uri.text().starts_with("otpauth://totp/countersign:alice?"));
    auto user = place.store.users().get(place.alice);
    CHECK_FALSE(user->has_totp);
    REQUIRE(user->authenticators.size() == 1);
    CHECK(user->authenticators[0].id == authenticator.id);
    CHECK(user->authenticators[0].label == "phone");
    CHECK_FALSE(user->authenticators[0].confirmed);
    CHECK(user->authenticators[0].created == place.environment->wall());
    CHECK(place.try_code("") == Verdict::accepted);
    CHECK(place.confirming_fails(authenticator.id, "000000") == errc::wrong_code);
    CHECK(place.confirming_fails(authenticator.id, "") == errc::wrong_code);
    CHECK(place.try_code("") == Verdict::accepted);

    const auto code = place.code(authenticator);
    const auto before = state_of(place.store);
    REQUIRE(place.store.users().confirm_totp(place.alice, authenticator.id, code));
    CHECK(state_of(place.store).seq == next(before.seq));
    user = place.store.users().get(place.alice);
    CHECK(user->has_totp);
    CHECK(user->authenticators[0].confirmed);
    CHECK(place.confirming_fails(authenticator.id, code) == errc::already_confirmed);
    CHECK(place.confirming_fails(TotpId{}, code) == errc::not_found);
    CHECK(place.try_code("") == Verdict::code_required);
    CHECK(place.try_code(code) == Verdict::refused);
    place.environment->pass(30s);
    CHECK(place.try_code(place.code(authenticator)) == Verdict::accepted);
}

TEST_CASE("store: the window of a code: its step and the next, once, and never one before") {
    CodesPlace place;
    const auto authenticator = add_authenticator(place.store, *place.environment, place.alice);
    place.environment->pass(300s);
    CHECK(place.try_code(place.code(authenticator, -30s)) == Verdict::refused);
    CHECK(place.try_code(place.code(authenticator, 60s)) == Verdict::refused);
    const auto one_back = place.code(authenticator, 30s);
    CHECK(place.try_code(one_back) == Verdict::accepted);
    CHECK(place.try_code(one_back) == Verdict::refused);
    const auto current = place.code(authenticator);
    CHECK(place.try_code(current) == Verdict::accepted);
    CHECK(place.try_code(current) == Verdict::refused);
    place.environment->pass(30s);
    CHECK(place.try_code(current) == Verdict::refused);
    // A step that was passed over is not good any more once a later one was.
    place.environment->pass(60s);
    CHECK(place.try_code(place.code(authenticator)) == Verdict::accepted);
    CHECK(place.try_code(place.code(authenticator, 30s)) == Verdict::refused);
    // A failure of a code that was right once counts as any other.
    CHECK(place.store.lockout().show(place.alice)->codes.failures == 1);
}

TEST_CASE("store: what is no code at all: refused and counted") {
    CodesPlace place;
    const auto authenticator = add_authenticator(place.store, *place.environment, place.alice);
    place.environment->pass(30s);
    const auto code = place.code(authenticator);
    const std::string bad[] = {" " + code,
                               code + " ",
                               code.substr(1),
                               code + "0",
                               "abcdef",
                               std::string(5000, '1'),
                               "\xff"};
    std::uint64_t failures = 0;
    for (const auto& each : bad) {
        CAPTURE(each);
        CHECK(place.try_code(each) == Verdict::refused);
        CHECK(place.store.lockout().show(place.alice)->codes.failures == ++failures);
    }
    CHECK(place.try_code(code) == Verdict::accepted);
}

TEST_CASE("store: every hash, length and period of codes: enrolled, confirmed, signed in with") {
    CodesPlace place;
    for (const auto hash : {TotpHash::sha1, TotpHash::sha256, TotpHash::sha512}) {
        for (const std::uint8_t digits : {6, 7, 8}) {
            for (const std::uint16_t period : {15, 30, 60, 120}) {
                CAPTURE(static_cast<int>(hash));
                CAPTURE(digits);
                CAPTURE(period);
                const auto made = place.enrol({.hash = hash, .digits = digits, .period = period});
                const auto first = place.code(made);
                CHECK(first.size() == digits);
                REQUIRE(place.store.users().confirm_totp(place.alice, made.id, first));
                place.environment->pass(std::chrono::seconds(period));
                CHECK(place.try_code(place.code(made)) == Verdict::accepted);
                CHECK(place.try_code(place.code(made)) == Verdict::refused);
                REQUIRE(place.store.users().remove_totp(place.alice, made.id));
            }
        }
    }
}

TEST_CASE("store: an authenticator that cannot be: its own error, state unchanged") {
    CodesPlace place;
    const auto before = state_of(place.store);
    const TotpOptions bad[] = {{.label = std::string(65, 'l')},
                               {.hash = TotpHash{0}},
                               {.hash = TotpHash{4}},
                               {.digits = 5},
                               {.digits = 9},
                               {.period = 14},
                               {.period = 121}};
    for (const auto& options : bad) {
        const auto made = place.store.users().enrol_totp(place.alice, options);
        REQUIRE_FALSE(made);
        CHECK(made.error() == errc::invalid_totp);
        CHECK_FALSE(made.error().detail().empty());
    }
    const auto nobody = place.store.users().enrol_totp(UserId{});
    REQUIRE_FALSE(nobody);
    CHECK(nobody.error() == errc::not_found);
    CHECK(state_of(place.store) == before);
    place.enrol({.label = std::string(64, 'l')});
    for (int i = 0; i < 7; ++i) place.enrol();
    const auto ninth = place.store.users().enrol_totp(place.alice);
    REQUIRE_FALSE(ninth);
    CHECK(ninth.error() == errc::limit_reached);
}

TEST_CASE("store: several authenticators: each works, each code once, one count of failures") {
    CodesPlace place;
    const auto phone = add_authenticator(place.store, *place.environment, place.alice);
    const auto token = add_authenticator(place.store, *place.environment, place.alice);
    const auto unconfirmed = place.enrol();
    place.environment->pass(30s);
    CHECK(place.try_code(place.code(unconfirmed)) == Verdict::refused);
    CHECK(place.try_code("000000") == Verdict::refused);
    CHECK(place.store.lockout().show(place.alice)->codes.failures == 2);
    CHECK(place.try_code(place.code(token)) == Verdict::accepted);
    CHECK(place.store.lockout().show(place.alice)->codes.failures == 0);
    CHECK(place.try_code(place.code(phone)) == Verdict::accepted);
    CHECK(place.try_code(place.code(token)) == Verdict::refused);
    CHECK(place.try_code(place.code(phone)) == Verdict::refused);
    // The other stays when one goes, with what was spent of it.
    REQUIRE(place.store.users().remove_totp(place.alice, phone.id));
    CHECK(place.try_code(place.code(token)) == Verdict::refused);
    place.environment->pass(30s);
    CHECK(place.try_code(place.code(phone)) == Verdict::refused);
    CHECK(place.try_code(place.code(token)) == Verdict::accepted);
    const auto again = place.store.users().remove_totp(place.alice, phone.id);
    REQUIRE_FALSE(again);
    CHECK(again.error() == errc::not_found);
    REQUIRE(place.store.users().remove_totp(place.alice, token.id));
    CHECK_FALSE(place.store.users().get(place.alice)->has_totp);
    CHECK(place.try_code("") == Verdict::accepted);
}

TEST_CASE("store: guesses at a first code: they lock too, and the right one then waits") {
    CodesPlace place;
    const auto made = place.enrol();
    for (int i = 0; i < 10; ++i) {
        CHECK(place.confirming_fails(made.id, "000000") == errc::wrong_code);
    }
    CHECK(place.confirming_fails(made.id, place.code(made)) == errc::wrong_code);
    place.environment->pass(30s);
    CHECK(place.store.users().confirm_totp(place.alice, made.id, place.code(made)));
}

TEST_CASE("store: recovery codes: ten, each once, as people type them") {
    CodesPlace place;
    const auto authenticator = add_authenticator(place.store, *place.environment, place.alice);
    const auto codes = place.store.users().make_recovery_codes(place.alice);
    REQUIRE(codes);
    REQUIRE(codes->size() == 10);
    CHECK(place.store.users().get(place.alice)->recovery_codes == 10);
    std::set<std::string> different;
    for (const auto& code : *codes) {
        CHECK(code.text().size() == 19);
        different.emplace(code.text());
    }
    CHECK(different.size() == 10);
    for (const auto& code : *codes) {
        std::string typed;
        for (const char c : code.text()) {
            if (c == '-') continue;
            typed += static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
            if (typed.size() % 5 == 0) typed += ' ';
        }
        const auto result = sign_in(place.store, "alice", good_password, typed);
        CHECK(result.verdict == Verdict::accepted);
        CHECK(result.methods == (Methods::password | Methods::recovery_code));
        CHECK(place.try_code(std::string(code.text())) == Verdict::refused);
        CHECK(place.store.lockout().show(place.alice)->codes.failures == 1);
    }
    // Years later as well.
    place.environment->pass(20 * 365 * 24h);
    for (int i = 0; i < 3; ++i) place.store.run_due();
    CHECK(place.try_code(std::string(codes->front().text())) == Verdict::refused);
    CHECK(place.try_code(place.code(authenticator)) == Verdict::accepted);
}

TEST_CASE("store: a new set of recovery codes: the old ones are void; another user's never good") {
    CodesPlace place;
    add_authenticator(place.store, *place.environment, place.alice);
    const auto bob = add_user(place.store, "bob");
    add_authenticator(place.store, *place.environment, bob);
    const auto old = place.store.users().make_recovery_codes(place.alice);
    const auto fresh = place.store.users().make_recovery_codes(place.alice);
    const auto of_bob = place.store.users().make_recovery_codes(bob);
    REQUIRE((old && fresh && of_bob));
    CHECK(place.try_code(std::string(old->front().text())) == Verdict::refused);
    CHECK(place.try_code(std::string(of_bob->front().text())) == Verdict::refused);
    CHECK(place.try_code(std::string(fresh->front().text())) == Verdict::accepted);
    const auto nobody = place.store.users().make_recovery_codes(UserId{});
    REQUIRE_FALSE(nobody);
    CHECK(nobody.error() == errc::not_found);
}

TEST_CASE("store: an authenticator imported with settings of its own: its codes are good") {
    StorePlace place;
    auto store = place.create();
    const Secret uri(
        "otpauth://totp/Old:bob?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
        "&algorithm=SHA512&digits=8&period=60&image=x");
    REQUIRE(store.users().create(
        {.login = "bob", .password = Secret(good_password), .totp_uri = std::string(uri.text())}));
    const auto code = code_at(uri, place.environment->wall());
    CHECK(code.size() == 8);
    CHECK(sign_in(store, "bob", good_password, code).verdict == Verdict::accepted);
    CHECK(sign_in(store, "bob", good_password, code).verdict == Verdict::refused);
}
