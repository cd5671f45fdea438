#include "membership/designations.h"

#include <algorithm>
#include <utility>

#include "records/codec.h"

namespace countersign::membership {

const char* const schema_sql = R"sql(
CREATE TABLE designation (
    root_term INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    node BLOB NOT NULL,
    signature BLOB NOT NULL,
    bytes BLOB NOT NULL,
    PRIMARY KEY (root_term, epoch, node)
) STRICT;
)sql";

namespace {

Result<std::optional<records::Designation>> only(Result<sqlite::Rows> rows) {
    if (!rows) return rows.error();
    const auto found = rows->next();
    if (!found) return found.error();
    if (!*found) return std::nullopt;
    auto designation = records::decode_designation(rows->blob(0));
    if (!designation) return Error(errc::corrupt, "a stored designation");
    return std::optional(std::move(*designation));
}

}  // namespace

records::SignedStatement sign(const records::Designation& designation,
                              const sealing::SigningKey& key) {
    records::SignedStatement statement;
    statement.bytes = records::encode(designation);
    statement.signature = sealing::sign(sealing::SignatureKind::designation, statement.bytes, key);
    return statement;
}

Designations::Designations(sqlite::Statement current,
                           sqlite::Statement find,
                           sqlite::Statement all,
                           sqlite::Statement add)
    : current_(std::move(current)),
      find_(std::move(find)),
      all_(std::move(all)),
      add_(std::move(add)) {}

Result<Designations> Designations::prepare(sqlite::Database& database) {
    auto current = database.prepare(
        "SELECT bytes FROM designation ORDER BY root_term DESC, epoch DESC, node DESC LIMIT 1");
    if (!current) return current.error();
    auto find = database.prepare(
        "SELECT bytes FROM designation WHERE root_term = ? AND epoch = ? AND node = ?");
    if (!find) return find.error();
    auto all = database.prepare(
        "SELECT bytes, signature FROM designation ORDER BY root_term, epoch, node");
    if (!all) return all.error();
    auto add = database.prepare(
        "INSERT OR IGNORE INTO designation (root_term, epoch, node, signature, bytes)"
        " VALUES (?, ?, ?, ?, ?)");
    if (!add) return add.error();
    return Designations(std::move(*current), std::move(*find), std::move(*all), std::move(*add));
}

Result<std::optional<records::Designation>> Designations::current() {
    return only(current_.query());
}

Result<std::optional<records::Designation>> Designations::find(RootTerm root_term,
                                                               Epoch epoch,
                                                               NodeId node) {
    return only(find_.query(root_term, epoch, node));
}

Result<std::vector<records::SignedStatement>> Designations::all() {
    auto rows = all_.query();
    if (!rows) return rows.error();
    std::vector<records::SignedStatement> statements;
    for (;;) {
        const auto found = rows->next();
        if (!found) return found.error();
        if (!*found) return statements;
        const auto bytes = rows->blob(0);
        const auto signature = sealing::Signature::from_bytes(rows->blob(1));
        if (!signature) return Error(errc::corrupt, "a stored designation");
        statements.push_back({.bytes = {bytes.begin(), bytes.end()}, .signature = *signature});
    }
}

Result<records::Designation> Designations::add(const records::SignedStatement& statement,
                                               const Signers& signers) {
    auto designation = records::decode_designation(statement.bytes);
    if (!designation) return designation.error();
    if (designation->pool != signers.pool) {
        return Error(errc::wrong_pool, "a designation of another pool");
    }
    const auto signed_by = [&](const sealing::PublicKey& key) {
        return sealing::verify(
            sealing::SignatureKind::designation, statement.bytes, statement.signature, key);
    };
    const bool may_designate_itself =
        std::ranges::find(signers.self_signers, designation->node) != signers.self_signers.end();
    if (!signed_by(signers.root_key) &&
        !(may_designate_itself && signed_by(designation->node.bytes))) {
        return Error(errc::bad_signature, "a designation that nobody entitled has signed");
    }
    auto stored = add_.run(designation->root_term,
                           designation->epoch,
                           designation->node,
                           statement.signature,
                           statement.bytes);
    if (!stored) return stored.error();
    return designation;
}

}  // namespace countersign::membership
