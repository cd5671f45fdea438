#include "pool_settings.h"

#include <string>
#include <utility>

namespace countersign {
namespace {

attempts::ThrottlePolicy to_policy(const ThrottleOptions& options) {
    return {.max_failures = options.max_failures,
            .lock_for = options.lock_for,
            .backoff = options.backoff,
            .lock_cap = options.lock_cap};
}

records::ThrottleSettings to_settings(const ThrottleOptions& options) {
    return {.max_failures = options.max_failures,
            .lock_for = options.lock_for,
            .backoff = options.backoff,
            .lock_cap = options.lock_cap};
}

}  // namespace

Result<void> check(const PoolOptions& options) {
    const auto refuse = [](const char* what) { return Error(errc::invalid_argument, what); };
    if (options.issuer.empty() || options.issuer.size() > 64 ||
        options.issuer.find(':') != std::string::npos) {
        return refuse("issuer: 1 to 64 bytes without a colon");
    }
    if (options.password_minimum < 8 || options.password_minimum > 64) {
        return refuse("password_minimum: 8 to 64 code points");
    }
    if (options.password_maximum < 64 || options.password_maximum > 256) {
        return refuse("password_maximum: 64 to 256 code points");
    }
    if (options.hash_memory_kib < 8 || options.hash_memory_kib > sealing::max_argon2_memory_kib) {
        return refuse("hash_memory_kib: 8 to 262,144");
    }
    if (options.hash_passes < 1 || options.hash_passes > sealing::max_argon2_passes) {
        return refuse("hash_passes: 1 to 10");
    }
    if (options.guess_budget < 1 || options.guess_budget > attempts::max_guess_budget) {
        return refuse("guess_budget: max_failures to 100,000");
    }
    const std::pair<const char*, const ThrottleOptions&> throttles[] = {
        {"password_throttle", options.password_throttle}, {"code_throttle", options.code_throttle}};
    for (const auto& [name, throttle] : throttles) {
        if (auto valid = validate(to_policy(throttle), options.guess_budget); !valid) {
            return Error(valid.error().code(), std::string(name) + "." + valid.error().detail());
        }
    }
    return {};
}

records::PoolSettings to_settings(const PoolOptions& options, std::string_view unicode_version) {
    return {.issuer = options.issuer,
            .unicode_version = std::string(unicode_version),
            .unique_email = options.unique_email,
            .password_minimum = options.password_minimum,
            .password_maximum = options.password_maximum,
            .hash_memory_kib = options.hash_memory_kib,
            .hash_passes = options.hash_passes,
            .password_throttle = to_settings(options.password_throttle),
            .code_throttle = to_settings(options.code_throttle),
            .guess_budget = options.guess_budget};
}

attempts::ThrottlePolicy to_policy(const records::ThrottleSettings& settings) {
    return {.max_failures = settings.max_failures,
            .lock_for = settings.lock_for,
            .backoff = settings.backoff,
            .lock_cap = settings.lock_cap};
}

sealing::Argon2Cost hash_cost(const records::PoolSettings& settings) {
    return {.memory_kib = settings.hash_memory_kib, .passes = settings.hash_passes};
}

}  // namespace countersign
