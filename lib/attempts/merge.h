#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "countersign/ids.h"
#include "countersign/time.h"

#include "attempts/tally.h"

namespace countersign::attempts {

/// Whose word counts, as memberships and grants say. The whole row is given, because some answers
/// depend on when it was written: rows of a removed node count up to the `row_seq` that the
/// removing batch names, and a node that held the realm at a row's `head` keeps what it said then.
class WhoseWord {
  public:
    virtual ~WhoseWord() = default;
    /// True when the author holds the user's realm, or held it when it wrote the row.
    virtual bool failures_count(const TallyRow& row) const = 0;
    /// True when the author holds the user's realm or has `administer`.
    virtual bool clears_count(const TallyRow& row) const = 0;
};

/// The newest known row of every incarnation of every node, for one credential. What it holds
/// depends only on which rows were merged, not on their order nor on how often each came.
class TallySet {
  public:
    struct Entry {
        TallyRow row;
        /// When this node, by its own clock, learned of the row's newest failure.
        Instant failed_at{};
    };

    explicit TallySet(const CredentialId& credential) : credential_(credential) {}

    /// Takes a row of this credential, received at `now`. False, and nothing changes, when it is
    /// known or superseded already. Of two rows with one `row_seq`, which only copies of one
    /// directory can write, the one with more failures stays.
    bool merge(TallyRow row, Instant now);
    /// Lets go of a row that its author and everyone else has dropped.
    void drop(const Author& author);

    const CredentialId& credential() const noexcept { return credential_; }
    /// Rising by (node, incarnation).
    std::span<const Entry> entries() const noexcept { return entries_; }
    /// Null when that author has said nothing of this credential.
    const TallyRow* find(const Author& author) const noexcept;

  private:
    CredentialId credential_;
    std::vector<Entry> entries_;
};

/// The failures of `row` that nobody has cleared: less the greatest clear of its window whose
/// author's word counts and which is not above what the row itself says.
std::uint32_t remaining(const TallyRow& row, const TallySet& rows, const WhoseWord& whose);

/// The sum of remaining(row) over all rows whose failures count. Rises with every failure and falls
/// only by a success or an unlock, whatever rows are lost, late, repeated or out of order.
std::uint64_t effective_failures(const TallySet& rows, const WhoseWord& whose);

/// The remaining failures of all incarnations of one node together: what is held against its share
/// of the guess budget.
std::uint64_t remaining_of(const NodeId& node, const TallySet& rows, const WhoseWord& whose);

/// When this node learned of the newest failure that is still counted; no value when none is.
std::optional<Instant> newest_counted_failure(const TallySet& rows, const WhoseWord& whose);

}  // namespace countersign::attempts
