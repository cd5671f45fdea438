#pragma once

#include "log/ledger.h"

namespace countersign::log {

/// How long batches stay for those who lag. Whichever limit is met first lets go of the oldest,
/// even if a member still lacks them: it then copies afresh.
struct Retention {
    milliseconds age{std::chrono::days{30}};
    std::uint64_t bytes = std::uint64_t{1} << 30;
};

/// The last batch that may go now: those that every member has, and those beyond a limit. The
/// head's batch always stays, because a copy is proved by it. `everyone_has` is the lowest seq that
/// any member has said to hold; without other members, the head's. Reads only; about a microsecond
/// per batch beyond the limit of bytes.
Result<LogSeq> erasable(Ledger& ledger,
                        const Retention& retention,
                        LogSeq everyone_has,
                        UnixTime now);

}  // namespace countersign::log
