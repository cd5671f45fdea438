#include "accounts/otpauth.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>

#include "accounts/base32.h"
#include "accounts/unicode.h"

namespace countersign::accounts {
namespace {

constexpr std::string_view scheme_and_type = "otpauth://totp/";

Error refuse(std::string why) {
    return Error(errc::invalid_totp, std::move(why));
}

bool equal_ignoring_case(std::string_view left, std::string_view right) {
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
    return std::ranges::equal(left, right, {}, lower, lower);
}

bool is_unreserved(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("-._~@").contains(c);
}

std::string percent_encode(std::string_view text) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    std::string encoded;
    for (const char c : text) {
        if (is_unreserved(c)) {
            encoded += c;
        } else {
            const auto byte = static_cast<unsigned char>(c);
            encoded += {'%', digits[byte >> 4], digits[byte & 15]};
        }
    }
    return encoded;
}

/// Writes what `text` stands for to `out`, which is as large as `text`; gives its size.
std::optional<std::size_t> percent_decode(std::string_view text, std::span<std::byte> out) {
    std::size_t size = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        auto byte = static_cast<unsigned char>(text[i]);
        if (byte <= ' ' || byte == '#' || byte >= 0x7f) return std::nullopt;
        if (byte == '%') {
            if (text.size() - i < 3) return std::nullopt;
            const char* const digits = text.data() + i + 1;
            if (std::from_chars(digits, digits + 2, byte, 16).ptr != digits + 2) {
                return std::nullopt;
            }
            i += 2;
        }
        out[size++] = static_cast<std::byte>(byte);
    }
    return size;
}

/// Names are shown to people and written to files: UTF-8 without control characters.
Result<void> check_name(std::string_view name, std::string_view what) {
    const auto text = CodePoints::decode(name);
    if (name.size() > max_otpauth_name_size || !text ||
        std::ranges::any_of(text->view(),
                            [](CodePoint c) { return c < ' ' || (c >= 0x7f && c < 0xa0); })) {
        return refuse("the " + std::string(what) +
                      " is not up to 255 bytes of UTF-8 without control characters");
    }
    if (name.contains(':')) return refuse("the " + std::string(what) + " holds a colon");
    return {};
}

Result<std::string> decode_name(std::string_view encoded, std::string_view what) {
    std::string name(encoded.size(), '\0');
    const auto size = percent_decode(encoded, std::as_writable_bytes(std::span(name)));
    if (!size) return refuse("the " + std::string(what) + " is not percent-encoded as a URI is");
    name.resize(*size);
    return name;
}

Result<Secret> decode_secret(std::string_view encoded) {
    Secret base32 = Secret::of_size(encoded.size());
    const auto size = percent_decode(encoded, base32.writable());
    if (!size) return refuse("the secret is not percent-encoded as a URI is");
    auto secret = base32_decode(base32.text().substr(0, *size));
    if (!secret) return refuse("the secret is not base32: " + secret.error().detail());
    return secret;
}

Result<void> check_secret(const Secret& secret) {
    if (secret.size() < min_totp_secret_size || secret.size() > max_totp_secret_size) {
        return refuse("the secret is not 10 to 64 bytes long");
    }
    return {};
}

constexpr std::pair<std::string_view, TotpAlgorithm> algorithms[] = {
    {"SHA1", TotpAlgorithm::sha1},
    {"SHA256", TotpAlgorithm::sha256},
    {"SHA512", TotpAlgorithm::sha512},
};

std::string name_of(TotpAlgorithm algorithm) {
    const auto named = std::ranges::find(
        algorithms, algorithm, &std::pair<std::string_view, TotpAlgorithm>::second);
    return std::string(named->first);
}

Result<TotpAlgorithm> parse_algorithm(std::string_view text) {
    for (const auto& [name, algorithm] : algorithms) {
        if (equal_ignoring_case(text, name)) return algorithm;
    }
    return refuse("the algorithm is not SHA1, SHA256 or SHA512");
}

Result<unsigned> parse_number(std::string_view text, std::string_view what) {
    unsigned number = 0;
    const char* const end = text.data() + text.size();
    const auto [parsed, error] = std::from_chars(text.data(), end, number);
    if (error != std::errc() || parsed != end) {
        return refuse("the " + std::string(what) + " parameter is not a number");
    }
    return number;
}

struct Label {
    std::string issuer;
    std::string account;
};

Result<Label> parse_label(std::string_view encoded) {
    auto decoded = decode_name(encoded, "label");
    if (!decoded) return decoded.error();
    Label label;
    if (const std::size_t colon = decoded->find(':'); colon != std::string::npos) {
        label.issuer = decoded->substr(0, colon);
        label.account = decoded->substr(colon + 1);
    } else {
        label.account = std::move(*decoded);
    }
    label.account.erase(0, label.account.find_first_not_of(' '));
    return label;
}

