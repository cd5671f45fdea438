#include "simulation/trace.h"

#include <chrono>
#include <cstdio>

namespace countersign::simulation {

// FNV-1a, eight bytes at a time where there are eight, with a rotation so that high bits count too.
void Trace::mark(std::uint64_t number) noexcept {
    hash_ = (hash_ ^ number) * 0x100000001b3;
    hash_ = hash_ << 23 | hash_ >> 41;
}

void Trace::mark(std::span<const std::byte> bytes) noexcept {
    std::uint64_t word = 0;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        word = word << 8 | std::to_integer<std::uint64_t>(bytes[i]);
        if (i % 8 == 7) mark(word);
    }
    mark(word);
    mark(bytes.size());
}

void Trace::note(Instant time, std::string_view site, std::string_view what) {
    const auto micros =
        std::chrono::duration_cast<std::chrono::microseconds>(time.time_since_epoch()).count();
    mark(static_cast<std::uint64_t>(micros));
    mark(site);
    mark(what);
    char stamp[32];
    std::snprintf(stamp, sizeof stamp, "%12.6f ", static_cast<double>(micros) / 1e6);
    std::string line = stamp;
    line.append(site).append(site.empty() ? "" : ": ").append(what);
    lines_.push_back(std::move(line));
    if (lines_.size() > lines_kept) lines_.pop_front();
}

}  // namespace countersign::simulation
