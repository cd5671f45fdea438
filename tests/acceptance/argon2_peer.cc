// The `argon2` command makes the strings that are made here, byte for byte, and those that it alone
// makes (several lanes, other sizes) verify here.
#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "acceptance/other_command.h"
#include "sealing/argon2.h"

using namespace countersign;
using namespace countersign::testing;
using sealing::Argon2Cost;

namespace {

/// What the command makes of it. The password and salt hold nothing that a shell would change.
std::string theirs(const std::string& password,
                   const std::string& salt,
                   Argon2Cost cost,
                   int lanes = 1,
                   int size = 32) {
    return output_of("printf %s '" + password + "' | argon2 '" + salt + "' -id -e -v 13 -t " +
                     std::to_string(cost.passes) + " -k " + std::to_string(cost.memory_kib) +
                     " -p " + std::to_string(lanes) + " -l " + std::to_string(size));
}

int failures = 0;

void expect(bool holds, const std::string& what) {
    if (holds) return;
    std::fprintf(stderr, "does not hold: %s\n", what.c_str());
    ++failures;
}

void verifies(const std::string& string, const std::string& password) {
    const auto right = sealing::verify_password(string, Secret(password));
    expect(right && *right, string + " is of " + password);
    const auto wrong = sealing::verify_password(string, Secret(password + "x"));
    expect(wrong && !*wrong, string + " is of nothing else");
}

}  // namespace

int main() {
    if (output_of("command -v argon2").empty()) {
        std::printf("skipped: no argon2 here\n");
        return skipped;
    }
    int strings = 0;
    for (const std::string password : {"correct horse", "p\xc3\xa4ssw\xc3\xb6rd", "x"}) {
        for (const auto cost : {Argon2Cost{8, 1}, {64, 3}, {1024, 2}, {9216, 4}, Argon2Cost{}}) {
            const std::string salt = "0123456789abcdef";
            std::array<std::byte, sealing::argon2_salt_size> bytes;
            for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = std::byte(salt[i]);
            const auto ours = sealing::hash_password(Secret(password), cost, bytes);
            expect(ours && *ours == theirs(password, salt, cost), "both make one string");
            if (ours) verifies(*ours, password);
            ++strings;
        }
        for (const int lanes : {2, 4, 8}) {
            verifies(theirs(password, "another salt", {256, 2}, lanes), password);
            verifies(theirs(password, "saltsalt", {64, 1}, lanes, 16 * lanes / 2), password);
            strings += 2;
        }
    }
    std::printf("%d strings, %d failures\n", strings, failures);
    return failures == 0 ? 0 : 1;
}
