// Codes and oathtool, both ways: what it computes from the otpauth URIs of authenticators confirms
// them, by the machine's own clock (the step before counts, so none is missed); what is computed
// here it takes, at times of its own choice.
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <span>
#include <string>
#include <utility>

#include "countersign/store.h"

#include "acceptance/other_command.h"
#include "accounts/totp.h"

using namespace countersign;
using namespace countersign::testing;

namespace {

std::string parameter(const std::string& uri, const std::string& name) {
    const auto at = uri.find(name + "=");
    if (at == std::string::npos) return {};
    const auto begin = at + name.size() + 1;
    return uri.substr(begin, uri.find('&', begin) - begin);
}

int fail(const std::string& what) {
    std::fprintf(stderr, "%s\n", what.c_str());
    return 1;
}

/// Empty: its code was taken.
std::string confirm(Store& store, UserId user, const TotpOptions& options) {
    const auto enrolment = store.users().enrol_totp(user, options);
    if (!enrolment) return enrolment.error().message();
    const std::string uri(enrolment->uri.text());
    const std::string command =
        "oathtool --totp=" + parameter(uri, "algorithm") + " --digits=" + parameter(uri, "digits") +
        " --time-step-size=" + parameter(uri, "period") + "s --base32 " + parameter(uri, "secret");
    const auto confirmed = store.users().confirm_totp(user, enrolment->id, output_of(command));
    if (!confirmed) return command + ": " + confirmed.error().message();
    const auto removed = store.users().remove_totp(user, enrolment->id);
    return removed ? std::string() : removed.error().message();
}

/// Empty: oathtool takes the code of `seconds` after 1970, and not that of the step after.
std::string taken(std::span<const std::byte> secret,
                  const accounts::TotpParameters& parameters,
                  const char* algorithm,
                  std::int64_t seconds) {
    const UnixTime time{std::chrono::seconds(seconds)};
    const auto step = value(*accounts::step_at(time, parameters.period));
    const auto code = [&](std::uint64_t counter) {
        return accounts::hotp(secret, counter, parameters.digits, parameters.algorithm);
    };
    const std::string command = std::string("oathtool --totp=") + algorithm +
                                " --digits=" + std::to_string(parameters.digits) +
                                " --time-step-size=" + std::to_string(parameters.period.count()) +
                                "s --now='@" + std::to_string(seconds) + "' " + to_hex(secret);
    if (output_of(command) != code(step)) return command + ": another code than " + code(step);
    if (output_of(command + " " + code(step)) != "0") return command + " refuses " + code(step);
    if (code(step + 1) != code(step) &&
        !output_of(command + " " + code(step + 1) + " 2>/dev/null").empty()) {
        return command + " takes the code of another step";
    }
    return {};
}

int check_ours() {
    using records::TotpAlgorithm;
    int number = 0;
    for (const auto& [algorithm, name] : {std::pair(TotpAlgorithm::sha1, "SHA1"),
                                          std::pair(TotpAlgorithm::sha256, "SHA256"),
                                          std::pair(TotpAlgorithm::sha512, "SHA512")}) {
        for (const unsigned digits : {6u, 7u, 8u}) {
            for (const std::size_t size : {10u, 20u, 32u, 64u}) {
                Bytes secret;
                for (std::size_t i = 0; i < size; ++i) {
                    secret.push_back(static_cast<std::byte>(7 * i + digits));
                }
                for (const std::int64_t seconds :
                     {std::int64_t{59}, std::int64_t{20'000'000'000}}) {
                    const accounts::TotpParameters parameters{
                        .algorithm = algorithm,
                        .digits = digits,
                        .period = std::chrono::seconds(size == 20 ? 60 : 30)};
                    const auto why = taken(secret, parameters, name, seconds);
                    if (!why.empty()) return fail(why);
                    ++number;
                }
            }
        }
    }
    std::printf("oathtool took %d codes that were computed here\n", number);
    return 0;
}

int run(const std::string& directory) {
    Options options;
    options.directory = directory + "/store";
    options.node_name = "hq";
    const std::string key = directory + "/key";
    if (auto made = make_key_file(key, *system_environment()); !made) {
        return fail(made.error().message());
    }
    options.key_provider = key_file(key);
    auto store = Store::create(options);
    if (!store) return fail(store.error().message());
    const auto user = store->users().create({.login = "alice"});
    if (!user) return fail(user.error().message());
    int number = 0;
    for (const auto hash : {TotpHash::sha1, TotpHash::sha256, TotpHash::sha512}) {
        for (const std::uint8_t digits : {6, 7, 8}) {
            for (const std::uint16_t period : {30, 60}) {
                const auto why =
                    confirm(*store, *user, {.hash = hash, .digits = digits, .period = period});
                if (!why.empty()) return fail(why);
                ++number;
            }
        }
    }
    std::printf("oathtool's codes of %d authenticators were taken\n", number);
    return 0;
}

}  // namespace

int main() {
    if (output_of("command -v oathtool").empty()) {
        std::printf("skipped: no oathtool here\n");
        return skipped;
    }
    std::string directory =
        (std::filesystem::temp_directory_path() / "countersign-XXXXXX").string();
    if (!::mkdtemp(directory.data())) return fail("no temporary directory");
    int status = run(directory);
    if (status == 0) status = check_ours();
    std::error_code ignored;
    std::filesystem::remove_all(directory, ignored);
    return status;
}
