// Login names, passwords, e-mail addresses. The first byte chooses which.
#include <algorithm>

#include "accounts/email.h"
#include "accounts/precis.h"
#include "accounts/unicode.h"
#include "fuzz/fuzz.h"

namespace countersign::fuzz {
namespace {

using accounts::LoginCase;

void check_utf8(std::string_view text) {
    const auto points = accounts::CodePoints::decode(text);
    require(points && accounts::to_utf8(*points) == text, "what comes out is UTF-8");
}

void check_login(std::string_view text, LoginCase login_case) {
    const auto login = accounts::normalise_login(text, login_case);
    if (!login) return require_documented(login.error(), {errc::invalid_login});
    require(!login->empty() && login->size() <= accounts::max_login_size &&
                text.size() <= accounts::max_login_input_size,
            "a login within its limits");
    check_utf8(*login);
    const auto again = accounts::normalise_login(*login, login_case);
    require(again && *again == *login, "a login in its normal form stays as it is");
}

void check_password(std::string_view text) {
    const auto password = accounts::normalise_password(Secret(text));
    if (!password) return require_documented(password.error(), {errc::invalid_password});
    require(text.size() <= accounts::max_password_size &&
                password->size() <= accounts::max_password_size,
            "a password within its limit");
    check_utf8(password->text());
    const auto again = accounts::normalise_password(*password);
    require(again && *again == *password, "a password in its normal form stays as it is");
}

void check_email(std::string_view text) {
    const auto email = accounts::normalise_email(text);
    if (!email) return require_documented(email.error(), {errc::invalid_email});
    check_utf8(email->address);
    check_utf8(email->key);
    for (const auto& each : {email->address, email->key}) {
        require(each.size() <= accounts::max_email_size, "an address within its limit");
        const auto again = accounts::normalise_email(each);
        require(again && again->address == each, "an address in its normal form stays as it is");
        require(again->key == email->key, "and counts as the same");
    }
}

void run(BytesView input) {
    Input from(input);
    const auto choice = from.number<std::uint8_t>() % 4u;
    const auto text = text_of(from.rest());
    if (choice == 0) check_login(text, LoginCase::mapped);
    if (choice == 1) check_login(text, LoginCase::preserved);
    if (choice == 2) check_password(text);
    if (choice == 3) check_email(text);
}

std::vector<Bytes> seeds() {
    std::vector<Bytes> all;
    for (const unsigned login : {0u, 1u}) {
        for (auto& each : texts(login,
                                {"Alice",
                                 "Straße",
                                 "ΌΣΟΣ",
                                 "ｆｕｌｌ",
                                 "l·l",
                                 "١٢٣",
                                 "אבג",
                                 "ﾃﾞｰﾀ",
                                 "क्‍ष",
                                 "e\xcc\x81",
                                 "a\xff"})) {
            all.push_back(std::move(each));
        }
    }
    for (auto& each : texts(2, {"correct horse battery", "π\u00a0ß\u3000å", "e\xcc\x81"})) {
        all.push_back(std::move(each));
    }
    for (auto& each : texts(3,
                            {"Alice.B+c@Example.ORG",
                             "a@localhost",
                             "Zoë@Müller.example",
                             "a@xn--mller-kva.example",
                             "\"q\"@b.c",
                             "a..b@c"})) {
        all.push_back(std::move(each));
    }
    return all;
}

const Target target("name", run, seeds);

}  // namespace
}  // namespace countersign::fuzz
