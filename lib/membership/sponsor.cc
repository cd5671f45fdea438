#include "membership/sponsor.h"

#include <cstdint>
#include <ranges>
#include <string_view>
#include <utility>

#include "sqlite/read.h"
#include "sqlite/statement.h"

namespace countersign::membership {

const char* const sponsor_schema_sql = R"sql(
CREATE TABLE sponsor (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    channel_key BLOB NOT NULL,
    addresses TEXT NOT NULL,
    has_admitted INTEGER NOT NULL
) STRICT;
)sql";

namespace {

using ChannelKey = Id<struct SponsorKeyTag, 32>;

// An address holds no line break (is_address).
std::string to_lines(const std::vector<std::string>& addresses) {
    std::string lines;
    for (const auto& address : addresses) lines += address + '\n';
    return lines;
}

std::vector<std::string> from_lines(std::string_view lines) {
    std::vector<std::string> addresses;
    for (const auto line : std::views::split(lines, '\n')) {
        if (!line.empty()) addresses.emplace_back(line.begin(), line.end());
    }
    return addresses;
}

}  // namespace

Result<std::optional<Sponsor>> read_sponsor(sqlite::Database& database) {
    auto read = database.prepare("SELECT channel_key, addresses, has_admitted FROM sponsor");
    if (!read) return read.error();
    return sqlite::one_row(read->query(), [](const sqlite::Rows& rows) -> Result<Sponsor> {
        auto row = sqlite::columns<ChannelKey, std::string, std::int64_t>(rows);
        if (!row) return row.error();
        auto& [key, addresses, has_admitted] = *row;
        return Sponsor{.channel_key = key.bytes,
                       .addresses = from_lines(addresses),
                       .has_admitted = has_admitted != 0};
    });
}

Result<void> write_sponsor(sqlite::Database& database, const Sponsor& sponsor) {
    auto write = database.prepare(
        "INSERT OR REPLACE INTO sponsor (one, channel_key, addresses, has_admitted)"
        " VALUES (1, ?, ?, ?)");
    if (!write) return write.error();
    return write->run(BytesView(sponsor.channel_key),
                      to_lines(sponsor.addresses),
                      std::int64_t{sponsor.has_admitted});
}

}  // namespace countersign::membership
