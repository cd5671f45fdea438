#include "records/uuid.h"

#include <algorithm>

namespace countersign::records {

RecordId make_uuid(UnixTime now, std::span<const std::byte, 10> random) {
    RecordId id;
    auto time =
        static_cast<std::uint64_t>(std::max<std::int64_t>(now.time_since_epoch().count(), 0));
    for (std::size_t i = 6; i-- > 0; time >>= 8) id.bytes[i] = static_cast<std::byte>(time & 0xff);
    std::ranges::copy(random, id.bytes.begin() + 6);
    id.bytes[6] = (id.bytes[6] & std::byte{0x0f}) | std::byte{0x70};  // version 7
    id.bytes[8] = (id.bytes[8] & std::byte{0x3f}) | std::byte{0x80};  // the variant of RFC 9562
    return id;
}

}  // namespace countersign::records
