#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace tool {

bool is_terminal(int file);

/// A bar on standard error that grows in place; nothing where that is no terminal.
class ProgressBar {
  public:
    explicit ProgressBar(std::string what);
    ~ProgressBar();
    ProgressBar(const ProgressBar&) = delete;
    ProgressBar& operator=(const ProgressBar&) = delete;

    /// `done` of `whole`, which is 0 where nobody knows it; `counted` is shown as it is.
    void show(std::uint64_t done, std::uint64_t whole, const std::string& counted);

  private:
    std::string what_;
    bool visible_;
    bool drawn_ = false;
    std::chrono::steady_clock::time_point started_;
    std::chrono::steady_clock::time_point last_;
};

}  // namespace tool
