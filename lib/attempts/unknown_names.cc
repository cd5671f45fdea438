#include "attempts/unknown_names.h"

#include <cassert>
#include <cstdint>
#include <span>

#include "attempts/row_bytes.h"
#include "sealing/hash.h"

namespace countersign::attempts {
namespace {

constexpr std::byte name_purpose{1};
constexpr std::byte filler_purpose{2};
// Times of 2024 to 2026, as those of users are: 2^36 ms from 2024-01-01.
constexpr std::uint64_t first_time = 1'704'067'200'000;
constexpr std::uint64_t time_span = 1ULL << 36;

// UUIDv7 (RFC 9562 section 5.7): 48 bits of time, version, 12 bits, variant, 62 bits. The hash
// takes the last 64 of those 74; the 10 before it and the time follow from it.
UserId with_hash(std::uint64_t hash, sealing::KeyView key) {
    const auto bytes = RowWriter(8).number(hash, 8).finish();
    const auto mac = sealing::mac128(key, {std::span(&filler_purpose, 1), bytes});
    RowReader filler(mac.bytes);
    const std::uint64_t time = first_time + filler.number(8) % time_span;
    const std::uint64_t high = time << 16 | 0x7000 | (filler.number(8) & 0x3ff) << 2 | hash >> 62;
    const std::uint64_t low = 1ULL << 63 | (hash & ~0ULL >> 2);
    UserId id;
    for (std::size_t i = 0; i < 8; ++i) {
        id.bytes[i] = static_cast<std::byte>(high >> (56 - 8 * i));
        id.bytes[8 + i] = static_cast<std::byte>(low >> (56 - 8 * i));
    }
    return id;
}

}  // namespace

UserId pseudo_user_id(std::string_view normalised_name, sealing::KeyView key) {
    const auto mac = sealing::mac128(
        key, {std::span(&name_purpose, 1), std::as_bytes(std::span(normalised_name))});
    return with_hash(RowReader(mac.bytes).number(8), key);
}

bool is_pseudo_user_id(const UserId& id, sealing::KeyView key) {
    std::uint64_t low = 0;
    for (std::size_t i = 8; i < 16; ++i)
        low = low << 8 | std::to_integer<std::uint64_t>(id.bytes[i]);
    const std::uint64_t top = std::to_integer<std::uint64_t>(id.bytes[7]) & 3;
    return id == with_hash(top << 62 | (low & ~0ULL >> 2), key);
}

CredentialId pseudo_credential(std::string_view normalised_name, sealing::KeyView key) {
    return CredentialId::password(pseudo_user_id(normalised_name, key), PasswordVersion{1});
}

UnknownNames::UnknownNames(std::size_t limit) : limit_(limit) {
    assert(limit_ > 0);
}

std::optional<UnknownNames::Leaving> UnknownNames::failed(const CredentialId& credential,
                                                          RowSeq row_seq,
                                                          Instant now) {
    cleared(credential);
    const bool is_new = order_.emplace(row_seq, credential).second;
    assert(is_new && "a row_seq is given to one row");
    names_.emplace(credential, Newest{row_seq, now});
    if (names_.size() <= limit_) return std::nullopt;

    const CredentialId oldest = order_.begin()->second;
    const bool is_overrun = now - names_.at(oldest).failed_at < overrun_within;
    cleared(oldest);
    return Leaving{oldest, is_overrun};
}

void UnknownNames::cleared(const CredentialId& credential) {
    const auto place = names_.find(credential);
    if (place == names_.end()) return;
    order_.erase(place->second.row_seq);
    names_.erase(place);
}

}  // namespace countersign::attempts
