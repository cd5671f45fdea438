#include "membership/identity.h"

#include <utility>

#include "sqlite/read.h"

namespace countersign::membership {

const char* const identity_schema_sql = R"sql(
CREATE TABLE node (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    pool BLOB NOT NULL,
    node BLOB NOT NULL,
    root_key BLOB NOT NULL,
    wrapped_master_key BLOB NOT NULL,
    sealed_secrets BLOB NOT NULL,
    link_counter INTEGER NOT NULL DEFAULT 0
) STRICT;
)sql";

namespace {

Bytes to_bytes(BytesView view) {
    return {view.begin(), view.end()};
}

}  // namespace

Result<Identity> read_identity(sqlite::Database& database) {
    auto read = database.prepare(
        "SELECT pool, node, root_key, wrapped_master_key, sealed_secrets FROM node");
    if (!read) return read.error();
    auto rows = read->query();
    if (!rows) return rows.error();
    const auto found = rows->next();
    if (!found) return found.error();
    if (!*found) return Error(errc::not_a_store, "the file was never finished; make it again");
    const auto pool = rows->as<PoolId>(0);
    if (!pool) return pool.error();
    const auto node = rows->as<NodeId>(1);
    if (!node) return node.error();
    const auto root_key = rows->as<NodeId>(2);
    if (!root_key) return root_key.error();
    return Identity{.pool = *pool,
                    .node = *node,
                    .root_key = root_key->bytes,
                    .wrapped_master_key = to_bytes(rows->blob(3)),
                    .sealed_secrets = to_bytes(rows->blob(4))};
}

Result<void> write_identity(sqlite::Database& database, const Identity& identity) {
    auto write = database.prepare(
        "INSERT INTO node (one, pool, node, root_key, wrapped_master_key, sealed_secrets)"
        " VALUES (1, ?, ?, ?, ?, ?) ON CONFLICT (one) DO UPDATE SET pool = excluded.pool,"
        " node = excluded.node, root_key = excluded.root_key,"
        " wrapped_master_key = excluded.wrapped_master_key,"
        " sealed_secrets = excluded.sealed_secrets");
    if (!write) return write.error();
    return write->run(identity.pool,
                      identity.node,
                      BytesView(identity.root_key),
                      identity.wrapped_master_key,
                      identity.sealed_secrets);
}

Result<std::uint64_t> take_link_counters(sqlite::Database& database, std::uint64_t count) {
    auto take =
        database.prepare("UPDATE node SET link_counter = link_counter + ? RETURNING link_counter");
    if (!take) return take.error();
    const auto last =
        sqlite::one_row(take->query(count), [](const sqlite::Rows& rows) -> Result<std::uint64_t> {
            return static_cast<std::uint64_t>(rows.integer(0));
        });
    if (!last) return last.error();
    if (!*last) return Error(errc::not_a_store, "the file was never finished; make it again");
    return **last;
}

Result<OpenedIdentity> open_identity(const Identity& identity, KeyProvider& provider) {
    const KeyContext context{.pool = identity.pool, .node = identity.node};
    auto master = provider.unwrap(identity.wrapped_master_key, context);
    if (!master) return master.error();
    if (master->size() != sealing::key_size) {
        return Error(errc::wrong_key, "the key provider gave a key of another size");
    }
    sealing::Key master_key(std::move(*master));
    auto opened = sealing::open_secrets(identity.sealed_secrets, context, master_key);
    if (!opened) {
        return opened.error() == errc::wrong_key
                   ? Error(errc::corrupt, "this node's sealed keys are damaged")
                   : opened.error();
    }
    sealing::SigningKey signing_key(opened->node.signing_seed.view());
    if (signing_key.public_key() != identity.node.bytes) {
        return Error(errc::corrupt, "this node's keys are not those of its id");
    }
    sealing::BoxKey channel_key(opened->node.channel_secret.view());
    return OpenedIdentity{
        .master_key = std::move(master_key),
        .signing_key = std::move(signing_key),
        .channel_key = std::move(channel_key),
        .secrets = std::move(opened->node),
        .keyring = std::make_shared<const sealing::Keyring>(std::move(opened->keyring))};
}

Result<Bytes> wrap_master_key(const sealing::Key& master_key,
                              const KeyContext& context,
                              KeyProvider& provider,
                              KeyProvider::Entropy fresh) {
    auto wrapped = provider.wrap(Secret(master_key.view()), context, fresh);
    if (!wrapped) return wrapped.error();
    if (wrapped->size() > KeyProvider::max_wrapped_size) {
        return Error(errc::too_large, "the key provider's wrapped key is above 16 KiB");
    }
    return *std::move(wrapped);
}

}  // namespace countersign::membership
