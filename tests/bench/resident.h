#pragma once

#include <cstdlib>
#include <fstream>
#include <string>

namespace countersign::bench {

/// A figure of /proc/self/status that is in KiB.
inline double status_mib(const std::string& key) {
    std::ifstream file("/proc/self/status");
    for (std::string line; std::getline(file, line);) {
        if (line.starts_with(key + ":")) return std::stod(line.substr(key.size() + 1)) / 1024;
    }
    std::exit(1);
}

inline double resident_mib() {
    return status_mib("VmRSS");
}
inline double peak_resident_mib() {
    return status_mib("VmHWM");
}
/// The peak counts anew from what is resident now.
inline void forget_peak() {
    std::ofstream("/proc/self/clear_refs") << "5";
}

}  // namespace countersign::bench
