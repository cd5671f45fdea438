#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "countersign/error.h"
#include "countersign/time.h"

#include "records/user.h"

/// One-time codes: HOTP (RFC 4226) over time steps, which is TOTP (RFC 6238). That a step works
/// once is kept elsewhere; here is only the rule, `accept`.
namespace countersign::accounts {

using records::TotpAlgorithm;

constexpr unsigned min_totp_digits = 6;
constexpr unsigned max_totp_digits = 8;
constexpr std::chrono::seconds min_totp_period{15};
constexpr std::chrono::seconds max_totp_period{120};
/// In bytes. RFC 4226 section 4 asks for 16; secrets of 10 are common and are taken when imported.
constexpr std::size_t min_totp_secret_size = 10;
constexpr std::size_t max_totp_secret_size = 64;
/// Of the secrets that are made here: the 160 bits that RFC 4226 recommends.
constexpr std::size_t new_totp_secret_size = 20;

struct TotpParameters {
    TotpAlgorithm algorithm = TotpAlgorithm::sha1;
    unsigned digits = 6;
    std::chrono::seconds period{30};

    friend bool operator==(const TotpParameters&, const TotpParameters&) = default;
};

/// Errors: errc::invalid_totp when digits, period or algorithm are outside of their limits.
Result<void> check(const TotpParameters& parameters);

/// Number of whole periods since 1970 (T of RFC 6238).
enum class TotpStep : std::uint64_t {};

/// No value before 1970. `period` must be positive.
std::optional<TotpStep> step_at(UnixTime time, std::chrono::seconds period);

/// The code of RFC 4226 section 5.3, with leading zeros. `digits` is 6 to 8.
std::string hotp(std::span<const std::byte> secret,
                 std::uint64_t counter,
                 unsigned digits,
                 TotpAlgorithm algorithm = TotpAlgorithm::sha1);

/// The step whose code this is: the one at `now` or the one before, never one ahead; the later one
/// should both have the same code. Takes the same work whatever `code` holds: two HMACs and
/// comparisons in constant time. Anything but exactly `digits` ASCII digits matches nothing.
/// `parameters` must have passed `check`.
std::optional<TotpStep> matching_step(const TotpParameters& parameters,
                                      std::span<const std::byte> secret,
                                      std::string_view code,
                                      UnixTime now);

/// Whether a step may still be used after the latest one that was (RFC 6238 section 5.2).
constexpr bool accept(TotpStep step, std::optional<TotpStep> last_spent) {
    return !last_spent || step > *last_spent;
}

}  // namespace countersign::accounts
