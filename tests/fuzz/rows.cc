// Users in CSV and JSON Lines, as the tool imports them (rows.h).
#include "tool/rows.h"

#include <sstream>

#include "fuzz/fuzz.h"

namespace countersign::fuzz {
namespace {

using tool::RowFields;
using tool::RowReader;

std::string as_csv(const RowFields& fields) {
    std::string line;
    for (const auto* each : {&fields.display_name,
                             &fields.email,
                             &fields.login,
                             &fields.password,
                             &fields.password_hash,
                             &fields.totp_uri}) {
        line += tool::csv_field(*each) + ",";
    }
    return line + (fields.disabled ? "true" : "false") + "\n";
}

bool same(const RowFields& one, const RowFields& other) {
    return one.login == other.login && one.display_name == other.display_name &&
           one.email == other.email && one.password == other.password &&
           one.password_hash == other.password_hash && one.totp_uri == other.totp_uri &&
           one.disabled == other.disabled;
}

/// A row that is written as CSV is read as it was.
void check_written(const RowFields& fields) {
    const auto line = as_csv(fields);
    if (line.size() > RowReader::row_limit) return;
    // The end of a line counts as one character, however it is spelled.
    if (line.find('\r') != std::string::npos) return;
    std::istringstream again("display_name,email,login,password,password_hash,totp_uri,disabled\n" +
                             line);
    auto reader = RowReader::open(again, RowReader::Format::csv);
    require(reader.has_value(), "a header is read");
    const auto row = reader->next();
    require(row && *row, "a row that was written is read");
    const auto* content = std::get_if<RowFields>(&(*row)->content);
    require(content != nullptr && same(*content, fields), "and says the same");
    const auto end = reader->next();
    require(end && !*end, "and is one row");
}

void run(BytesView input) {
    Input from(input);
    const auto choice = from.number<std::uint8_t>() % 3u;
    std::istringstream stream{std::string(text_of(from.rest()))};
    std::optional<RowReader::Format> format;
    if (choice == 1) format = RowReader::Format::csv;
    if (choice == 2) format = RowReader::Format::json_lines;
    auto reader = RowReader::open(stream, format);
    if (!reader) return require_documented(reader.error(), {errc::malformed});
    std::uint64_t last = 0;
    for (;;) {
        const auto row = reader->next();
        require(row.has_value(), "a text in memory can be read to its end");
        if (!*row) break;
        require((*row)->line > last, "rows come in the order of their lines");
        last = (*row)->line;
        if (const auto* error = std::get_if<Error>(&(*row)->content)) {
            require_documented(*error, {errc::malformed, errc::too_large});
        } else {
            check_written(std::get<RowFields>((*row)->content));
        }
    }
    require(reader->bytes() <= from.rest().size(), "what was given out was there");
}

std::vector<Bytes> seeds() {
    return texts(0,
                 {"login,display_name,email,password,totp_uri,disabled\n"
                  "alice,\"Alice \"\"A\"\", B\",a@b.org,secret,,no\nbob,,,,,yes\n",
                  "\xef\xbb\xbflogin;email\r\nalice;a@b.org\r\n",
                  "login\temail\nalice\t\"two\nlines\"\nbob\t\"open\ncarol\tx\n",
                  "login,email\nalice,\"a\"b\n,,\n\nx\n",
                  "{\"login\":\"alice\",\"password\":\"x\",\"disabled\":true,\"more\":[1]}\n"
                  "{\"login\":null}\n{\"login\":1}\nnone\n",
                  "{\"login\":\"\\u00e9\\ud83d\\ude00\",\"disabled\":\"yes\"}"});
}

const Target target("row", run, seeds);

}  // namespace
}  // namespace countersign::fuzz
