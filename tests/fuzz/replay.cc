// fuzz_replay TARGET FILE_OR_DIRECTORY...: gives each file to the target.
// fuzz_replay --all DIRECTORY: gives each target the files of its folder there, and its seeds.
// fuzz_replay --seeds DIRECTORY: writes each target's seeds into its folder there.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>

#include "fuzz/fuzz.h"
#include "sealing/hash.h"

namespace {

using namespace countersign;
namespace files = std::filesystem;

Bytes content_of(const files::path& path) {
    std::ifstream file(path, std::ios::binary);
    const std::string text(std::istreambuf_iterator<char>(file), {});
    return {fuzz::view_of(text).begin(), fuzz::view_of(text).end()};
}

std::vector<files::path> files_in(const files::path& place) {
    if (!files::is_directory(place)) return {place};
    std::vector<files::path> all;
    for (const auto& entry : files::directory_iterator(place)) {
        if (entry.is_regular_file()) all.push_back(entry.path());
    }
    std::ranges::sort(all);
    return all;
}

/// How many files it gave. Each is named first: the last name is that of the one that failed.
std::size_t replay(const fuzz::Target& target, const files::path& place) {
    const auto all = files_in(place);
    for (const auto& file : all) {
        std::cout << target.name << " " << file.filename().string() << std::endl;
        target.run(content_of(file));
    }
    return all.size();
}

int replay_all(const files::path& corpora) {
    std::size_t inputs = 0;
    for (const auto* target : fuzz::targets()) {
        const auto place = corpora / target->name;
        if (!files::is_directory(place)) {
            std::cerr << "no corpus of " << target->name << "\n";
            return 1;
        }
        std::cout << target->name << " seeds" << std::endl;
        const auto seeds = target->seeds();
        for (const auto& seed : seeds) target->run(seed);
        inputs += seeds.size() + replay(*target, place);
    }
    std::cout << inputs << " inputs of " << fuzz::targets().size() << " targets\n";
    return 0;
}

int write_seeds(const files::path& place) {
    for (const auto* target : fuzz::targets()) {
        const auto folder = place / target->name;
        files::create_directories(folder);
        for (const auto& seed : target->seeds()) {
            const auto name = to_hex(sealing::hash256(seed).bytes).substr(0, 40);
            std::ofstream file(folder / name, std::ios::binary);
            file.write(reinterpret_cast<const char*>(seed.data()),
                       static_cast<std::streamsize>(seed.size()));
            if (!file.flush()) {
                std::cerr << "cannot write " << folder / name << "\n";
                return 1;
            }
        }
    }
    return 0;
}

}  // namespace

int main(int count, char** arguments) {
    const std::vector<std::string> given(arguments + 1, arguments + count);
    if (given.size() == 2 && given[0] == "--all") return replay_all(given[1]);
    if (given.size() == 2 && given[0] == "--seeds") return write_seeds(given[1]);
    const auto* target = given.empty() ? nullptr : fuzz::find_target(given[0]);
    if (target == nullptr || given.size() < 2) {
        std::cerr << "usage: fuzz_replay TARGET FILE_OR_DIRECTORY...\n"
                     "       fuzz_replay --all|--seeds DIRECTORY\ntargets:";
        for (const auto* each : fuzz::targets()) std::cerr << " " << each->name;
        std::cerr << "\n";
        return 2;
    }
    std::size_t inputs = 0;
    for (auto place = given.begin() + 1; place != given.end(); ++place) {
        if (!files::exists(*place)) {
            std::cerr << "there is no " << *place << "\n";
            return 2;
        }
        inputs += replay(*target, *place);
    }
    std::cout << inputs << " inputs\n";
    return 0;
}
