// Confirms authenticators with codes that oathtool computes from their otpauth URIs, through the
// public headers alone, by the machine's own clock: the step before counts, so none is missed.
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "countersign/store.h"

using namespace countersign;

namespace {

constexpr int skipped = 77;

std::string output_of(const std::string& command) {
    std::string output;
    FILE* pipe = ::popen(command.c_str(), "r");
    if (!pipe) return output;
    for (int c = std::fgetc(pipe); c != EOF; c = std::fgetc(pipe)) {
        if (c != '\n') output += static_cast<char>(c);
    }
    return ::pclose(pipe) == 0 ? output : std::string();
}

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
    const int status = run(directory);
    std::error_code ignored;
    std::filesystem::remove_all(directory, ignored);
    return status;
}
