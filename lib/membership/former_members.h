#pragma once

#include <string>
#include <vector>

#include "countersign/error.h"

#include "membership/members.h"
#include "sqlite/database.h"
#include "sqlite/prepare.h"

namespace countersign::membership {

/// A node that this one has known as a member and that was removed: it is still told so.
struct FormerMember {
    NodeId id;
    sealing::PublicKey channel_key{};
    std::string name;
    LogSeq removed_at{};  ///< the batch that removed it, or a later one where a copy skipped that
};

/// The table `former_member`, as `user_version` 1 of the file has it.
extern const char* const former_members_schema_sql;

class FormerMembers {
  public:
    static Result<FormerMembers> prepare(sqlite::Database& database);

    Result<std::vector<FormerMember>> all();
    /// The last batch that removed anybody; 0: none has.
    Result<LogSeq> newest();
    /// Notes who is in `before` and no longer in `after`, within the caller's transaction; whether
    /// there was anybody.
    Result<bool> note(const std::vector<Member>& before,
                      const std::vector<Member>& after,
                      LogSeq seq);

  private:
    enum class Query { all, newest, put, count };
    explicit FormerMembers(sqlite::Statements<Query> statements)
        : statements_(std::move(statements)) {}
    sqlite::Statements<Query> statements_;
};

}  // namespace countersign::membership
