#include "sealing/argon2.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <vector>

#include <doctest/doctest.h>
#include <sys/resource.h>

#include "countersign/ids.h"

#include "support/vectors.h"

using namespace countersign;
using namespace countersign::sealing;
using countersign::testing::bytes_of;
using countersign::testing::unhex;

namespace {

using Salt = std::array<std::byte, argon2_salt_size>;

Salt salt_of(std::span<const std::byte> bytes) {
    Salt salt;
    REQUIRE(bytes.size() == salt.size());
    std::ranges::copy(bytes, salt.begin());
    return salt;
}

Secret password_of(const nlohmann::json& test) {
    for (const char* member : {"password_utf8", "password"}) {
        if (test.contains(member)) return Secret(test.at(member).get<std::string>());
    }
    const auto bytes = unhex(test.at("password_hex").get<std::string>());
    return Secret(std::span<const std::byte>(bytes));
}

void check_raw(const nlohmann::json& test) {
    std::vector<std::byte> out(test.at("outlen").get<std::size_t>());
    const Argon2Cost cost{test.at("memlimit_bytes").get<std::uint32_t>() / 1024,
                          test.at("opslimit").get<std::uint32_t>()};
    const auto salt = salt_of(unhex(test.at("salt_hex").get<std::string>()));
    const auto result = argon2id(out, password_of(test), cost, salt);
    if (test.at("expect") == "ok") {
        CHECK(result);
        CHECK(to_hex(out) == test.at("out_hex").get<std::string>());
    } else {
        REQUIRE_FALSE(result);
        CHECK(result.error() == errc::invalid_argument);
    }
}

void check_malformed(const nlohmann::json& test) {
    const auto encoded = test.at("encoded").get<std::string>();
    CAPTURE(encoded);
    const auto parsed = parse_password_hash(encoded);
    REQUIRE_FALSE(parsed);
    CHECK(parsed.error() == errc::invalid_hash);
    CHECK_FALSE(parsed.error().detail().empty());
    const auto verified = verify_password(encoded, Secret("password"));
    REQUIRE_FALSE(verified);
    CHECK(verified.error() == errc::invalid_hash);
}

void check_string(const nlohmann::json& test) {
    const auto encoded = test.at("encoded").get<std::string>();
    CAPTURE(encoded);
    if (encoded.find(",t=0,") != encoded.npos || encoded.find(",t=19,") != encoded.npos) {
        check_malformed(test);  // outside the caps, whatever libsodium says of them
        return;
    }
    const Secret password = password_of(test);
    const auto verified = verify_password(encoded, password);
    REQUIRE(verified);
    CHECK(*verified == (test.contains("expect")
                            ? test.at("expect") == "verify"
                            : test.at("libsodium_1.0.18_str_verify").get<bool>()));
    if (!*verified) return;
    Secret longer = Secret::of_size(password.size() + 1);
    std::ranges::copy(password.bytes(), longer.writable().begin());
    CHECK(verify_password(encoded, longer).value() == false);
}

void check(const nlohmann::json& test) {
    if (test.contains("expect_countersign")) {
        check_malformed(test);
    } else if (test.contains("encoded")) {
        check_string(test);
    } else {
        check_raw(test);
    }
}

/// A string that is well formed but for what a test changes in it.
std::string phc(std::string_view parameters = "m=1024,t=2,p=1",
                std::string_view salt = "c2FsdHNhbHRzYWx0c2FsdA",
                std::string_view hash = "MO33cCFnqSA8SskhR8/i5r/vajJ3mDxwI/Myoh5GZwk") {
    std::string text = "$argon2id$v=19$";
    text += parameters;
    text += '$';
    text += salt;
    text += '$';
    text += hash;
    return text;
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool address_space_is_ours = false;
#elif defined(__has_feature)
constexpr bool address_space_is_ours =
    !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer);
#else
constexpr bool address_space_is_ours = true;
#endif

/// While it lives, the process can map no more than `more` further bytes.
class MemoryLimit {
  public:
    explicit MemoryLimit(std::size_t more) {
        std::size_t pages = 0;
        std::ifstream("/proc/self/statm") >> pages;
        REQUIRE(::getrlimit(RLIMIT_AS, &before_) == 0);
        rlimit limit = before_;
        limit.rlim_cur = pages * 4096 + more;
        REQUIRE(::setrlimit(RLIMIT_AS, &limit) == 0);
    }
    ~MemoryLimit() { ::setrlimit(RLIMIT_AS, &before_); }

  private:
    rlimit before_;
};

}  // namespace

TEST_CASE("argon2: all published strings and figures: verified, computed or refused as they say") {
    for (const auto& file : testing::vectors("argon2")) {
        CAPTURE(file.name);
        const auto& tests = file.content.is_array() ? file.content : file.content.at("tests");
        CHECK(tests.size() > 0);
        for (const auto& test : tests) check(test);
    }
}

