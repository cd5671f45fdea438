#pragma once

#include <optional>

#include "countersign/error.h"
#include "countersign/link.h"

#include "log/head.h"
#include "records/table.h"

namespace countersign::log {

/// Sealed bytes and handles of one page together.
constexpr std::size_t copy_page_limit = 256 * 1024;

/// The feeder's half of a copy: the records after `after` (none: from the first) in the order of
/// their keys, at least one if there is one and as many as fit into `max_bytes` and
/// copy_page_limit, with the head's seq. Within the caller's ReadTransaction, so that both are of
/// one moment.
Result<CopyPage> read_page(records::Reader& reader,
                           HeadRow& head,
                           const std::optional<RecordKey>& after,
                           std::size_t max_bytes);

/// The same of the records of `leaves` alone, all of one snapshot whose head is `moment`. Passes
/// over the others, which costs about a microsecond each.
Result<CopyPage> read_page_of(records::Reader& reader,
                              LogSeq moment,
                              const LeafSet& leaves,
                              const std::optional<RecordKey>& after,
                              std::size_t max_bytes);

/// What a page must be on its own and behind the record `after`: moment and seqs possible, keys and
/// handles ascending, all within their limits, and not empty unless it is the last. Errors:
/// errc::malformed, errc::too_large.
Result<void> check_page(const CopyPage& page, const std::optional<RecordKey>& after);

inline records::RecordName name_of(const RecordKey& key) {
    return {records::RecordKind{key.kind}, key.id};
}

}  // namespace countersign::log
