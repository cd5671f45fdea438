#include "new_identity.h"

#include <array>
#include <utility>

#include "random.h"

namespace countersign {

sealing::NodeSecrets new_node_secrets(Environment& environment) {
    return {.signing_seed = random_key(environment),
            .channel_secret = random_key(environment),
            .token_seed = random_key(environment)};
}

sealing::Keyring new_keyring(Environment& environment) {
    // One after the other: arguments may be evaluated in any order.
    auto channel_psk = random_key(environment);
    auto pool_secret = random_key(environment);
    return {std::move(channel_psk), std::move(pool_secret)};
}

Result<membership::Identity> new_identity(const PoolId& pool,
                                          const sealing::PublicKey& root_key,
                                          const sealing::NodeSecrets& secrets,
                                          const sealing::Keyring& keyring,
                                          KeyProvider& provider,
                                          Environment& environment) {
    membership::Identity identity;
    identity.pool = pool;
    identity.node = NodeId{sealing::SigningKey(secrets.signing_seed.view()).public_key()};
    identity.root_key = root_key;
    const KeyContext context{.pool = identity.pool, .node = identity.node};
    const sealing::Key master_key = random_key(environment);
    std::array<std::byte, KeyProvider::entropy_size> fresh;
    environment.random(fresh);
    auto wrapped = membership::wrap_master_key(master_key, context, provider, fresh);
    if (!wrapped) return wrapped.error();
    identity.wrapped_master_key = std::move(*wrapped);
    identity.sealed_secrets = sealing::seal_secrets(
        secrets, keyring, context, master_key, random_id<sealing::Nonce>(environment));
    return identity;
}

}  // namespace countersign
