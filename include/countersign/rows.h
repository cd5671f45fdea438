#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "countersign/error.h"
#include "countersign/ids.h"

namespace countersign {

// What links carry of attempts: rows that each node signs of what it has seen itself. Links move
// their bytes as they are; what they say is the store's.

/// An Ed25519 signature.
using SignatureBytes = Id<struct SignatureBytesTag, 64>;

/// Who writes rows: one life of one node's directory.
struct RowAuthor {
    NodeId node;
    Incarnation incarnation{};
    friend auto operator<=>(const RowAuthor&, const RowAuthor&) = default;
};

/// Up to which row each author's rows are held: in their order and without a gap, but for rows that
/// have been superseded or dropped. Never 0; who has said nothing is not in it.
using RowVector = std::map<RowAuthor, RowSeq>;

enum class RowKind : std::uint8_t {
    tally = 1,  ///< failed attempts on one credential
    spent = 2,  ///< a code that was accepted
};

/// A row as its author signed it.
struct AttemptRow {
    RowSeq seq{};  ///< the row says the same
    RowKind kind = RowKind::tally;
    SignatureBytes signature;
    Bytes bytes;
    friend bool operator==(const AttemptRow&, const AttemptRow&) = default;
};

/// Rows of one author, of both kinds, in rising order: all that the sender holds behind `after` up
/// to the last of them.
struct RowRun {
    RowAuthor author;
    RowSeq after{};
    std::vector<AttemptRow> rows;  ///< at least one
    friend bool operator==(const RowRun&, const RowRun&) = default;
};

/// What a store holds beyond a vector, or the beginning of it.
struct RowPage {
    std::vector<RowRun> runs;
    RowVector reached;  ///< what whoever takes it all has then; of other authors as before
    bool all = true;    ///< nothing more is held
};

/// What became of rows that a peer sent.
struct RowsTaken {
    /// Some were left, because their author is not a member by this log: to be asked for again once
    /// the log has moved. Or this node begins a new life, and holds another vector than it said.
    bool ask_again = false;
    bool is_new_life = false;
};

/// Rows that came to this process since it began, by what became of them. The last four ended their
/// link, or this node's life; the others changed nothing but `taken`.
struct RowCounts {
    std::uint64_t taken = 0;
    std::uint64_t held = 0;           ///< they, or what took their place, were known
    std::uint64_t alone = 0;          ///< rows before them are missing
    std::uint64_t of_strangers = 0;   ///< their author is no member that this log knows
    std::uint64_t after_removal = 0;  ///< their author wrote them once it was removed
    std::uint64_t of_nobody = 0;      ///< of a user who was erased, or never was
    std::uint64_t expired = 0;        ///< of a code that cannot live any more
    std::uint64_t too_many = 0;       ///< beyond what one node may have here
    std::uint64_t forged = 0;         ///< not signed by their author
    std::uint64_t malformed = 0;
    std::uint64_t too_large = 0;
    std::uint64_t of_twins = 0;  ///< signed by this node, and never written by this directory
    friend bool operator==(const RowCounts&, const RowCounts&) = default;
};

}  // namespace countersign
