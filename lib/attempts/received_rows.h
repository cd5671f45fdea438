#pragma once

#include <optional>
#include <variant>
#include <vector>

#include "countersign/error.h"
#include "countersign/ids.h"
#include "countersign/rows.h"

#include "attempts/spent.h"
#include "attempts/tables.h"
#include "attempts/tally.h"
#include "sealing/signature.h"

/// Rows as they come from other nodes, whoever carried them: what is known of them before the
/// tables are asked.
namespace countersign::attempts {

/// A row that its author has signed, and that says what its place in the stream says.
struct ReceivedRow {
    std::variant<TallyRow, SpentRow> row;
    sealing::Signature signature;

    RowSeq row_seq() const;
    LogSeq head() const;
    const CredentialId& credential() const;
};

/// Verifies those rows of a run that lie above `held` and not above `last`; the others are not
/// looked at. About 80 µs each. Errors: errc::bad_signature; errc::malformed for a row of another
/// author, place or kind than its run says, and as decode_tally; errc::too_large;
/// errc::unsupported_version.
Result<std::vector<ReceivedRow>> verify_run(const RowRun& run, RowSeq held, RowSeq last);

/// Whether a row that this node signed was never written by this directory: another one lives the
/// same life. `row` is verified, and of the author whose row `self` is. Rows that were superseded
/// or dropped since prove nothing. Errors: those of Tables.
Result<bool> is_of_a_twin(const ReceivedRow& row, Tables& tables, const AuthorRow& self);

}  // namespace countersign::attempts
