#include "rows.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace tool {
namespace {

constexpr const char* known[] = {
    "login", "display_name", "email", "password", "password_hash", "totp_uri", "disabled"};

std::string* member(RowFields& fields, const std::string& name) {
    if (name == "login") return &fields.login;
    if (name == "display_name") return &fields.display_name;
    if (name == "email") return &fields.email;
    if (name == "password") return &fields.password;
    if (name == "password_hash") return &fields.password_hash;
    if (name == "totp_uri") return &fields.totp_uri;
    return nullptr;
}

std::optional<bool> to_bool(std::string text) {
    std::ranges::transform(
        text, text.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c; });
    if (text.empty() || text == "false" || text == "no" || text == "0") return false;
    if (text == "true" || text == "yes" || text == "1") return true;
    return std::nullopt;
}

/// What is wrong with a record, or that it goes on in the next line.
enum class Record { whole, open, after_quote };

/// Splits `text` as RFC 4180 section 2 says. A quotation mark inside of a field that does not begin
/// with one stands for itself.
Record split(std::string_view text, char separator, std::vector<std::string>& fields) {
    fields.assign(1, {});
    bool quoted = false;
    bool closed = false;  // the field was quoted, and its second mark has been seen
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        auto& field = fields.back();
        if (quoted) {
            if (c != '"') {
                field += c;
            } else if (i + 1 < text.size() && text[i + 1] == '"') {
                field += text[++i];
            } else {
                quoted = false;
                closed = true;
            }
        } else if (c == separator) {
            fields.emplace_back();
            closed = false;
        } else if (closed) {
            return Record::after_quote;
        } else if (c == '"' && field.empty()) {
            quoted = true;
        } else {
            field += c;
        }
    }
    return quoted ? Record::open : Record::whole;
}

std::string trimmed(std::string text) {
    const auto first = text.find_first_not_of(" \t");
    if (first == std::string::npos) return {};
    return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

cs::Error malformed(std::string detail) {
    return {cs::errc::malformed, std::move(detail)};
}

}  // namespace

cs::Result<RowReader> RowReader::open(std::istream& input, std::optional<Format> format) {
    RowReader reader(input);
    if (!input) return cs::Error(cs::errc::io_error, "the file cannot be read");
    auto first = reader.next_line();
    while (first && trimmed(first->text).empty() && !first->too_long) first = reader.next_line();
    if (!first) return malformed("the file is empty");
    if (first->text.starts_with("\xef\xbb\xbf")) first->text.erase(0, 3);
    const bool brace = trimmed(first->text).starts_with('{');
    reader.format_ = format.value_or(brace ? Format::json_lines : Format::csv);
    reader.pending_.push_front(std::move(*first));
    if (reader.format_ == Format::csv) {
        if (auto read = reader.read_header(); !read) return read.error();
    }
    return reader;
}

cs::Result<void> RowReader::read_header() {
    const auto line = next_line();
    const auto count = [&](char c) { return std::ranges::count(line->text, c); };
    for (const char each : {';', '\t'}) {
        if (count(each) > count(separator_)) separator_ = each;
    }
    if (line->too_long || split(line->text, separator_, columns_) != Record::whole) {
        return malformed("line " + std::to_string(line->number) + " is not a header");
    }
    for (auto& name : columns_) {
        name = trimmed(name);
        if (std::ranges::count(columns_, name) > 1) {
            return malformed("the header names the column " + name + " twice");
        }
        if (std::ranges::find(known, name) == std::end(known)) ignored_.insert(name);
    }
    if (std::ranges::find(columns_, "login") != columns_.end()) return {};
    return malformed(
        "the header has no column 'login'; the columns are login, display_name, email, password "
        "or password_hash, totp_uri and disabled, in any order");
}

