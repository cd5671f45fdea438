#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "countersign/error.h"
#include "countersign/secret.h"

/// Passwords that attackers try first.
namespace countersign::accounts {

/// In bytes. A list of a million passwords has about ten.
constexpr std::size_t max_blocklist_size = 64 * 1024 * 1024;

/// The built-in list, and the lines of one file. A password is on it when the whole of it is, case
/// folded; a part of it counts for nothing (NIST SP 800-63B-4 section 3.1.1.2).
class Blocklist {
  public:
    /// The built-in list alone.
    Blocklist() = default;
    /// The built-in list and `text`: one password a line, in UTF-8, lines ended by LF or CRLF.
    /// Empty lines and those that begin with `#!comment:` are passed over. Memory: the text's size
    /// and 8 bytes a line. Errors: errc::too_large above `max_blocklist_size`;
    /// errc::invalid_argument when a line is nothing that could be a password, with its number and
    /// why.
    static Result<Blocklist> load(std::string_view text);

    /// `password` must be in its normal form. Binary search in both lists.
    bool contains(const Secret& password) const;
    /// How many different passwords the file added.
    std::size_t loaded() const noexcept { return entries_.size(); }

  private:
    struct Entry {
        std::uint32_t begin;
        std::uint32_t size;
    };
    std::string_view text_of(Entry entry) const noexcept {
        return {text_.data() + entry.begin, entry.size};
    }
    void add(std::string_view folded);
    void sort();

    std::vector<char> text_;
    std::vector<Entry> entries_;  ///< sorted by their text, each once
};

/// Case folded, in NFC: texts that differ only in case are the same after it.
Secret fold(std::string_view utf8);

}  // namespace countersign::accounts
