#include "accounts/totp.h"

#include <algorithm>
#include <array>
#include <cassert>

#include "sealing/hash.h"
#include "sealing/hmac.h"

namespace countersign::accounts {
namespace {

constexpr std::array<std::uint32_t, max_totp_digits + 1> powers_of_ten = {
    1, 10, 100, 1'000, 10'000, 100'000, 1'000'000, 10'000'000, 100'000'000};

/// Dynamic truncation (RFC 4226 section 5.3).
std::uint32_t truncate(std::span<const std::byte> mac) {
    const std::size_t offset = std::to_integer<std::size_t>(mac.back()) & 0xf;
    std::uint32_t number = 0;
    for (const std::byte byte : mac.subspan(offset, 4)) {
        number = number << 8 | std::to_integer<std::uint32_t>(byte);
    }
    return number & 0x7fff'ffff;
}

std::uint32_t truncated_mac(std::span<const std::byte> secret,
                            std::uint64_t counter,
                            TotpAlgorithm algorithm) {
    std::array<std::byte, 8> message;
    for (std::size_t i = 0; i < message.size(); ++i) {
        message[i] = static_cast<std::byte>(counter >> (56 - 8 * i));
    }
    switch (algorithm) {
        case TotpAlgorithm::sha256:
            return truncate(sealing::hmac_sha256(secret, message));
        case TotpAlgorithm::sha512:
            return truncate(sealing::hmac_sha512(secret, message));
        case TotpAlgorithm::sha1:
            break;
    }
    return truncate(sealing::hmac_sha1(secret, message));
}

bool is_code(std::string_view code, unsigned digits) {
    return code.size() == digits &&
           std::ranges::all_of(code, [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

Result<void> check(const TotpParameters& parameters) {
    if (parameters.digits < min_totp_digits || parameters.digits > max_totp_digits) {
        return Error(errc::invalid_totp, "a code has 6 to 8 digits");
    }
    if (parameters.period < min_totp_period || parameters.period > max_totp_period) {
        return Error(errc::invalid_totp, "the period is 15 to 120 seconds");
    }
    if (parameters.algorithm < TotpAlgorithm::sha1 ||
        parameters.algorithm > TotpAlgorithm::sha512) {
        return Error(errc::invalid_totp, "the algorithm is SHA1, SHA256 or SHA512");
    }
    return {};
}

std::optional<TotpStep> step_at(UnixTime time, std::chrono::seconds period) {
    assert(period.count() > 0);
    const auto since_1970 = time.time_since_epoch();
    if (since_1970.count() < 0) return std::nullopt;
    return TotpStep{static_cast<std::uint64_t>(since_1970 / period)};
}

std::string hotp(std::span<const std::byte> secret,
                 std::uint64_t counter,
                 unsigned digits,
                 TotpAlgorithm algorithm) {
    assert(digits >= min_totp_digits && digits <= max_totp_digits);
    std::uint32_t number = truncated_mac(secret, counter, algorithm) % powers_of_ten[digits];
    std::string code(digits, '0');
    for (auto digit = code.rbegin(); digit != code.rend(); ++digit, number /= 10) {
        *digit = static_cast<char>('0' + number % 10);
    }
    return code;
}

std::optional<TotpStep> matching_step(const TotpParameters& parameters,
                                      std::span<const std::byte> secret,
                                      std::string_view code,
                                      UnixTime now) {
    assert(check(parameters));
    const auto current = step_at(now, parameters.period);
    const std::uint64_t last = current ? static_cast<std::uint64_t>(*current) : 0;

    // What is no code is compared too, as a text of the right size; so is a step that is not there.
    const bool usable = is_code(code, parameters.digits);
    const std::string unusable(parameters.digits, '-');
    const auto given = std::as_bytes(std::span(usable ? code : std::string_view(unusable)));
    const auto matches = [&](std::uint64_t step) {
        const std::string expected = hotp(secret, step, parameters.digits, parameters.algorithm);
        return sealing::constant_time_equal(std::as_bytes(std::span(expected)), given);
    };
    const bool matches_last = matches(last);
    const bool matches_previous = matches(last - 1);  // of step 0: a number never reached
    if (!current) return std::nullopt;
    if (matches_last) return TotpStep{last};
    if (matches_previous && last > 0) return TotpStep{last - 1};
    return std::nullopt;
}

}  // namespace countersign::accounts
