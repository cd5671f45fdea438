#pragma once

#include <memory>

#include "countersign/error.h"

#include "records/record.h"
#include "sealing/aead.h"
#include "sealing/keyring.h"

namespace countersign::records {

/// What stands before the ciphertext of a sealed record, in the clear but bound to it:
/// format (1 byte, 1) | realm (2, little-endian) | key version (4, little-endian) | nonce (24).
struct SealHeader {
    static constexpr std::size_t size = 1 + 2 + 4 + sealing::Nonce::size;
    RealmId realm{};
    KeyVersion version{};
    sealing::Nonce nonce;

    /// Errors: errc::malformed when `sealed` is too short, errc::newer_format.
    static Result<SealHeader> parse(BytesView sealed);
};

/// Seals and opens the records of one pool with the data keys of one keyring. XChaCha20-Poly1305,
/// bound to pool, kind, id, realm and key version, so that a row cannot be moved or relabelled.
class Sealer {
  public:
    Sealer(PoolId pool, std::shared_ptr<const sealing::Keyring> keyring);

    /// Seals under the realm's newest key. `nonce` must be fresh.
    /// Errors: errc::not_held, errc::too_large (above 64 KiB of content).
    Result<Bytes> seal(const RecordName& name,
                       RealmId realm,
                       BytesView content,
                       const sealing::Nonce& nonce) const;
    /// Errors: errc::not_held when this node has no such key, errc::corrupt, errc::newer_format.
    Result<sealing::PlainBytes> open(const RecordName& name, BytesView sealed) const;

    const sealing::Keyring& keyring() const noexcept { return *keyring_; }
    std::shared_ptr<const sealing::Keyring> shared_keyring() const noexcept { return keyring_; }

  private:
    PoolId pool_;
    std::shared_ptr<const sealing::Keyring> keyring_;
};

}  // namespace countersign::records
