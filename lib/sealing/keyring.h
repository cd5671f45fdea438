#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "countersign/error.h"
#include "countersign/ids.h"
#include "countersign/keys.h"

#include "sealing/aead.h"

namespace countersign::sealing {

/// The private keys that make a node itself.
struct NodeSecrets {
    Key signing_seed;    ///< Ed25519; its public key is the node's id
    Key channel_secret;  ///< X25519; for the channel, and for boxes sealed to the node
    Key token_seed;      ///< Ed25519; signs access tokens

    NodeSecrets clone() const;
};

/// The keys of the pool that a node holds. What a view shows stays valid until the keyring is
/// changed or goes. Not thread-safe: readers elsewhere take a `clone()`.
class Keyring {
  public:
    static constexpr std::size_t max_data_keys = 4096;
    using DataKeys = std::map<std::pair<RealmId, KeyVersion>, Key>;
    struct DataKey {
        KeyVersion version;
        KeyView key;
    };

    /// `pool_version` counts the pool's secrets from 1.
    Keyring(Key channel_psk, Key pool_secret, KeyVersion pool_version = KeyVersion{1});
    Keyring clone() const;

    /// Rises with each change, so that two processes can tell who has the newer one.
    std::uint64_t version() const noexcept { return version_; }

    /// Mixed into every channel of the pool; never rotated.
    KeyView channel_psk() const noexcept { return channel_psk_; }
    KeyView pool_secret() const noexcept { return pool_secret_; }
    KeyVersion pool_version() const noexcept { return pool_version_; }
    /// Keys the handles (blind indexes). Derived from the pool secret.
    KeyView index_key() const noexcept { return index_key_; }
    /// Keys the hashes of the rows that the digest sums. Derived from the pool secret.
    KeyView digest_key() const noexcept { return digest_key_; }

    /// The pool's own records lie under (RealmId::pool, pool_version()), which is derived from the
    /// pool secret and so is there in every keyring.
    std::optional<KeyView> find(RealmId realm, KeyVersion version) const noexcept;
    /// What new records of the realm are sealed under. No value: the realm is not held here.
    std::optional<DataKey> newest(RealmId realm) const noexcept;
    /// All of them, by realm and version.
    const DataKeys& data_keys() const noexcept { return data_keys_; }

    /// Takes a realm's key; one that is there already changes nothing. Older keys of the pool's own
    /// realm may come this way, newer ones only by its secret.
    /// Errors: errc::invalid_argument (version 0, or of the pool's realm and above
    /// `pool_version()`), errc::conflict (another key has that version), errc::limit_reached.
    Result<void> add(RealmId realm, KeyVersion version, Key key);

    /// All handles and the digest must be made anew then. The pool realm's keys so far stay, to
    /// open what is not sealed anew yet. Errors: errc::invalid_argument (not above
    /// `pool_version()`), errc::limit_reached.
    Result<void> replace_pool_secret(Key secret, KeyVersion pool_version);

  private:
    friend std::vector<std::byte> seal_secrets(
        const NodeSecrets&, const Keyring&, const KeyContext&, KeyView, const Nonce&);
    friend struct KeyringReader;

    std::uint64_t version_ = 1;
    Key channel_psk_;
    Key pool_secret_;
    KeyVersion pool_version_;
    Key index_key_;
    Key digest_key_;
    DataKeys data_keys_;
};

/// What a node keeps sealed under its master key.
struct OpenedSecrets {
    NodeSecrets node;
    Keyring keyring;
};

/// One sealed blob, bound to pool and node:
/// format (1, = 1) | nonce (24) | sealed: signing seed (32) | channel secret (32) | token seed (32)
/// | keyring version (8) | channel psk (32) | pool secret's version (4) | pool secret (32)
/// | count (4) | count times: realm (2) | version (4) | key (32)
/// Numbers are little-endian; keys ascend by realm and version; the one that is derived is left
/// out.
std::vector<std::byte> seal_secrets(const NodeSecrets& node,
                                    const Keyring& keyring,
                                    const KeyContext& context,
                                    KeyView master_key,
                                    const Nonce& nonce);

/// Errors: errc::wrong_key (another master key, pool or node, or changed bytes: where the provider
/// has just unwrapped the master key, it is damage), errc::corrupt (cut short or overlong, or not
/// in this form), errc::newer_format.
Result<OpenedSecrets> open_secrets(std::span<const std::byte> blob,
                                   const KeyContext& context,
                                   KeyView master_key);

}  // namespace countersign::sealing
