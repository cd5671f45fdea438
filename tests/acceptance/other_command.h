#pragma once

#include <cstdio>
#include <string>

namespace countersign::testing {

/// The exit status by which a test says that it was skipped.
constexpr int skipped = 77;

/// What the command prints, without line ends; empty when it fails.
inline std::string output_of(const std::string& command) {
    std::string output;
    FILE* pipe = ::popen(command.c_str(), "r");
    if (!pipe) return output;
    for (int c = std::fgetc(pipe); c != EOF; c = std::fgetc(pipe)) {
        if (c != '\n') output += static_cast<char>(c);
    }
    return ::pclose(pipe) == 0 ? output : std::string();
}

}  // namespace countersign::testing
