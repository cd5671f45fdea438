#include "log/retention.h"

#include <algorithm>

namespace countersign::log {

Result<LogSeq> erasable(Ledger& ledger,
                        const Retention& retention,
                        LogSeq everyone_has,
                        UnixTime now) {
    const auto head = ledger.head.read();
    if (!head) return head.error();
    if (value(head->place.seq) <= 1) return LogSeq{0};
    const LogSeq newest_erasable{value(head->place.seq) - 1};

    const auto too_old = ledger.batches.last_before(now - retention.age);
    if (!too_old) return too_old.error();
    const auto too_many = ledger.batches.last_beyond(retention.bytes);
    if (!too_many) return too_many.error();
    return std::min(newest_erasable, std::max({everyone_has, *too_old, *too_many}));
}

}  // namespace countersign::log