/// The parameters that mean something, still encoded.
struct Parameters {
    std::optional<std::string_view> secret, issuer, algorithm, digits, period;

    std::optional<std::string_view>* find(std::string_view name) {
        if (name == "secret") return &secret;
        if (name == "issuer") return &issuer;
        if (name == "algorithm") return &algorithm;
        if (name == "digits") return &digits;
        if (name == "period") return &period;
        return nullptr;
    }
};

Result<Parameters> split_query(std::string_view query) {
    Parameters parameters;
    while (!query.empty()) {
        const std::string_view parameter = query.substr(0, query.find('&'));
        query.remove_prefix(std::min(parameter.size() + 1, query.size()));
        const std::string_view name = parameter.substr(0, parameter.find('='));
        auto* const place = parameters.find(name);
        if (place == nullptr) continue;
        if (*place) return refuse("the parameter " + std::string(name) + " is there twice");
        *place = parameter.substr(std::min(name.size() + 1, parameter.size()));
    }
    return parameters;
}

Result<TotpParameters> parse_settings(const Parameters& given) {
    TotpParameters settings;
    if (given.algorithm) {
        const auto algorithm = parse_algorithm(*given.algorithm);
        if (!algorithm) return algorithm.error();
        settings.algorithm = *algorithm;
    }
    if (given.digits) {
        const auto digits = parse_number(*given.digits, "digits");
        if (!digits) return digits.error();
        settings.digits = *digits;
    }
    if (given.period) {
        const auto period = parse_number(*given.period, "period");
        if (!period) return period.error();
        settings.period = std::chrono::seconds(*period);
    }
    if (const auto checked = check(settings); !checked) return checked.error();
    return settings;
}

Result<void> check_all(const Otpauth& otpauth) {
    if (const auto checked = check(otpauth.parameters); !checked) return checked.error();
    if (const auto checked = check_secret(otpauth.secret); !checked) return checked.error();
    if (const auto checked = check_name(otpauth.issuer, "issuer"); !checked) return checked.error();
    if (otpauth.account.empty() || otpauth.account.starts_with(' ')) {
        return refuse("the account is empty or begins with a space");
    }
    return check_name(otpauth.account, "account");
}

}  // namespace

Result<Secret> format_otpauth(const Otpauth& otpauth) {
    if (const auto checked = check_all(otpauth); !checked) return checked.error();
    const std::string issuer = percent_encode(otpauth.issuer);
    std::string before(scheme_and_type);
    if (!issuer.empty()) before += issuer + ":";
    before += percent_encode(otpauth.account) + "?secret=";
    const Secret secret = base32_encode(otpauth.secret.bytes());
    std::string after;
    if (!issuer.empty()) after += "&issuer=" + issuer;
    after += "&algorithm=" + name_of(otpauth.parameters.algorithm) +
             "&digits=" + std::to_string(otpauth.parameters.digits) +
             "&period=" + std::to_string(otpauth.parameters.period.count());

    Secret uri = Secret::of_size(before.size() + secret.size() + after.size());
    auto end = std::ranges::copy(std::as_bytes(std::span(before)), uri.writable().begin()).out;
    end = std::ranges::copy(secret.bytes(), end).out;
    std::ranges::copy(std::as_bytes(std::span(after)), end);
    return uri;
}

Result<Otpauth> parse_otpauth(std::string_view uri) {
    if (uri.size() > max_otpauth_size) return refuse("the URI is longer than 4,096 bytes");
    if (equal_ignoring_case(uri.substr(0, 15), "otpauth://hotp/")) {
        return refuse("the URI is for codes by counter (hotp); only totp is supported");
    }
    if (!equal_ignoring_case(uri.substr(0, scheme_and_type.size()), scheme_and_type)) {
        return refuse("the URI does not begin with otpauth://totp/");
    }
    uri.remove_prefix(scheme_and_type.size());
    const std::string_view path = uri.substr(0, uri.find('?'));
    auto label = parse_label(path);
    if (!label) return label.error();
    const auto given = split_query(uri.substr(std::min(path.size() + 1, uri.size())));
    if (!given) return given.error();
    if (!given->secret) return refuse("the URI has no secret");

    Otpauth otpauth{.issuer = std::move(label->issuer), .account = std::move(label->account)};
    if (given->issuer) {
        auto issuer = decode_name(*given->issuer, "issuer");
        if (!issuer) return issuer.error();
        if (!otpauth.issuer.empty() && *issuer != otpauth.issuer) {
            return refuse("the issuer in the label is not that of the issuer parameter");
        }
        otpauth.issuer = std::move(*issuer);
    }
    auto secret = decode_secret(*given->secret);
    if (!secret) return secret.error();
    otpauth.secret = std::move(*secret);
    const auto settings = parse_settings(*given);
    if (!settings) return settings.error();
    otpauth.parameters = *settings;
    if (const auto checked = check_all(otpauth); !checked) return checked.error();
    return otpauth;
}

}  // namespace countersign::accounts
