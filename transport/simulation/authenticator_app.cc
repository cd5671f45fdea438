#include "simulation/authenticator_app.h"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <vector>

#include <sodium.h>

namespace countersign::simulation {
namespace {

std::vector<unsigned char> base32_bytes(std::string_view text) {
    std::vector<unsigned char> bytes;
    unsigned bits = 0;
    unsigned held = 0;
    for (const char letter : text) {
        const unsigned digit = letter >= '2' && letter <= '7'
                                   ? static_cast<unsigned>(letter - '2') + 26
                                   : static_cast<unsigned>(letter - 'A');
        bits = bits << 5 | (digit & 31);
        held += 5;
        if (held < 8) continue;
        held -= 8;
        bytes.push_back(static_cast<unsigned char>(bits >> held));
    }
    return bytes;
}

}  // namespace

std::uint64_t totp_step(UnixTime time) noexcept {
    return static_cast<std::uint64_t>(time.time_since_epoch() / std::chrono::seconds{30});
}

std::string totp_code(std::string_view uri, std::uint64_t step) {
    constexpr std::string_view parameter = "secret=";
    const auto at = uri.find(parameter);
    if (at == std::string_view::npos) return {};
    auto secret = uri.substr(at + parameter.size());
    secret = secret.substr(0, secret.find('&'));
    const auto key = base32_bytes(secret);

    std::array<unsigned char, 8> counter;
    for (std::size_t i = 0; i < 8; ++i) {
        counter[i] = static_cast<unsigned char>(step >> (8 * (7 - i)));
    }
    std::array<unsigned char, crypto_auth_hmacsha256_BYTES> mac;
    crypto_auth_hmacsha256_state state;
    crypto_auth_hmacsha256_init(&state, key.data(), key.size());
    crypto_auth_hmacsha256_update(&state, counter.data(), counter.size());
    crypto_auth_hmacsha256_final(&state, mac.data());

    // RFC 4226, section 5.3.
    const std::size_t offset = mac.back() & 15;
    const unsigned number = (mac[offset] & 0x7fu) << 24 | unsigned{mac[offset + 1]} << 16 |
                            unsigned{mac[offset + 2]} << 8 | mac[offset + 3];
    char digits[7];
    std::snprintf(digits, sizeof digits, "%06u", number % 1'000'000);
    return digits;
}

}  // namespace countersign::simulation