TEST_CASE("argon2: a password is hashed: the string of the argon2 command, and it verifies") {
    // printf 'correct horse' | argon2 saltsaltsaltsalt -id -t 2 -k 1024 -p 1 -l 32 -e
    const Secret password("correct horse");
    const auto salt = salt_of(bytes_of("saltsaltsaltsalt"));
    const auto hashed = hash_password(password, {1024, 2}, salt);
    REQUIRE(hashed);
    CHECK(*hashed == phc());
    CHECK(verify_password(*hashed, password).value());
    CHECK_FALSE(verify_password(*hashed, Secret("correct hors")).value());
    CHECK_FALSE(verify_password(*hashed, Secret()).value());
    CHECK(parse_password_hash(*hashed)->cost == Argon2Cost{1024, 2});
}

TEST_CASE("argon2: the empty password: hashed and verified like any other") {
    const auto salt = salt_of(bytes_of("saltsaltsaltsalt"));
    const auto hashed = hash_password(Secret(), {8, 1}, salt);
    REQUIRE(hashed);
    CHECK(verify_password(*hashed, Secret()).value());
    CHECK_FALSE(verify_password(*hashed, Secret("x")).value());
}

TEST_CASE("argon2: costs at and beyond their range: hashed, or invalid_argument") {
    const Secret password("correct horse");
    const auto salt = salt_of(bytes_of("saltsaltsaltsalt"));
    CHECK(hash_password(password, {8, 1}, salt));
    CHECK(hash_password(password, {8, 10}, salt));
    for (const Argon2Cost cost : {Argon2Cost{7, 1},
                                  Argon2Cost{0, 1},
                                  Argon2Cost{8, 0},
                                  Argon2Cost{8, 11},
                                  Argon2Cost{max_argon2_memory_kib + 1, 1}}) {
        const auto hashed = hash_password(password, cost, salt);
        REQUIRE_FALSE(hashed);
        CHECK(hashed.error() == errc::invalid_argument);
    }
}

TEST_CASE("argon2: a string at the caps: read") {
    CHECK(parse_password_hash(phc("m=262144,t=10,p=8")));
    CHECK(parse_password_hash(phc("m=64,t=1,p=8")));
    CHECK(parse_password_hash(phc("m=8,t=1,p=1", "c2FsdHNhbHQ", "AAAAAAAAAAAAAAAAAAAAAA")));
    const std::string salt(31, 'A');
    const auto longest = phc("m=262144,t=10,p=8", salt, std::string(127 - 34 - salt.size(), 'A'));
    REQUIRE(longest.size() == max_phc_size);
    CHECK(parse_password_hash(longest));
}

