#pragma once

#include "countersign/ids.h"

#include "wire/message.h"

namespace countersign::wire {

/// One frame: a single Cap'n Proto segment with its size before it (wire.capnp). The caller keeps
/// what it sends within the limits of message.h, and never sends `Unknown`.
Bytes encode(const Message& message);
Bytes encode(const Opening& opening);

}  // namespace countersign::wire
