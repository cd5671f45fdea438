#pragma once

#include <functional>

#include "countersign/error.h"
#include "countersign/ids.h"

#include "attempts/journal.h"
#include "log/append.h"

namespace countersign {

/// One caller's part of a commit.
struct Write {
    /// What this node has seen of attempts; done first, and if it fails `execute` is not asked.
    std::function<Result<void>(attempts::Journal&)> rows;
    log::Appender::Execute execute;
    /// The batch in which `execute`'s changes went; the head where there were none.
    Result<LogSeq> outcome = errc::cancelled;
};

}  // namespace countersign
