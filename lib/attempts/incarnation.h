#pragma once

#include "attempts/merge.h"
#include "attempts/tables.h"
#include "sealing/signature.h"

namespace countersign::attempts {

/// Begins a new life of the directory, within the caller's transaction: from here on this node
/// writes as `fresh`, and all that its former incarnation counts is said again under the new one.
/// Both add up: too high is safe, too low is not. One read and one signature for each credential
/// with failures.
Result<void> begin_incarnation(Tables& tables,
                               const sealing::SigningKey& key,
                               Incarnation fresh,
                               LogSeq head,
                               const WhoseWord& whose,
                               UnixTime wall);

}  // namespace countersign::attempts
