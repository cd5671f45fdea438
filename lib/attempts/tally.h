#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "countersign/error.h"
#include "countersign/ids.h"

#include "attempts/credential.h"
#include "sealing/signature.h"

namespace countersign::attempts {

/// The most clears in one row, so that a row stays under 14 KiB: one for each incarnation of each
/// node on which the user failed, twice over for a pool of a hundred nodes. A success that knows
/// of more clears those with the most failures, and the rest the next time.
constexpr std::size_t max_clears = 256;

/// One life of one node's directory: whoever writes rows.
struct Author {
    NodeId node;
    Incarnation incarnation{};

    friend auto operator<=>(const Author&, const Author&) = default;
};

/// What a row's author knew of another row when it last saw the user succeed, or when an operator
/// unlocked: the first `failures` failures of that window are forgiven.
struct Clear {
    NodeId node;
    Incarnation incarnation{};
    RowSeq window{};
    std::uint32_t failures = 0;  ///< at least 1

    Author subject() const noexcept { return {node, incarnation}; }
    friend bool operator==(const Clear&, const Clear&) = default;
};

/// What one incarnation of one node has seen of attempts on one credential. Only that node writes
/// it, and the row with the greatest `row_seq` supersedes the others.
struct TallyRow {
    CredentialId credential;
    NodeId node;
    Incarnation incarnation{};
    RowSeq row_seq{};            ///< raised at every change of any row of this incarnation
    RowSeq window{};             ///< the `row_seq` at which this run of failures began
    std::uint32_t failures = 0;  ///< in this window
    LogSeq head{};               ///< the author's, when it wrote the row
    std::vector<Clear> clears;   ///< rising by (node, incarnation), one for each; never its own

    Author author() const noexcept { return {node, incarnation}; }
    /// Null when there is none.
    const Clear* clear_of(const Author& subject) const noexcept;

    friend bool operator==(const TallyRow&, const TallyRow&) = default;
};

/// The bytes that are signed, stored and sent. Numbers are little-endian.
///
/// | byte | field |
/// |---|---|
/// | 0 | format: 1 |
/// | 1 | credential, 25 bytes (credential.h) |
/// | 26 | node, 32 bytes |
/// | 58 | incarnation, 8 |
/// | 66 | row_seq, 8; at least 1 |
/// | 74 | window, 8; 1 to row_seq |
/// | 82 | failures, 4 |
/// | 86 | head, 8 |
/// | 94 | number of clears, 2; at most `max_clears` |
/// | 96 | clears of 52 bytes: node (32), incarnation (8), window (8; at least 1), failures (4; at
/// least 1) |
///
/// A row has exactly one encoding. One that breaks a rule above is a programmer's error.
std::vector<std::byte> encode(const TallyRow& row);

/// Errors: errc::too_large above `max_clears`; errc::unsupported_version for another format;
/// errc::malformed for anything else that `encode` would not have written.
Result<TallyRow> decode_tally(std::span<const std::byte> bytes);

/// Who claims to have written these bytes, read without trust, so that a row of a stranger is
/// refused before its signature is checked. Errors: errc::malformed when they are too short.
Result<NodeId> author_of_tally(std::span<const std::byte> bytes);

/// Over encode(row). `key` must be that of the row's node.
sealing::Signature sign(const TallyRow& row, const sealing::SigningKey& key);

/// Decodes a row whose author signed exactly these bytes. Whether that author is a member, and
/// whether its word counts, is for the caller. Errors: errc::bad_signature, before anything but
/// size and author was read; and those of decode_tally.
Result<TallyRow> verify_tally(std::span<const std::byte> bytes,
                              const sealing::Signature& signature);

}  // namespace countersign::attempts