TEST_CASE("argon2: strings that are not strict: invalid_hash, and the reason") {
    const std::string no_base64_salt = "its salt is not base64 without padding";
    const std::string no_base64_hash = "its hash is not base64 without padding";
    const std::string numbers = "its parameters are not m=..,t=..,p=.. in plain numbers";
    const std::pair<std::string, std::string> cases[] = {
        {phc("m=262145,t=1,p=1"), "it asks for more than 256 MiB of memory"},
        {phc("m=4294967295,t=1,p=1"), "it asks for more than 256 MiB of memory"},
        {phc("m=4294967296,t=1,p=1"), numbers},
        {phc("m=99999999999999999999,t=1,p=1"), numbers},
        {phc("m=1024,t=11,p=1"), "it asks for other than 1 to 10 passes"},
        {phc("m=1024,t=0,p=1"), "it asks for other than 1 to 10 passes"},
        {phc("m=1024,t=1,p=9"), "it asks for other than 1 to 8 lanes"},
        {phc("m=63,t=1,p=8"), "it asks for less than 8 KiB of memory for each lane"},
        {phc("m=7,t=1,p=1"), "it asks for less than 8 KiB of memory for each lane"},
        {phc("t=1,m=1024,p=1"), numbers},
        {phc("m=1024,t=1"), numbers},
        {phc("m=1024,t=1,p=1,keyid=AA"), numbers},
        {phc("m=1024,t=1,p=1,data=AA"), numbers},
        {phc("m=01024,t=1,p=1"), numbers},
        {phc("m=+1024,t=1,p=1"), numbers},
        {phc("m=-1024,t=1,p=1"), numbers},
        {phc("m= 1024,t=1,p=1"), numbers},
        {phc("m=0x400,t=1,p=1"), numbers},
        {phc("m=,t=1,p=1"), numbers},
        {phc("m=1024, t=1,p=1"), numbers},
        {phc("m=1024,t=1,p=1", "c2FsdHNhbA"), "its salt is shorter than 8 bytes"},
        {phc("m=1024,t=1,p=1", ""), "its salt is shorter than 8 bytes"},
        {phc("m=1024,t=1,p=1", "c2FsdHNhbHRzYWx0c2FsdB"), no_base64_salt},  // stray bits
        {phc("m=1024,t=1,p=1", "c2FsdHNhbHRzYWx0c2FsdA=="), no_base64_salt},
        {phc("m=1024,t=1,p=1", "c2FsdHNhbHRzYWx0c2Fsd"), no_base64_salt},
        {phc("m=1024,t=1,p=1", "c2FsdHNhbHR_YWx0c2FsdA"), no_base64_salt},
        {phc("m=1024,t=1,p=1", "c2FsdHNhbHRz YWx0c2FsdA"), no_base64_salt},
        // Fuzzing found that libsodium 1.0.18 reads bytes above ASCII as letters.
        {phc("m=1024,t=1,p=1", "c2FsdHNhbHRz\xfaYWx0c2FsdA"), no_base64_salt},
        {phc("m=1024,t=1,p=1", "c2FsdHNhbHRzYWx0c2FsdA", "AAAAAAAAAAAAAAAAAAAA\xff\xff"),
         no_base64_hash},
        {phc("m=1024,t=1,p=1", "c2FsdHNhbHRzYWx0c2FsdA", "AAAAAAAAAAAAAAAAAAAA"),
         "its hash is shorter than 16 bytes"},
        {phc() + "$", no_base64_hash},
        {phc() + " ", no_base64_hash},
        {phc() + '\0', no_base64_hash},
        {"$argon2id$v=19$m=1024,t=1,p=1$c2FsdHNhbHRzYWx0c2FsdA", "it has no hash after its salt"},
        {" " + phc(), "it does not begin with $argon2id$"},
        {"$argon2d$v=19$m=1024,t=1,p=1$c2FsdA$AAAA", "it does not begin with $argon2id$"},
        {"$argon2id$v=16$m=1024,t=1,p=1$c2FsdA$AAAA", "its version is not 19"},
        {"$argon2id$v=190$m=1024,t=1,p=1$c2FsdA$AAAA", "its version is not 19"},
        {phc() + std::string(60, 'A'), "it is longer than 127 characters"},
    };
    for (const auto& [text, why] : cases) {
        CAPTURE(text);
        const auto parsed = parse_password_hash(text);
        REQUIRE_FALSE(parsed);
        CHECK(parsed.error() == errc::invalid_hash);
        CHECK(parsed.error().detail() == why);
    }
}

TEST_CASE("argon2: weaker than the policy: less memory, less work, or a shorter salt or hash") {
    const auto made_here = [](Argon2Cost cost) {
        return PasswordHash{
            .cost = cost, .salt = std::vector<std::byte>(16), .hash = std::vector<std::byte>(32)};
    };
    const Argon2Cost policy;
    CHECK_FALSE(weaker_than(made_here(policy), policy));
    CHECK_FALSE(weaker_than(made_here({47104, 1}), policy));
    CHECK(weaker_than(made_here({20000, 1}), policy));
    CHECK(weaker_than(made_here({9216, 4}), policy));
    CHECK(weaker_than(made_here({19456, 1}), policy));
    CHECK(weaker_than(made_here(policy), {47104, 1}));
    PasswordHash short_salt = made_here(policy);
    short_salt.salt.resize(8);
    CHECK(weaker_than(short_salt, policy));
    PasswordHash short_hash = made_here(policy);
    short_hash.hash.resize(16);
    CHECK(weaker_than(short_hash, policy));
}

TEST_CASE("argon2: the memory that a hash takes: its m, in bytes") {
    CHECK(memory_of(Argon2Cost{}) == 19u * 1024 * 1024);
    CHECK(memory_of(parse_password_hash(phc("m=262144,t=1,p=4")).value()) == 256u * 1024 * 1024);
}

TEST_CASE("argon2: the memory is not there: out_of_memory, not a wrong password") {
    if (!address_space_is_ours) return;
    const Secret password("correct horse");
    const auto salt = salt_of(bytes_of("saltsaltsaltsalt"));
    const auto hashed = hash_password(password, {64 * 1024, 1}, salt);
    REQUIRE(hashed);
    {
        const MemoryLimit limit(48u * 1024 * 1024);
        const auto verified = verify_password(*hashed, password);
        REQUIRE_FALSE(verified);
        CHECK(verified.error() == errc::out_of_memory);
        // Other salts than 16 bytes, and more lanes, go another way.
        for (const char* elsewhere : {"m=65536,t=1,p=1", "m=65536,t=1,p=2"}) {
            const auto foreign = verify_password(phc(elsewhere, "c2FsdHNhbHQ"), password);
            REQUIRE_FALSE(foreign);
            CHECK(foreign.error() == errc::out_of_memory);
        }
        const auto again = hash_password(password, {64 * 1024, 1}, salt);
        REQUIRE_FALSE(again);
        CHECK(again.error() == errc::out_of_memory);
    }
    CHECK(verify_password(*hashed, password).value());
}
