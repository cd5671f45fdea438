#include "log/ledger.h"

#include <utility>

#include "countersign/mutants.h"

namespace countersign::log {

Result<Ledger> Ledger::prepare(sqlite::Database& database,
                               PoolId pool,
                               sealing::KeyView digest_key,
                               std::string_view tables) {
    auto reader = records::Reader::prepare(database, tables);
    if (!reader) return reader.error();
    auto writer = records::Writer::prepare(database, tables);
    if (!writer) return writer.error();
    auto head = HeadRow::prepare(database, tables);
    if (!head) return head.error();
    auto batches = BatchTable::prepare(database, tables);
    if (!batches) return batches.error();
    auto designations = membership::Designations::prepare(database);
    if (!designations) return designations.error();
    return Ledger{pool,
                  RowHasher(digest_key),
                  std::move(*reader),
                  std::move(*writer),
                  std::move(*head),
                  std::move(*batches),
                  std::move(*designations)};
}

Result<void> Ledger::apply(const records::Change& change, LogSeq seq, Digest& digest) {
    if (change.before) return replace(change.before, change, seq, digest);
    const auto before = reader.get(change.name);
    if (!before) return before.error();
    return replace(*before, change, seq, digest);
}

Result<void> Ledger::apply_if_newer(const records::Change& change, LogSeq seq, Digest& digest) {
    const auto before = reader.get(change.name);
    if (!before) return before.error();
    if (*before && (*before)->seq >= seq) return {};
    if (is_planted(Mutant::keep_deleted) && !change.put) return {};
    if (is_planted(Mutant::skip_copy_proof) && *before) return {};
    return replace(*before, change, seq, digest);
}

Result<void> Ledger::replace(const std::optional<records::StoredRecord>& before,
                             const records::Change& change,
                             LogSeq seq,
                             Digest& digest) {
    if (auto written = writer.write(change, seq, before); !written) return written;
    const bool is_counted = !is_planted(Mutant::digest_keeps_erased) || change.put;
    if (before && is_counted) {
        digest.subtract(hash_row(change.name, before->seq, before->sealed, before->handles));
    }
    if (change.put) digest.add(hash_row(change.name, seq, change.put->sealed, change.put->handles));
    return {};
}

}  // namespace countersign::log
