#include "log/digest.h"

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

}  // namespace countersign::log
