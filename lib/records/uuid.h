#pragma once

#include "countersign/ids.h"
#include "countersign/time.h"

namespace countersign::records {

/// A UUIDv7 (RFC 9562 section 5.7) of this moment: 48 bits of Unix milliseconds and 74 random bits,
/// taken from `random`. Times before 1970 count as 1970.
RecordId make_uuid(UnixTime now, std::span<const std::byte, 10> random);

}  // namespace countersign::records
