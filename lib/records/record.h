#pragma once

#include <optional>
#include <vector>

#include "countersign/ids.h"

namespace countersign::records {

/// What a record is. Stored in signed batches: numbers are never reused, and a node carries kinds
/// that it does not know.
enum class RecordKind : std::uint16_t {
    user = 1,
    membership = 2,
    invitation = 3,
    key_grant = 4,
    pool_settings = 5,
    departure = 6,
};

/// Which record: its kind and id.
struct RecordName {
    RecordKind kind;
    RecordId id;
    friend auto operator<=>(const RecordName&, const RecordName&) = default;
};

/// A blind index: a keyed hash of a value by which a record is found (index.h).
using Handle = Id<struct HandleTag, 16>;

/// A row of the table `handle`, by which the record is found.
struct HandleRow {
    Handle value;
    RecordName name;
    friend auto operator<=>(const HandleRow&, const HandleRow&) = default;
};

/// A record as every node stores it, opaque to replication.
struct StoredRecord {
    LogSeq seq;  ///< the batch that last wrote it
    Bytes sealed;
    std::vector<Handle> handles;  ///< ascending, no two alike
};

/// What a batch does to one record: puts it, or erases it.
struct Change {
    RecordName name;
    struct Put {
        Bytes sealed;
        std::vector<Handle> handles;  ///< ascending, no two alike
    };
    std::optional<Put> put;  ///< none: the record is erased
    /// What it replaces, where that was read in the transaction that makes the change, and after
    /// all that it wrote; none: not known. No part of a batch.
    std::optional<StoredRecord> before = std::nullopt;
};

/// The user's record has the user's own id.
inline RecordName name_of(UserId user) {
    return {RecordKind::user, RecordId{user.bytes}};
}

}  // namespace countersign::records
