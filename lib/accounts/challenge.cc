#include "accounts/challenge.h"

#include <algorithm>
#include <array>

#include "records/little_endian.h"
#include "sealing/aead.h"
#include "sealing/base64url.h"

namespace countersign::accounts {
namespace {

using records::from_little_endian;
using records::little_endian;

constexpr std::size_t header_size = 2 + 4;
constexpr std::size_t fields_size = 16 + UserId::size + 8 + NodeId::size + 8;
constexpr std::size_t content_size = fields_size + sealing::Signature::size;
constexpr std::size_t whole_size =
    header_size + sealing::Nonce::size + content_size + sealing::tag_size;

void append(Bytes& to, BytesView bytes) {
    to.insert(to.end(), bytes.begin(), bytes.end());
}

Bytes associated_data(const PoolId& pool, BytesView header) {
    constexpr std::string_view purpose = "countersign/challenge/v1";
    Bytes data;
    append(data, std::as_bytes(std::span(purpose)));
    append(data, pool.bytes);
    append(data, header);
    return data;
}

}  // namespace

Result<std::string> seal_challenge(const Challenge& challenge,
                                   const PoolId& pool,
                                   const sealing::Keyring& keyring,
                                   const sealing::SigningKey& key,
                                   const sealing::Nonce& nonce) {
    const auto newest = keyring.newest(challenge.realm);
    if (!newest) return errc::not_held;
    Bytes content;
    append(content, challenge.id.bytes);
    append(content, challenge.user.bytes);
    append(content, little_endian(value(challenge.password_version)));
    append(content, challenge.issuer.bytes);
    append(content,
           little_endian(static_cast<std::uint64_t>(challenge.expires.time_since_epoch().count())));
    append(content, sealing::sign(sealing::SignatureKind::challenge, content, key).bytes);

    Bytes whole;
    append(whole, little_endian(value(challenge.realm)));
    append(whole, little_endian(value(newest->version)));
    const auto bound = associated_data(pool, whole);
    append(whole, nonce.bytes);
    sealing::seal_onto(whole, content, bound, nonce, newest->key);
    return sealing::to_base64url(whole);
}

Result<Challenge> open_challenge(std::string_view text,
                                 const PoolId& pool,
                                 const sealing::Keyring& keyring) {
    const auto whole = sealing::from_base64url(text, whole_size);
    if (!whole || whole->size() != whole_size) return errc::malformed;
    const BytesView bytes = *whole;
    Challenge challenge;
    challenge.realm = RealmId{from_little_endian<std::uint16_t>(bytes.data())};
    const KeyVersion version{from_little_endian<std::uint32_t>(bytes.data() + 2)};
    const auto key = keyring.find(challenge.realm, version);
    if (!key) return errc::not_held;
    const auto nonce = sealing::Nonce::from_bytes(bytes.subspan(header_size, sealing::Nonce::size));
    const auto content = sealing::open(bytes.subspan(header_size + sealing::Nonce::size),
                                       associated_data(pool, bytes.first(header_size)),
                                       *nonce,
                                       *key);
    if (!content) return errc::bad_signature;

    const std::byte* from = content->bytes().data();
    const auto take = [&](auto& id) {
        std::copy_n(from, id.bytes.size(), id.bytes.begin());
        from += id.bytes.size();
    };
    take(challenge.id);
    take(challenge.user);
    challenge.password_version = PasswordVersion{from_little_endian<std::uint64_t>(from)};
    from += 8;
    take(challenge.issuer);
    challenge.expires =
        UnixTime{milliseconds{static_cast<std::int64_t>(from_little_endian<std::uint64_t>(from))}};
    from += 8;
    sealing::Signature signature;
    take(signature);
    if (!sealing::verify(sealing::SignatureKind::challenge,
                         content->bytes().first(fields_size),
                         signature,
                         challenge.issuer.bytes)) {
        return errc::bad_signature;
    }
    return challenge;
}

}  // namespace countersign::accounts
