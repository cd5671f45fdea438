// Texts that people copy: base32, base64url, ids, recovery codes, invitations, otpauth URIs. The
// first byte chooses which.
#include <algorithm>

#include "accounts/base32.h"
#include "accounts/otpauth.h"
#include "accounts/recovery_codes.h"
#include "fuzz/fuzz.h"
#include "membership/invitation_text.h"
#include "sealing/base64url.h"
#include "sealing/hash.h"

namespace countersign::fuzz {
namespace {

void check_base32(std::string_view text, accounts::Base32 alphabet) {
    const auto bytes = accounts::base32_decode(text, alphabet);
    if (!bytes) return require_documented(bytes.error(), {errc::malformed});
    std::string spelling(text);
    if (alphabet == accounts::Base32::rfc4648) {
        spelling.erase(spelling.find_last_not_of('=') + 1);
    }
    for (char& c : spelling) {
        if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
        if (alphabet != accounts::Base32::crockford) continue;
        if (c == 'O') c = '0';
        if (c == 'I' || c == 'L') c = '1';
    }
    require(accounts::base32_encode(bytes->bytes(), alphabet).text() == spelling,
            "each byte string has one spelling in base32");
}

void check_base64url(std::string_view text) {
    constexpr std::size_t limit = 100;
    const auto bytes = sealing::from_base64url(text, limit);
    if (!bytes) return;
    require(bytes->size() <= limit, "base64url within its limit");
    require(sealing::to_base64url(*bytes) == text,
            "each byte string has one spelling in base64url");
}

void check_ids(std::string_view text) {
    const auto same_but_case = [&](const std::string& written) {
        return std::ranges::equal(written, text, [](char one, char given) {
            return one == given || (given >= 'A' && given <= 'F' && one == given - 'A' + 'a');
        });
    };
    if (const auto bytes = from_hex(text)) {
        require(same_but_case(to_hex(*bytes)), "hexadecimal digits are written as they were read");
    }
    if (const auto id = parse_user_id(text)) {
        require(same_but_case(to_string(*id)), "an id is written as it was read");
    }
}

void check_recovery_code(std::string_view typed) {
    const auto code = accounts::parse_recovery_code(typed);
    if (!code) return;
    require(code->size() == accounts::recovery_code_size, "a recovery code is ten bytes");
    const auto printed =
        accounts::print_recovery_code(code->bytes().first<accounts::recovery_code_size>());
    const auto again = accounts::parse_recovery_code(printed.text());
    require(again && *again == *code, "a recovery code that is printed is the same");
}

void check_invitation(std::string_view text) {
    const auto invitation = membership::parse_invitation(text);
    if (!invitation) return require_documented(invitation.error(), {errc::invalid_invitation});
    require(
        !invitation->addresses.empty() && invitation->addresses.size() <= membership::max_addresses,
        "an invitation has 1 to 16 addresses");
    require(std::ranges::all_of(invitation->addresses, membership::is_address),
            "and they are such");
    require(invitation->seed.size() == sealing::key_size, "and a seed of 32 bytes");
    require(membership::print(*invitation).text() == text, "an invitation has one spelling");
}

/// `content` as what a mistyped invitation cannot be: with the right checksum.
std::string invitation_of(BytesView content) {
    const auto hash = sealing::hash256(content);
    return "csi1-" + sealing::to_base64url(joined({content, BytesView(hash.bytes).first(4)}));
}

void check_otpauth(std::string_view uri) {
    const auto otpauth = accounts::parse_otpauth(uri);
    if (!otpauth) return require_documented(otpauth.error(), {errc::invalid_totp});
    require(uri.size() <= accounts::max_otpauth_size, "a URI within its limit");
    const auto written = accounts::format_otpauth(*otpauth);
    require(written.has_value(), "what was read can be written");
    const auto again = accounts::parse_otpauth(written->text());
    require(again && again->issuer == otpauth->issuer && again->account == otpauth->account &&
                again->secret == otpauth->secret && again->parameters == otpauth->parameters,
            "a URI that was written says the same");
}

void run(BytesView input) {
    Input from(input);
    const auto choice = from.number<std::uint8_t>() % 8u;
    const auto text = text_of(from.rest());
    switch (choice) {
        case 0:
            return check_base32(text, accounts::Base32::rfc4648);
        case 1:
            return check_base32(text, accounts::Base32::crockford);
        case 2:
            return check_base64url(text);
        case 3:
            return check_ids(text);
        case 4:
            return check_recovery_code(text);
        case 5:
            return check_invitation(text);
        case 6:
            return check_invitation(invitation_of(from.rest()));
        default:
            return check_otpauth(text);
    }
}

std::vector<Bytes> seeds() {
    const membership::InvitationText invitation{.pool = filled_id<PoolId>(1),
                                                .root_key = {},
                                                .channel_key = {},
                                                .addresses = {"a.example:7700", "[::1]:1"},
                                                .seed = Secret(Bytes(32, std::byte{2}))};
    const auto printed = membership::print(invitation);
    const auto content = sealing::from_base64url(printed.text().substr(5), 8192);
    std::vector<Bytes> all{with_choice(5, printed.bytes()),
                           with_choice(6, BytesView(*content).first(content->size() - 4))};
    const auto add = [&](unsigned choice, std::initializer_list<std::string_view> some) {
        for (const auto text : some) all.push_back(with_choice(choice, view_of(text)));
    };
    add(0, {"MZXW6YTBOI======", "mzxw6", "MZXW6YTB"});
    add(1, {"0O1ILabc", "ZZ"});
    add(2, {"AA", "-_-_", "Zm9vYmFy"});
    add(3, {"00ff", "01890a5d-ac96-774b-bcce-b302099a8057"});
    add(4, {"0123-4567-89AB-CDEF", "olil olil olil olil"});
    add(7,
        {"otpauth://totp/Example:alice@example.com?secret=JBSWY3DPEHPK3PXP&issuer=Example",
         "otpauth://totp/ACME%20Co:john@example.com?secret=HXDMVJECJJWSRB3HWIZR4IFUGFTMXBOZ&"
         "issuer=ACME%20Co&algorithm=SHA256&digits=8&period=60",
         "OTPAUTH://TOTP/b?x=1&secret=JBSWY3DPEHPK3PXP&digits=9",
         "otpauth://hotp/b?secret=JBSWY3DPEHPK3PXP&counter=1"});
    return all;
}

const Target target("text", run, seeds);

}  // namespace
}  // namespace countersign::fuzz
