#include "sealing/keyring.h"

#include <algorithm>
#include <cassert>
#include <iterator>
#include <string_view>

#include "sealing/hash.h"

namespace countersign::sealing {
namespace {

constexpr char kdf_context[] = "cs-pool-";
constexpr std::uint64_t index_subkey = 1;
constexpr std::uint64_t digest_subkey = 2;
constexpr std::uint64_t pool_realm_subkey = 3;

constexpr std::byte blob_format{1};
constexpr std::size_t blob_header = 1 + Nonce::size;
constexpr std::size_t fixed_size = 3 * key_size + 8 + key_size + 4 + key_size + 4;
constexpr std::size_t entry_size = 2 + 4 + key_size;

std::vector<std::byte> associated_data(const KeyContext& context) {
    constexpr std::string_view label = "keyring";
    std::vector<std::byte> data(context.pool.bytes.begin(), context.pool.bytes.end());
    data.insert(data.end(), context.node.bytes.begin(), context.node.bytes.end());
    const auto word = std::as_bytes(std::span(label));
    data.insert(data.end(), word.begin(), word.end());
    data.push_back(blob_format);
    return data;
}

/// Fills a buffer of the right size from front to back.
class Writer {
  public:
    explicit Writer(std::span<std::byte> out) : rest_(out) {}

    void number(std::uint64_t value, std::size_t size) {
        for (std::size_t i = 0; i < size; ++i) rest_[i] = static_cast<std::byte>(value >> (8 * i));
        rest_ = rest_.subspan(size);
    }
    void key(KeyView key) {
        std::ranges::copy(key, rest_.begin());
        rest_ = rest_.subspan(key_size);
    }
    bool full() const { return rest_.empty(); }

  private:
    std::span<std::byte> rest_;
};

/// The way back; the caller has checked that enough is there.
class Reader {
  public:
    explicit Reader(std::span<const std::byte> bytes) : rest_(bytes) {}

    std::uint64_t number(std::size_t size) {
        assert(rest_.size() >= size);
        std::uint64_t value = 0;
        for (std::size_t i = size; i-- > 0;) {
            value = value << 8 | std::to_integer<std::uint64_t>(rest_[i]);
        }
        rest_ = rest_.subspan(size);
        return value;
    }
    Key key() {
        assert(rest_.size() >= key_size);
        Key key(rest_.first<key_size>());
        rest_ = rest_.subspan(key_size);
        return key;
    }
    std::size_t left() const { return rest_.size(); }

