#include "membership/root_key.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "sealing/aead.h"

namespace countersign::membership {
namespace {

constexpr std::string_view magic = "countersign root key 1\n";
constexpr std::size_t header_size = magic.size() + PoolId::size + NodeId::size;
constexpr std::size_t file_limit = header_size + KeyProvider::max_wrapped_size;

/// The seed is wrapped for the pool and, in the place of a node, the root key itself.
KeyContext context_of(const PoolId& pool, const sealing::PublicKey& public_key) {
    return {.pool = pool, .node = NodeId{public_key}};
}

Result<void> wrap_into_file(const std::string& path,
                            const PoolId& pool,
                            const Secret& seed,
                            KeyProvider& provider,
                            Environment& environment) {
    const sealing::SigningKey key(seed.bytes().first<sealing::key_size>());
    std::array<std::byte, KeyProvider::entropy_size> fresh;
    environment.random(fresh);
    const auto wrapped = provider.wrap(seed, context_of(pool, key.public_key()), fresh);
    if (!wrapped) return wrapped.error();
    Bytes file;
    const auto append = [&](BytesView bytes) {
        file.insert(file.end(), bytes.begin(), bytes.end());
    };
    append(std::as_bytes(std::span(magic)));
    append(pool.bytes);
    append(key.public_key());
    append(*wrapped);
    return environment.write_file(path, file, true);
}

bool is_root_key(BytesView file) {
    return file.size() > header_size &&
           std::ranges::equal(file.first(magic.size()), std::as_bytes(std::span(magic)));
}

PoolId pool_of(BytesView file) {
    return *PoolId::from_bytes(file.subspan(magic.size(), PoolId::size));
}

Result<Secret> read_seed(const std::string& path,
                         const PoolId& pool,
                         KeyProvider& provider,
                         Environment& environment) {
    const auto file = environment.read_file(path, file_limit);
    if (!file) return file.error();
    if (!*file) {
        return Error(errc::not_found,
                     "no root key at " + path + "; fetch it from where it is kept");
    }
    const BytesView bytes = **file;
    if (!is_root_key(bytes)) return Error(errc::malformed, path + " is not a root key's file");
    const auto public_key =
        NodeId::from_bytes(bytes.subspan(magic.size() + PoolId::size, NodeId::size));
    if (pool_of(bytes) != pool)
        return Error(errc::wrong_pool, path + " is another pool's root key");
    auto seed = provider.unwrap(bytes.subspan(header_size), context_of(pool, public_key->bytes));
    if (!seed) return seed.error();
    if (seed->size() != sealing::key_size) return Error(errc::wrong_key, path);
    const sealing::SigningKey key(seed->bytes().first<sealing::key_size>());
    if (key.public_key() != public_key->bytes) {
        return Error(errc::wrong_key, path + " holds another key than it says");
    }
    return seed;
}

}  // namespace

Result<void> write_root_key(const std::string& path,
                            const PoolId& pool,
                            const Secret& seed,
                            KeyProvider& provider,
                            Environment& environment) {
    if (environment.identify(path)) {
        return Error(errc::already_exists, path + " is there already; move it away first");
    }
    return wrap_into_file(path, pool, seed, provider, environment);
}

Result<void> remove_root_key(const std::string& path,
                             const PoolId& pool,
                             Environment& environment) {
    const auto file = environment.read_file(path, file_limit);
    if (!file) return file.error();
    if (!*file || !is_root_key(**file) || pool_of(**file) != pool) return {};
    return environment.remove_file(path);
}

Result<void> rewrap_root_key(const std::string& path,
                             const PoolId& pool,
                             KeyProvider& from,
                             KeyProvider& to,
                             Environment& environment) {
    const auto seed = read_seed(path, pool, from, environment);
    if (!seed) return seed.error();
    return wrap_into_file(path, pool, *seed, to, environment);
}

Result<sealing::SigningKey> read_root_key(const std::string& path,
                                          const PoolId& pool,
                                          KeyProvider& provider,
                                          Environment& environment) {
    const auto seed = read_seed(path, pool, provider, environment);
    if (!seed) return seed.error();
    return sealing::SigningKey(seed->bytes().first<sealing::key_size>());
}

}  // namespace countersign::membership
