#include "records/seal.h"

#include <algorithm>
#include <array>
#include <utility>

#include "records/little_endian.h"

namespace countersign::records {
namespace {

constexpr std::byte format{1};
constexpr std::size_t content_limit = 64 * 1024;
constexpr std::size_t bound_header_size = SealHeader::size - sealing::Nonce::size;

using AssociatedData = std::array<std::byte, PoolId::size + 2 + RecordId::size + bound_header_size>;

AssociatedData associated_data(const PoolId& pool, const RecordName& name, BytesView header) {
    AssociatedData data;
    std::byte* to = std::ranges::copy(pool.bytes, data.data()).out;
    to = std::ranges::copy(little_endian(value(name.kind)), to).out;
    to = std::ranges::copy(name.id.bytes, to).out;
    std::ranges::copy(header.first(bound_header_size), to);
    return data;
}

}  // namespace

Result<SealHeader> SealHeader::parse(BytesView sealed) {
    if (sealed.size() < size + sealing::tag_size) {
        return Error(errc::malformed, "a sealed record is too short");
    }
    if (sealed[0] != format) {
        return Error(
            errc::newer_format,
            "a record is sealed in format " + std::to_string(std::to_integer<int>(sealed[0])));
    }
    SealHeader header;
    header.realm = RealmId{from_little_endian<std::uint16_t>(&sealed[1])};
    header.version = KeyVersion{from_little_endian<std::uint32_t>(&sealed[3])};
    std::ranges::copy(sealed.subspan(bound_header_size, sealing::Nonce::size),
                      header.nonce.bytes.begin());
    return header;
}

Sealer::Sealer(PoolId pool, std::shared_ptr<const sealing::Keyring> keyring)
    : pool_(pool), keyring_(std::move(keyring)) {}

Result<Bytes> Sealer::seal(const RecordName& name,
                           RealmId realm,
                           BytesView content,
                           const sealing::Nonce& nonce) const {
    if (content.size() > content_limit) return Error(errc::too_large, "a record above 64 KiB");
    const auto newest = keyring_->newest(realm);
    if (!newest) return errc::not_held;
    Bytes sealed(SealHeader::size);
    sealed.reserve(SealHeader::size + content.size() + sealing::tag_size);
    sealed[0] = format;
    std::byte* to = std::ranges::copy(little_endian(value(realm)), &sealed[1]).out;
    to = std::ranges::copy(little_endian(value(newest->version)), to).out;
    std::ranges::copy(nonce.bytes, to);
    sealing::seal_onto(sealed, content, associated_data(pool_, name, sealed), nonce, newest->key);
    return sealed;
}

Result<sealing::PlainBytes> Sealer::open(const RecordName& name, BytesView sealed) const {
    const auto header = SealHeader::parse(sealed);
    if (!header) {
        return header.error() == errc::malformed ? Error(errc::corrupt, header.error().detail())
                                                 : header.error();
    }
    const auto key = keyring_->find(header->realm, header->version);
    if (!key) return errc::not_held;
    auto content = sealing::open(sealed.subspan(SealHeader::size),
                                 associated_data(pool_, name, sealed),
                                 header->nonce,
                                 *key);
    if (!content) return Error(errc::corrupt, "a sealed record was changed or moved");
    return content;
}

}  // namespace countersign::records
