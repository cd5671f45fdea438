#include "attempts/received_rows.h"

#include <algorithm>
#include <utility>

namespace countersign::attempts {
namespace {

Result<ReceivedRow> verify(const AttemptRow& row) {
    const sealing::Signature signature{row.signature.bytes};
    if (row.kind == RowKind::tally) {
        auto tally = verify_tally(row.bytes, signature);
        if (!tally) return tally.error();
        return ReceivedRow{std::move(*tally), signature};
    }
    auto spent = verify_spent(row.bytes, signature);
    if (!spent) return spent.error();
    return ReceivedRow{std::move(*spent), signature};
}

Author author_of(const ReceivedRow& row) {
    return std::visit([](const auto& one) { return Author{one.node, one.incarnation}; }, row.row);
}

}  // namespace

RowSeq ReceivedRow::row_seq() const {
    return std::visit([](const auto& one) { return one.row_seq; }, row);
}

LogSeq ReceivedRow::head() const {
    return std::visit([](const auto& one) { return one.head; }, row);
}

const CredentialId& ReceivedRow::credential() const {
    return std::visit([](const auto& one) -> const CredentialId& { return one.credential; }, row);
}

Result<std::vector<ReceivedRow>> verify_run(const RowRun& run, RowSeq held, RowSeq last) {
    std::vector<ReceivedRow> rows;
    for (const auto& each : run.rows) {
        if (each.seq <= held || each.seq > last) continue;
        auto row = verify(each);
        if (!row) return row.error();
        const Author author{run.author.node, run.author.incarnation};
        if (author_of(*row) != author || row->row_seq() != each.seq) {
            return Error(errc::malformed, "a row that is not what its run says");
        }
        rows.push_back(std::move(*row));
    }
    return rows;
}

Result<bool> is_of_a_twin(const ReceivedRow& row, Tables& tables, const AuthorRow& self) {
    if (row.row_seq() > self.row_seq) return true;
    const Author author = author_of(row);
    const auto bytes = std::visit([](const auto& one) { return encode(one); }, row.row);
    bool differs = false;
    const auto read = tables.each_of(author, row.row_seq(), [&](const SignedRow& own) {
        differs = own.row_seq == row.row_seq() && !std::ranges::equal(own.bytes, bytes);
        return false;
    });
    if (!read) return read.error();
    if (differs || !std::holds_alternative<TallyRow>(row.row)) return differs;
    const auto tallies = tables.tallies(row.credential());
    if (!tallies) return tallies.error();
    // What this directory wrote of a credential last cannot be older than what it wrote.
    return std::ranges::any_of(*tallies, [&](const StoredTally& own) {
        return own.row.author() == author && own.row.row_seq < row.row_seq();
    });
}

}  // namespace countersign::attempts
