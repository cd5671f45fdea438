#include "log/digest.h"

#include <algorithm>
#include <functional>

#include "records/little_endian.h"
#include "records/table.h"

namespace countersign::log {

sealing::Hash256 RowHasher::operator()(const records::RecordName& name,
                                       LogSeq seq,
                                       BytesView sealed,
                                       const std::vector<records::Handle>& handles) const {
    using records::little_endian;
    return sealing::mac256(key_,
                           {little_endian(value(name.kind)),
                            name.id.bytes,
                            little_endian(value(seq)),
                            little_endian(static_cast<std::uint32_t>(sealed.size())),
                            sealed,
                            records::as_bytes(handles)});
}

sealing::Hash256 RowHasher::operator()(const records::HandleRow& row) const {
    return sealing::mac256(key_,
                           {std::as_bytes(std::span("handle", 6)),
                            row.value.bytes,
                            records::little_endian(value(row.name.kind)),
                            row.name.id.bytes});
}

void HandleSum::toggle(const sealing::Hash256& row) noexcept {
    std::ranges::transform(sum_.bytes, row.bytes, sum_.bytes.begin(), std::bit_xor{});
}

}  // namespace countersign::log
