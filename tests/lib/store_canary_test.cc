#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "support/store_fixture.h"

using namespace countersign;
using namespace countersign::testing;
using namespace std::chrono_literals;

namespace {

namespace fs = std::filesystem;

std::string content_of(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

std::string utf16(const std::string& text) {
    std::string wide;
    for (const char c : text) wide.append({c, '\0'});
    return wide;
}

std::string base64_start(const std::string& text) {
    static constexpr char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string encoded;
    for (std::size_t i = 0; i + 2 < text.size(); i += 3) {
        const auto at = [&](std::size_t n) { return static_cast<unsigned char>(text[i + n]); };
        const unsigned bits = static_cast<unsigned>(at(0) << 16 | at(1) << 8 | at(2));
        for (const int shift : {18, 12, 6, 0}) encoded += digits[bits >> shift & 63];
    }
    return encoded;
}

std::string hex(const std::string& text) {
    std::string encoded;
    for (const unsigned char c : text) {
        encoded += "0123456789abcdef"[c >> 4];
        encoded += "0123456789abcdef"[c & 15];
    }
    return encoded;
}

/// The raw bytes behind RFC 4648 base32.
std::string from_base32(std::string_view text) {
    std::string bytes;
    unsigned bits = 0;
    int held = 0;
    for (const char c : text) {
        bits = bits << 5 | static_cast<unsigned>(c >= 'A' ? c - 'A' : c - '2' + 26);
        held += 5;
        if (held < 8) continue;
        held -= 8;
        bytes += static_cast<char>(bits >> held & 0xff);
    }
    return bytes;
}

/// Everything that must lie in no file.
struct Canaries {
    std::vector<std::string> forms;

    void add(const std::string& secret) {
        REQUIRE(secret.size() >= 6);
        forms.insert(forms.end(), {secret, utf16(secret), base64_start(secret), hex(secret)});
    }
    /// Names the first file that holds one; empty: none does.
    std::string found_in(const fs::path& directory) const {
        std::size_t bytes = 0;
        for (const auto& file : fs::recursive_directory_iterator(directory)) {
            if (!file.is_regular_file()) continue;
            const auto content = content_of(file.path());
            bytes += content.size();
            for (const auto& form : forms) {
                if (content.find(form) != std::string::npos) return file.path().string();
            }
        }
        REQUIRE(bytes > 10'000);  // there was something to look at
        return {};
    }
};

}  // namespace

TEST_CASE("store: secrets and names of every kind: in no file, written, crashed or closed") {
    StorePlace place;
    place.options.root_key_provider = memory_key('r');
    Canaries canaries;
    const std::string login = "canary-login-alice";
    for (const char* secret : {"canary first password",
                               "canary second password",
                               "canary wrong password",
                               "canary display name",
                               "canary-mail@example.org",
                               "canary-unknown-login",
                               "canary authenticator"}) {
        canaries.add(secret);
    }
    canaries.add(login);
    {
        auto store = place.create();
        const auto alice = store.users().create({.login = login,
                                                 .password = Secret("canary first password"),
                                                 .display_name = "canary display name",
                                                 .email = "canary-mail@example.org"});
        REQUIRE(alice);
        const auto made = store.users().enrol_totp(*alice, {.label = "canary authenticator"});
        REQUIRE(made);
        const std::string uri(made->uri.text());
        const auto at = uri.find("secret=") + 7;
        const auto base32 = uri.substr(at, uri.find('&', at) - at);
        REQUIRE(base32.size() == 32);
        canaries.add(base32);
        canaries.add(from_base32(base32));
        const auto code = code_at(made->uri, place.environment->wall());
        REQUIRE(store.users().confirm_totp(*alice, made->id, code));
        const auto codes = store.users().make_recovery_codes(*alice);
        REQUIRE(codes);
        for (const auto& each : *codes) canaries.add(std::string(each.text()));
        sign_in(store, login, "canary wrong password", {}, "canary source");
        sign_in(store, "canary-unknown-login", "canary wrong password", {}, "canary source");
        REQUIRE(store.users().change_password(
            *alice, Secret("canary first password"), Secret("canary second password")));
        const auto recovery = std::string(codes->front().text());
        CHECK(sign_in(store, login, "canary second password", recovery).verdict ==
              Verdict::accepted);
        canaries.add("canary source");
        CHECK(canaries.found_in(place.around.path()) == "");
        // As a power cut would leave it.
        place.copy_files(place.around / "crashed");
        REQUIRE(store.log().compact());
    }
    CHECK(canaries.found_in(place.around.path()) == "");
    auto store = place.open();
    CHECK(sign_in(store, login, "canary second password").verdict == Verdict::code_required);
}

TEST_CASE("store: secrets and names of every kind: in no event and no error") {
    StorePlace place;
    std::string said;
    place.options.on_event = [&](const Event& event) { said += event.detail + "\n"; };
    auto store = place.create();
    const auto alice = add_user(store, "canary-login", "canary password");
    const auto hear = [&](const auto& result) {
        REQUIRE_FALSE(result);
        said += result.error().message() + "\n";
    };
    hear(store.users().create({.login = "canary-login", .password = Secret("canary second")}));
    hear(store.users().create({.login = "bob", .password = Secret("canary")}));
    hear(store.users().create({.login = "canary login", .password = Secret("canary second")}));
    hear(store.users().create({.login = "bob", .email = "canary mail"}));
    hear(store.users().create({.login = "bob", .password_hash = "$argon2id$canary"}));
    hear(store.users().create({.login = "bob", .totp_uri = "otpauth://totp/canary?secret=canary"}));
    hear(store.users().find("canary-nobody"));
    hear(store.users().change_password(alice, Secret("canary wrong"), Secret("canary other")));
    for (int i = 0; i < 30; ++i) {
        sign_in(store, "canary-login", "canary wrong");
        sign_in(store, "canary-login", "canary password");
    }
    CHECK(said.find("user") != std::string::npos);
    CHECK(said.find("canary") == std::string::npos);
}
