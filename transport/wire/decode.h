#pragma once

#include "countersign/error.h"
#include "countersign/ids.h"

#include "wire/message.h"

namespace countersign::wire {

/// Reads a frame strictly: one whole segment with nothing behind it, each struct followed once and
/// nested at most 16 deep, sizes and limits as message.h has them, batches without a gap, records
/// ascending. A message of a later release is `Unknown`. Nothing is verified.
/// Errors: errc::malformed, errc::too_large.
Result<Message> decode(BytesView frame);
Result<Opening> decode_opening(BytesView payload);

}  // namespace countersign::wire
