#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>

#include "countersign/time.h"

namespace countersign::simulation {

/// All that happens in a simulation, as one number: two runs with the same one went the same way.
/// The newest lines are kept for whoever has to understand a failure.
class Trace {
  public:
    static constexpr std::size_t lines_kept = 400;

    /// `site`: whose doing it is; empty: the world's.
    void note(Instant time, std::string_view site, std::string_view what);
    /// As part of what is noted next; nothing is kept of it but its mark.
    void mark(std::uint64_t number) noexcept;
    void mark(std::span<const std::byte> bytes) noexcept;
    void mark(std::string_view text) noexcept { mark(std::as_bytes(std::span(text))); }

    std::uint64_t hash() const noexcept { return hash_; }
    const std::deque<std::string>& lines() const noexcept { return lines_; }

  private:
    std::uint64_t hash_ = 0xcbf29ce484222325;
    std::deque<std::string> lines_;
};

}  // namespace countersign::simulation
