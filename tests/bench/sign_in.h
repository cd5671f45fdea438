#pragma once

#include <cstdint>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include <sodium.h>

#include "bench/bench.h"

namespace countersign::bench {

/// One attempt, which must end with `expected`.
inline void sign_in(Store& store,
                    const std::string& login,
                    const char* typed = password,
                    Verdict expected = Verdict::accepted,
                    std::string code = {}) {
    SignIn attempt;
    attempt.login = login;
    attempt.password = Secret(typed);
    attempt.code = std::move(code);
    attempt.patience = std::chrono::minutes{10};
    const auto result = require(store.authenticate(std::move(attempt)));
    if (result.verdict == expected) return;
    std::fprintf(stderr, "%s: %s\n", login.c_str(), name(result.verdict));
    std::exit(1);
}

/// Verifications a second by bare libsodium at this cost, on `threads` threads.
inline double bare_rate(std::uint32_t memory_kib,
                        std::uint32_t passes,
                        unsigned threads,
                        int each) {
    char hash[crypto_pwhash_STRBYTES];
    const std::size_t size = std::char_traits<char>::length(password);
    if (crypto_pwhash_str(hash, password, size, passes, std::size_t{memory_kib} << 10) != 0)
        std::exit(1);
    const double time = seconds([&] {
        std::vector<std::jthread> running;
        for (unsigned i = 0; i < threads; ++i) {
            running.emplace_back([&] {
                for (int n = 0; n < each; ++n) {
                    if (crypto_pwhash_str_verify(hash, password, size) != 0) std::exit(1);
                }
            });
        }
    });
    return threads * each / time;
}

}  // namespace countersign::bench
