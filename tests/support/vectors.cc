#include "support/vectors.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <stdexcept>

#include <doctest/doctest.h>

#include "countersign/ids.h"

namespace countersign::testing {
namespace {

/// JSON can hold half of a surrogate pair, UTF-8 and the parser cannot: a string of nothing else
/// becomes the escape's own six characters, such as `\ud8ff`.
nlohmann::json parse(const std::filesystem::path& path) {
    static const std::regex lone(R"re("\\(u[dD][89a-fA-F][0-9a-fA-F]{2})")re");
    std::ifstream stream(path);
    const std::string text(std::istreambuf_iterator<char>(stream), {});
    return nlohmann::json::parse(std::regex_replace(text, lone, R"re("\\$1")re"));
}

/// Null: there are no vectors.
const char* root_of_vectors() {
    const char* root = std::getenv("COUNTERSIGN_VECTORS");
    return root == nullptr || *root == '\0' ? nullptr : root;
}

std::set<std::string>& asked_for() {
    static std::set<std::string> names;
    return names;
}

}  // namespace

std::vector<VectorFile> vectors(std::string_view subfolder, std::string_view prefix) {
    const char* root = root_of_vectors();
    if (root == nullptr) {
        // One line for each test case that goes without: support/count.py counts them.
        const auto* test = doctest::getContextOptions()->currentTest;
        std::printf("skipped: %s (no vectors of %.*s: COUNTERSIGN_VECTORS is not set)\n",
                    test == nullptr ? "outside of a test" : test->m_name,
                    static_cast<int>(subfolder.size()),
                    subfolder.data());
        return {};
    }
    std::vector<VectorFile> files;
    for (const auto& entry :
         std::filesystem::directory_iterator(std::filesystem::path(root) / subfolder)) {
        const std::string name = entry.path().filename().string();
        if (!name.starts_with(prefix) || entry.path().extension() != ".json") continue;
        files.push_back({std::string(subfolder) + "/" + name, parse(entry.path())});
        asked_for().insert(files.back().name);
    }
    std::ranges::sort(files, {}, &VectorFile::name);
    if (files.empty()) throw std::runtime_error("no vectors in " + std::string(subfolder));
    return files;
}

std::vector<std::string> vectors_not_asked_for() {
    const char* root = root_of_vectors();
    if (root == nullptr) return {};
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
        if (entry.path().extension() != ".json") continue;
        auto name = entry.path().lexically_relative(root).string();
        if (!asked_for().contains(name)) names.insert(std::move(name));
    }
    return {names.begin(), names.end()};
}

std::vector<std::byte> unhex(std::string_view hex) {
    auto bytes = from_hex(hex);
    if (!bytes) throw std::invalid_argument("not hexadecimal: " + std::string(hex));
    return *bytes;
}

std::vector<std::byte> bytes_of(std::string_view text) {
    const auto* first = reinterpret_cast<const std::byte*>(text.data());
    return {first, first + text.size()};
}

}  // namespace countersign::testing
