#pragma once

#include <string>
#include <string_view>

namespace countersign::testing {

/// A new directory, mode 0700, in the system's place for temporary files; removed with what is in
/// it.
class TemporaryDirectory {
  public:
    TemporaryDirectory();
    TemporaryDirectory(const TemporaryDirectory&) = delete;
    TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
    ~TemporaryDirectory();

    const std::string& path() const noexcept { return path_; }
    /// The path of a file in it.
    std::string operator/(std::string_view name) const { return path_ + "/" + std::string(name); }
    /// Writes a file whole and returns its path.
    std::string write(std::string_view name, std::string_view content) const;
    std::string read(std::string_view name) const;

  private:
    std::string path_;
};

}  // namespace countersign::testing
