#include "log/retention.h"

#include <algorithm>

namespace countersign::log {

Result<LogSeq> erasable(Ledger& ledger,
                        const Retention& retention,
                        LogSeq everyone_has,
                        UnixTime now) {
    const auto all = erasable_at_once(ledger);
    if (!all) return all;
    const auto old = ledger.batches.last_before(now - retention.acked_age);
    if (!old) return old.error();
    const auto too_old = ledger.batches.last_before(now - retention.age);
    if (!too_old) return too_old.error();
    const auto too_many = ledger.batches.last_beyond(retention.bytes);
    if (!too_many) return too_many.error();
    return std::min(*all, std::max({std::min(everyone_has, *old), *too_old, *too_many}));
}

Result<LogSeq> erasable_at_once(Ledger& ledger) {
    const auto head = ledger.head.read();
    if (!head) return head.error();
    return LogSeq{std::max(value(head->place.seq), std::uint64_t{1}) - 1};
}

}  // namespace countersign::log
