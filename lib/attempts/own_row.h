#pragma once

#include <optional>

#include "countersign/ids.h"

#include "attempts/merge.h"
#include "attempts/tally.h"

/// What a node does to its own row of a credential. Each function returns the row as it now reads,
/// to be merged into the set, signed and stored; or nothing, and then nothing is written and the
/// stamp's `row_seq` is still free. Every row written lets go of the clears nobody needs any more.
namespace countersign::attempts {

/// Who writes, and at which place.
struct Stamp {
    NodeId node;
    Incarnation incarnation{};
    RowSeq row_seq{};  ///< the next of this incarnation
    LogSeq head{};     ///< the log head that this node holds

    Author author() const noexcept { return {node, incarnation}; }
};

/// One more failed attempt. The first of a run opens a new window.
TallyRow count_failure(const TallySet& rows, const Stamp& stamp);

/// The user succeeded here with this credential: everything that this node knows of is cleared.
/// Nothing when there was nothing to clear, so that an ordinary sign-in writes nothing.
std::optional<TallyRow> record_success(const TallySet& rows,
                                       const Stamp& stamp,
                                       const WhoseWord& whose);

/// An operator unlocks the user here. As a success: everything that this node knows of is cleared.
std::optional<TallyRow> operator_clear(const TallySet& rows,
                                       const Stamp& stamp,
                                       const WhoseWord& whose);

/// Once others have cleared all failures of this node's row: a new window with none, so that those
/// others can let go of their clears. Nothing when some remain, or there were none.
std::optional<TallyRow> open_new_window(const TallySet& rows,
                                        const Stamp& stamp,
                                        const WhoseWord& whose);

/// Lets go of clears whose subject is known to have opened a newer window. To be called when such a
/// row arrives: once that row has been dropped nothing tells that the clear is not needed.
std::optional<TallyRow> drop_clears(const TallySet& rows, const Stamp& stamp);

/// Says again, as a new incarnation, all that the incarnation `left` counts. Both rows add up from
/// then on: too high is safe. Nothing when there is neither failure nor clear to say.
std::optional<TallyRow> copy_from(Incarnation left,
                                  const TallySet& rows,
                                  const Stamp& stamp,
                                  const WhoseWord& whose);

/// True for a row that says nothing: no failures in its window and no clears. It may be dropped
/// once every member is known to have it.
bool says_nothing(const TallyRow& row) noexcept;

}  // namespace countersign::attempts
