#pragma once

#include <cstdint>
#include <deque>
#include <istream>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include <countersign/error.h>

namespace tool {

namespace cs = countersign;

/// A user as a file tells it: what has no column is empty.
struct RowFields {
    std::string login;
    std::string display_name;
    std::string email;
    std::string password;
    std::string password_hash;
    std::string totp_uri;
    bool disabled = false;
};

/// Where a row begins, and what it holds or why it cannot be read.
struct Row {
    std::uint64_t line = 0;
    std::variant<RowFields, cs::Error> content;
};

/// Reads users from CSV (RFC 4180, with a header; the separator is a comma, semicolon or tab,
/// whichever the header uses) or JSON Lines. A row that cannot be read ends at its line's end, or,
/// for a quotation mark that is never closed, at the end of the line where it begins: what follows
/// is read on. A row has at most 64 KiB.
class RowReader {
  public:
    enum class Format { csv, json_lines };
    static constexpr std::size_t row_limit = 64 * 1024;

    /// `format` none: by the first character. Reads the header. Errors: errc::malformed (no header,
    /// or no column "login"), errc::io_error.
    static cs::Result<RowReader> open(std::istream& input, std::optional<Format> format);

    /// None: the end. Errors: errc::io_error.
    cs::Result<std::optional<Row>> next();

    /// Columns and members that mean nothing here.
    const std::set<std::string>& ignored() const noexcept { return ignored_; }
    /// Of those given out.
    std::uint64_t bytes() const noexcept { return bytes_; }

  private:
    struct Line {
        std::uint64_t number = 0;
        std::string text;  // without its end
        bool too_long = false;
    };

    explicit RowReader(std::istream& input) : input_(&input) {}
    cs::Result<void> read_header();
    std::optional<Line> next_line();
    Row read_csv(Line first);
    Row read_json(const Line& line);
    bool take(RowFields& fields, const std::string& name, const std::string& value, Row& row);

    std::istream* input_;
    Format format_ = Format::csv;
    char separator_ = ',';
    std::vector<std::string> columns_;
    std::set<std::string> ignored_;
    std::deque<Line> pending_;  // read already, to be read again
    std::uint64_t lines_ = 0;
    std::uint64_t bytes_ = 0;
};

/// `value` as a field of CSV.
std::string csv_field(const std::string& value);

}  // namespace tool
