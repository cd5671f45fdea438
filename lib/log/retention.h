#pragma once

#include "log/ledger.h"

namespace countersign::log {

/// How long batches stay for those who lag. Whichever of `age` and `bytes` is met first lets go of
/// the oldest, even if a member still lacks them: it then copies afresh.
struct Retention {
    milliseconds acked_age{std::chrono::hours{24}};  ///< of those that every member has
    milliseconds age{std::chrono::days{30}};
    std::uint64_t bytes = std::uint64_t{1} << 30;
};

/// The last batch that may go now: those older than `acked_age` that every member has, and those
/// beyond a limit. The head's batch always stays, because the next one is chained to it and a copy
/// proved by it. `everyone_has` is the lowest seq that any member has said to hold; without other
/// members, the head's. Reads only: a number of rows that grows with the logarithm of the log.
Result<LogSeq> erasable(Ledger& ledger,
                        const Retention& retention,
                        LogSeq everyone_has,
                        UnixTime now);

/// The last that may go whoever lacks it: all but the head's.
Result<LogSeq> erasable_at_once(Ledger& ledger);

}  // namespace countersign::log
