#pragma once

#include "countersign/environment.h"
#include "countersign/error.h"
#include "countersign/keys.h"

#include "membership/identity.h"

// What makes a node itself, drawn where a pool is made and where one is joined; for the hall alone.
namespace countersign {

sealing::NodeSecrets new_node_secrets(Environment& environment);
sealing::Keyring new_keyring(Environment& environment);

/// Seals `secrets` and `keyring` under a fresh master key, and has the provider wrap that. Errors:
/// as KeyProvider::wrap.
Result<membership::Identity> new_identity(const PoolId& pool,
                                          const sealing::PublicKey& root_key,
                                          const sealing::NodeSecrets& secrets,
                                          const sealing::Keyring& keyring,
                                          KeyProvider& provider,
                                          Environment& environment);

}  // namespace countersign
