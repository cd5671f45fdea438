#pragma once

#include <cstddef>
#include <functional>
#include <set>

#include "countersign/error.h"
#include "countersign/ids.h"
#include "countersign/time.h"

#include "attempts/tables.h"
#include "attempts/unknown_names.h"

namespace countersign::attempts {

/// Which rows of this directory are about unknown names, and which of them must make room. It
/// learns from what was committed, by this process or another one on the directory, and never from
/// what a transaction that might roll back has written. Not thread-safe: used under the directory's
/// write lock.
class UnknownRows {
  public:
    /// `is_unknown` is true for a pseudo-id: see is_pseudo_user_id.
    explicit UnknownRows(std::function<bool(const UserId&)> is_unknown,
                         std::size_t limit = UnknownNames::max_names);

    /// Reads the author's rows that are new since the last call; all of them at the first call and
    /// for another incarnation (100,000 rows in about 0.4 s). To be called at the
    /// beginning of a transaction, before it has written a row. Returns true when more names than
    /// fit failed within an hour: to be told by an event. Errors: those of Tables.
    Result<bool> catch_up(Tables& tables, const Author& author, Instant now);

    /// Those whose failures must be let go. They stay here until a later catch_up has seen that
    /// done, or has_left says so.
    const std::set<CredentialId>& leaving() const noexcept { return leaving_; }
    /// On disk, one that was leaving has no failures any more, or no row.
    void has_left(const CredentialId& credential) { leaving_.erase(credential); }

    /// Names with failures, without those that are leaving.
    std::size_t size() const noexcept { return names_.size(); }

  private:
    std::function<bool(const UserId&)> is_unknown_;
    std::size_t limit_;
    Author author_;
    RowSeq seen_{};
    UnknownNames names_;
    std::set<CredentialId> leaving_;
};

}  // namespace countersign::attempts