  private:
    std::span<const std::byte> rest_;
};

}  // namespace

/// Rebuilds a keyring from its opened bytes.
struct KeyringReader {
    static Result<OpenedSecrets> read(std::span<const std::byte> bytes);
};

NodeSecrets NodeSecrets::clone() const {
    return {signing_seed.clone(), channel_secret.clone(), token_seed.clone()};
}

Keyring::Keyring(Key channel_psk, Key pool_secret, KeyVersion pool_version)
    : channel_psk_(std::move(channel_psk)),
      pool_secret_(std::move(pool_secret)),
      pool_version_(pool_version),
      index_key_(derive_key(pool_secret_, index_subkey, kdf_context)),
      digest_key_(derive_key(pool_secret_, digest_subkey, kdf_context)) {
    assert(value(pool_version) >= 1);
    data_keys_.emplace(std::pair(RealmId::pool, pool_version_),
                       derive_key(pool_secret_, pool_realm_subkey, kdf_context));
}

Keyring Keyring::clone() const {
    Keyring copy(channel_psk_.clone(), pool_secret_.clone(), pool_version_);
    copy.version_ = version_;
    for (const auto& [place, key] : data_keys_) copy.data_keys_.try_emplace(place, key.view());
    return copy;
}

std::optional<KeyView> Keyring::find(RealmId realm, KeyVersion version) const noexcept {
    const auto found = data_keys_.find({realm, version});
    if (found == data_keys_.end()) return std::nullopt;
    return found->second.view();
}

std::optional<Keyring::DataKey> Keyring::newest(RealmId realm) const noexcept {
    auto after = data_keys_.upper_bound({realm, KeyVersion{UINT32_MAX}});
    if (after == data_keys_.begin()) return std::nullopt;
    const auto& [place, key] = *std::prev(after);
    if (place.first != realm) return std::nullopt;
    return DataKey{place.second, key.view()};
}

Result<void> Keyring::add(RealmId realm, KeyVersion version, Key key) {
    if (value(version) == 0) {
        return Error(errc::invalid_argument, "versions of data keys begin with 1");
    }
    if (realm == RealmId::pool && version > pool_version_) {
        return Error(errc::invalid_argument, "the pool's own data key comes of its secret");
    }
    if (const auto held = find(realm, version)) {
        if (constant_time_equal(*held, key.view())) return {};
        return Error(errc::conflict, "another data key has this realm and version");
    }
    if (data_keys_.size() >= max_data_keys) {
        return Error(errc::limit_reached, "a keyring holds at most 4096 data keys");
    }
    data_keys_.emplace(std::pair(realm, version), std::move(key));
    ++version_;
    return {};
}

Result<void> Keyring::replace_pool_secret(Key secret, KeyVersion pool_version) {
    if (pool_version <= pool_version_) {
        return Error(errc::invalid_argument, "a new pool secret needs a higher version");
    }
    if (data_keys_.size() >= max_data_keys) {
        return Error(errc::limit_reached, "a keyring holds at most 4096 data keys");
    }
    Keyring fresh(channel_psk_.clone(), std::move(secret), pool_version);
    fresh.version_ = version_ + 1;
    fresh.data_keys_.merge(data_keys_);
    *this = std::move(fresh);
    return {};
}

std::vector<std::byte> seal_secrets(const NodeSecrets& node,
                                    const Keyring& keyring,
                                    const KeyContext& context,
                                    KeyView master_key,
                                    const Nonce& nonce) {
    const auto derived = std::pair(RealmId::pool, keyring.pool_version_);
    const std::size_t count = keyring.data_keys_.size() - 1;
    Secret plain = Secret::of_size(fixed_size + count * entry_size);
    Writer writer(plain.writable());
    writer.key(node.signing_seed);
    writer.key(node.channel_secret);
    writer.key(node.token_seed);
    writer.number(keyring.version_, 8);
    writer.key(keyring.channel_psk_);
    writer.number(value(keyring.pool_version_), 4);
    writer.key(keyring.pool_secret_);
    writer.number(count, 4);
    for (const auto& [place, key] : keyring.data_keys_) {
        if (place == derived) continue;
        writer.number(value(place.first), 2);
        writer.number(value(place.second), 4);
        writer.key(key);
    }
    assert(writer.full());

    std::vector<std::byte> blob;
    blob.reserve(blob_header + plain.size() + tag_size);
    blob.push_back(blob_format);
    blob.insert(blob.end(), nonce.bytes.begin(), nonce.bytes.end());
    seal_onto(blob, plain.bytes(), associated_data(context), nonce, master_key);
    return blob;
}

Result<OpenedSecrets> open_secrets(std::span<const std::byte> blob,
                                   const KeyContext& context,
                                   KeyView master_key) {
    if (blob.empty()) return Error(errc::corrupt, "the node's keys are missing");
    if (blob[0] > blob_format) {
        return Error(errc::newer_format, "a newer release wrote the node's keys");
    }
    constexpr std::size_t least = blob_header + fixed_size + tag_size;
    constexpr std::size_t most = least + (Keyring::max_data_keys - 1) * entry_size;
    if (blob[0] != blob_format || blob.size() < least || blob.size() > most) {
        return Error(errc::corrupt, "the node's keys are damaged");
    }
    const auto nonce = *Nonce::from_bytes(blob.subspan(1, Nonce::size));
    auto plain = open(blob.subspan(blob_header), associated_data(context), nonce, master_key);
    if (!plain) return Error(errc::wrong_key, "the master key does not open the node's keys");
    return KeyringReader::read(plain->bytes());
}

Result<OpenedSecrets> KeyringReader::read(std::span<const std::byte> bytes) {
    const Error damaged(errc::corrupt, "the node's keys do not follow their format");
    if (bytes.size() < fixed_size) return damaged;
    Reader reader(bytes);
    NodeSecrets node{reader.key(), reader.key(), reader.key()};
    const std::uint64_t version = reader.number(8);
    Key channel_psk = reader.key();
    const KeyVersion pool_version{static_cast<std::uint32_t>(reader.number(4))};
    Key pool_secret = reader.key();
    const std::uint64_t count = reader.number(4);
    if (version == 0 || value(pool_version) == 0) return damaged;
    if (count >= Keyring::max_data_keys || reader.left() != count * entry_size) return damaged;

    Keyring keyring(std::move(channel_psk), std::move(pool_secret), pool_version);
    std::pair<RealmId, KeyVersion> last{};
    for (std::uint64_t i = 0; i < count; ++i) {
        const RealmId realm{static_cast<std::uint16_t>(reader.number(2))};
        const KeyVersion key_version{static_cast<std::uint32_t>(reader.number(4))};
        const std::pair place(realm, key_version);
        if (place <= last || keyring.find(realm, key_version)) return damaged;
        if (!keyring.add(realm, key_version, reader.key())) return damaged;
        last = place;
    }
    keyring.version_ = version;
    return OpenedSecrets{std::move(node), std::move(keyring)};
}

}  // namespace countersign::sealing