std::optional<RowReader::Line> RowReader::next_line() {
    if (!pending_.empty()) {
        Line line = std::move(pending_.front());
        pending_.pop_front();
        return line;
    }
    Line line;
    bool any = false;
    for (int c = input_->get(); c != std::istream::traits_type::eof(); c = input_->get()) {
        any = true;
        ++bytes_;
        if (c == '\n') break;
        if (line.text.size() < row_limit) {
            line.text += static_cast<char>(c);
        } else {
            line.too_long = true;
        }
    }
    if (!any) return std::nullopt;
    if (line.text.ends_with('\r')) line.text.pop_back();
    line.number = ++lines_;
    return line;
}

cs::Result<std::optional<Row>> RowReader::next() {
    auto line = next_line();
    while (line && trimmed(line->text).empty() && !line->too_long) line = next_line();
    if (input_->bad()) return cs::Error(cs::errc::io_error, "the file cannot be read to its end");
    if (!line) return std::optional<Row>();
    if (line->too_long) {
        const cs::Error error(cs::errc::too_large, "the line is longer than 64 KiB");
        return std::optional(Row{.line = line->number, .content = error});
    }
    return std::optional(format_ == Format::csv ? read_csv(std::move(*line)) : read_json(*line));
}

Row RowReader::read_csv(Line first) {
    Row row{.line = first.number, .content = RowFields{}};
    std::vector<std::string> values;
    std::string text = first.text;
    std::deque<Line> more;
    auto record = split(text, separator_, values);
    while (record == Record::open && text.size() <= row_limit) {
        auto line = next_line();
        if (!line) break;
        const bool too_long = line->too_long;
        text += "\n" + line->text;
        more.push_back(std::move(*line));
        if (too_long) break;
        record = split(text, separator_, values);
    }
    if (record == Record::open) {
        pending_.insert(pending_.begin(), more.begin(), more.end());
        row.content = malformed("a quotation mark opens a field and none closes it");
        return row;
    }
    if (record == Record::after_quote) {
        row.content = malformed(
            "a quoted field goes on behind its closing quotation mark; inside, a "
            "quotation mark is written twice");
        return row;
    }
    if (values.size() != columns_.size()) {
        row.content = malformed(std::to_string(values.size()) + " fields, but the header names " +
                                std::to_string(columns_.size()));
        return row;
    }
    RowFields fields;
    for (std::size_t i = 0; i < values.size(); ++i) {
        if (!take(fields, columns_[i], values[i], row)) return row;
    }
    row.content = std::move(fields);
    return row;
}

Row RowReader::read_json(const Line& line) {
    Row row{.line = line.number, .content = RowFields{}};
    const auto object = nlohmann::json::parse(line.text, nullptr, false);
    if (!object.is_object()) {
        row.content = malformed("the line is not one JSON object");
        return row;
    }
    RowFields fields;
    for (const auto& [name, value] : object.items()) {
        if (std::ranges::find(known, name) == std::end(known)) {
            ignored_.insert(name);
        } else if (value.is_null()) {
            continue;
        } else if (name == "disabled" && value.is_boolean()) {
            fields.disabled = value.get<bool>();
        } else if (!value.is_string()) {
            row.content = malformed("'" + name + "' is not a string");
            return row;
        } else if (!take(fields, name, value.get<std::string>(), row)) {
            return row;
        }
    }
    row.content = std::move(fields);
    return row;
}

bool RowReader::take(RowFields& fields,
                     const std::string& name,
                     const std::string& value,
                     Row& row) {
    if (auto* place = member(fields, name)) {
        *place = value;
    } else if (name == "disabled") {
        const auto disabled = to_bool(value);
        if (!disabled) row.content = malformed("'disabled' is neither true nor false");
        fields.disabled = disabled.value_or(false);
        return disabled.has_value();
    }
    return true;
}

std::string csv_field(const std::string& value) {
    if (value.find_first_of(",;\t\"\r\n") == std::string::npos) return value;
    std::string field = "\"";
    for (const char c : value) {
        field += c;
        if (c == '"') field += c;
    }
    return field + "\"";
}

}  // namespace tool
