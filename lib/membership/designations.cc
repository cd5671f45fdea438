#include "membership/designations.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <utility>

#include "records/codec.h"
#include "sqlite/read.h"

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

constexpr std::uint64_t number_limit = std::numeric_limits<std::int64_t>::max();

Result<records::Designation> to_designation(const sqlite::Rows& rows) {
    auto designation = records::decode_designation(rows.blob(0));
    if (!designation) return Error(errc::corrupt, "a stored designation");
    return designation;
}

}  // namespace

records::SignedStatement sign(const records::Designation& designation,
                              const sealing::SigningKey& key) {
    records::SignedStatement statement;
    statement.bytes = records::encode(designation);
    statement.signature = sealing::sign(sealing::SignatureKind::designation, statement.bytes, key);
    return statement;
}

Result<Designations> Designations::prepare(sqlite::Database& database) {
    auto statements = sqlite::Statements<Query>::prepare(
        database,
        {{{Query::current,
           "SELECT bytes FROM designation ORDER BY root_term DESC, epoch DESC, node DESC LIMIT 1"},
          {Query::find,
           "SELECT bytes FROM designation WHERE root_term = ? AND epoch = ? AND node = ?"},
          {Query::after,
           "SELECT bytes FROM designation WHERE (root_term, epoch, node) > (?, ?, ?)"
           " ORDER BY root_term, epoch, node"},
          {Query::of_epoch, "SELECT bytes FROM designation WHERE epoch = ?"},
          {Query::all, "SELECT bytes, signature FROM designation ORDER BY root_term, epoch, node"},
          {Query::add,
           "INSERT INTO designation (root_term, epoch, node, signature, bytes)"
           " VALUES (?, ?, ?, ?, ?)"}}});
    if (!statements) return statements.error();
    return Designations(std::move(*statements));
}

Result<std::optional<records::Designation>> Designations::current() {
    return sqlite::one_row(statements_[Query::current].query(), to_designation);
}

Result<std::optional<records::Designation>> Designations::find(RootTerm root_term,
                                                               Epoch epoch,
                                                               NodeId node) {
    // Whoever sends a batch chooses these.
    if (value(root_term) > number_limit || value(epoch) > number_limit) return std::nullopt;
    return sqlite::one_row(statements_[Query::find].query(root_term, epoch, node), to_designation);
}

Result<std::vector<records::Designation>> Designations::after(RootTerm root_term,
                                                              Epoch epoch,
                                                              NodeId node) {
    std::vector<records::Designation> later;
    const auto read = sqlite::each_row(statements_[Query::after].query(root_term, epoch, node),
                                       [&](const sqlite::Rows& rows) -> Result<bool> {
                                           const auto designation = to_designation(rows);
                                           if (!designation) return designation.error();
                                           later.push_back(*designation);
                                           return true;
                                       });
    if (!read) return read.error();
    return later;
}

Result<std::vector<records::SignedStatement>> Designations::all() {
    std::vector<records::SignedStatement> statements;
    const auto read = sqlite::each_row(
        statements_[Query::all].query(), [&](const sqlite::Rows& rows) -> Result<bool> {
            auto row = sqlite::columns<Bytes, sealing::Signature>(rows);
            if (!row) return row.error();
            statements.push_back(
                {.bytes = std::move(std::get<0>(*row)), .signature = std::get<1>(*row)});
            return true;
        });
    if (!read) return read.error();
    return statements;
}

Result<void> Designations::check_succession(const records::Designation& designation,
                                            bool by_root_key) {
    const auto epoch = value(designation.epoch);
    const auto root_term = value(designation.root_term);
    if (epoch == 0 || epoch > number_limit || root_term == 0 || root_term > number_limit ||
        value(designation.base_seq) > number_limit) {
        return Error(errc::malformed, "a designation with an impossible term, epoch or base");
    }
    if ((designation.base_seq == LogSeq{0}) != (designation.base_hash == sealing::Hash256{})) {
        return Error(errc::malformed, "a designation whose base has no hash");
    }
    if (epoch == 1) {
        const bool first = root_term == 1 && designation.base_seq == LogSeq{0} &&
                           designation.previous == sealing::Hash256{};
        if (!first) return Error(errc::malformed, "a first designation that follows something");
        if (!by_root_key) {
            return Error(errc::bad_signature, "a first designation not by the root key");
        }
        return {};
    }
    std::optional<records::Designation> before;
    const auto read =
        sqlite::each_row(statements_[Query::of_epoch].query(epoch - 1),
                         [&](const sqlite::Rows& rows) -> Result<bool> {
                             if (sealing::hash256(rows.blob(0)) != designation.previous) {
                                 return true;
                             }
                             const auto found = to_designation(rows);
                             if (!found) return found.error();
                             before = *found;
                             return false;
                         });
    if (!read) return read;
    if (!before) {
        return Error(errc::chain_gap, "the designation before this one is not held");
    }
    // The root key outranks whom it designated: only it raises the term.
    const bool follows = by_root_key ? designation.root_term > before->root_term
                                     : designation.root_term == before->root_term;
    if (!follows) return Error(errc::malformed, "a designation whose root term does not follow");
    return {};
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
    const bool by_root_key = signed_by(signers.root_key);
    const bool may_designate_itself =
        std::ranges::find(signers.self_signers, designation->node) != signers.self_signers.end();
    if (!by_root_key && !(may_designate_itself && signed_by(designation->node.bytes))) {
        return Error(errc::bad_signature, "a designation that nobody entitled has signed");
    }
    if (auto follows = check_succession(*designation, by_root_key); !follows) {
        return follows.error();
    }
    const auto held =
        sqlite::one_row(statements_[Query::find].query(
                            designation->root_term, designation->epoch, designation->node),
                        [](const sqlite::Rows& rows) { return sqlite::column<Bytes>(rows, 0); });
    if (!held) return held.error();
    if (*held) {
        if (**held == statement.bytes) return designation;
        return Error(errc::fork, "a node has signed two designations of one term and epoch");
    }
    auto stored = statements_[Query::add].run(designation->root_term,
                                              designation->epoch,
                                              designation->node,
                                              statement.signature,
                                              statement.bytes);
    if (!stored) return stored.error();
    return designation;
}

}  // namespace countersign::membership
