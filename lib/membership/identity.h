#pragma once

#include <memory>
#include <optional>

#include "countersign/error.h"
#include "countersign/keys.h"

#include "sealing/box.h"
#include "sealing/keyring.h"
#include "sealing/signature.h"
#include "sqlite/database.h"

namespace countersign::membership {

/// What this node is, as the table `node` keeps it in one row: everything secret is sealed under
/// the node's master key, and that is wrapped by the application's KeyProvider.
struct Identity {
    PoolId pool;
    NodeId node;
    sealing::PublicKey root_key{};
    Bytes wrapped_master_key;
    Bytes sealed_secrets;  ///< sealing::seal_secrets
};

/// The table `node`, as `user_version` 1 of the file has it.
extern const char* const identity_schema_sql;

/// Errors: errc::not_a_store when there is no row.
Result<Identity> read_identity(sqlite::Database& database);
/// Replaces the row within the caller's transaction.
Result<void> write_identity(sqlite::Database& database, const Identity& identity);

/// Takes the next `count` of this directory's link counters within the caller's transaction, and
/// returns the last of them. The first of all is 1.
Result<std::uint64_t> take_link_counters(sqlite::Database& database, std::uint64_t count);

/// The node's private keys and keyring, opened.
struct OpenedIdentity {
    sealing::Key master_key;
    sealing::SigningKey signing_key;
    sealing::BoxKey channel_key;
    sealing::NodeSecrets secrets;
    std::shared_ptr<const sealing::Keyring> keyring;
};

/// Asks the provider for the master key and opens what it seals. Errors: as KeyProvider::unwrap,
/// and errc::corrupt.
Result<OpenedIdentity> open_identity(const Identity& identity, KeyProvider& provider);

/// Wraps a master key. `fresh` is random.
Result<Bytes> wrap_master_key(const sealing::Key& master_key,
                              const KeyContext& context,
                              KeyProvider& provider,
                              KeyProvider::Entropy fresh);

}  // namespace countersign::membership
