#include "membership/former_members.h"

#include <utility>

#include "sqlite/read.h"

namespace countersign::membership {

const char* const former_members_schema_sql = R"sql(
CREATE TABLE former_member (
    node BLOB PRIMARY KEY,
    channel_key BLOB NOT NULL,
    name TEXT NOT NULL,
    removed_at INTEGER NOT NULL
) STRICT;
)sql";

Result<FormerMembers> FormerMembers::prepare(sqlite::Database& database) {
    auto statements = sqlite::Statements<Query>::prepare(
        database,
        {{{Query::all,
           "SELECT node, channel_key, name, removed_at FROM former_member ORDER BY node"},
          {Query::newest, "SELECT coalesce(max(removed_at), 0) FROM former_member"},
          {Query::put, "INSERT OR REPLACE INTO former_member VALUES (?, ?, ?, ?)"}}});
    if (!statements) return statements.error();
    return FormerMembers(std::move(*statements));
}

Result<std::vector<FormerMember>> FormerMembers::all() {
    using ChannelKey = Id<struct FormerKeyTag, 32>;
    std::vector<FormerMember> members;
    const auto read = sqlite::each_row(
        statements_[Query::all].query(), [&](const sqlite::Rows& rows) -> Result<bool> {
            auto row = sqlite::columns<NodeId, ChannelKey, std::string, LogSeq>(rows);
            if (!row) return row.error();
            auto& [id, key, name, removed_at] = *row;
            members.push_back({.id = id,
                               .channel_key = key.bytes,
                               .name = std::move(name),
                               .removed_at = removed_at});
            return true;
        });
    if (!read) return read.error();
    return members;
}

Result<LogSeq> FormerMembers::newest() {
    const auto newest = sqlite::one_row(
        statements_[Query::newest].query(),
        [](const sqlite::Rows& rows) -> Result<LogSeq> { return rows.as<LogSeq>(0); });
    if (!newest) return newest.error();
    return newest->value_or(LogSeq{0});
}

Result<bool> FormerMembers::note(const std::vector<Member>& before,
                                 const std::vector<Member>& after,
                                 LogSeq seq) {
    bool noted = false;
    for (const auto& member : before) {
        if (find(after, member.id)) continue;
        auto done =
            statements_[Query::put].run(member.id, BytesView(member.channel_key), member.name, seq);
        if (!done) return done.error();
        noted = true;
    }
    return noted;
}

}  // namespace countersign::membership
