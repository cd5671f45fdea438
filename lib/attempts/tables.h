#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "countersign/error.h"
#include "countersign/ids.h"
#include "countersign/time.h"

#include "attempts/spent.h"
#include "attempts/tally.h"
#include "sealing/signature.h"
#include "sqlite/database.h"
#include "sqlite/statement.h"

namespace countersign::attempts {

/// The tables `tally`, `spent`, `author`, `heard` and `renewed`, as `user_version` 1 of the file
/// has them.
extern const char* const schema_sql;

/// Place of a failure in the order in which this directory learned of failures, its own and those
/// of others. Never leaves the directory. The first is 1.
enum class Arrival : std::uint64_t {};

/// Whose rows this directory writes, and how far it has come: the one row of the table `author`.
struct AuthorRow {
    Incarnation incarnation{};
    UnixTime started;          ///< when this incarnation began
    bool is_restored = false;  ///< it began with a copied or restored directory
    /// Of a restored primary: it is known that no batches of its own are missing here.
    bool is_confirmed = true;
    /// A member has brought what it knew of attempts, or there was nobody to ask: until then this
    /// node does not know what it should count.
    bool has_rows = true;
    RowSeq row_seq{};   ///< the greatest given to a row
    Arrival arrival{};  ///< of the newest failure
    UnixTime time;      ///< the greatest that this directory has written: its time floor

    friend bool operator==(const AuthorRow&, const AuthorRow&) = default;
};

struct StoredTally {
    TallyRow row;
    sealing::Signature signature;
    Arrival arrival{};  ///< of the newest failure in the row; 0: it never had one
};

struct StoredSpent {
    SpentRow row;
    sealing::Signature signature;
};

/// A row as its author signed it; `bytes` are for decode_tally or decode_spent.
struct SignedRow {
    enum class Kind { tally, spent };
    Kind kind;
    RowSeq row_seq;
    sealing::Signature signature;
    BytesView bytes;
};

/// What all nodes have seen of attempts, on one database handle. Reads see the handle's open
/// transaction; whatever changes rows belongs into one. Signatures were verified before rows came
/// here and are not verified again. Errors of all calls besides the database's: errc::corrupt, for
/// a row that is not what its columns say.
class Tables {
  public:
    static Result<Tables> prepare(sqlite::Database& database);

    /// No value before the first put_author.
    Result<std::optional<AuthorRow>> author();
    Result<void> put_author(const AuthorRow& author);

    /// Rising by (node, incarnation).
    Result<std::vector<StoredTally>> tallies(const CredentialId& credential);
    /// In place of the row of that author, whichever of the two is newer.
    /// Errors: errc::malformed when the `row_seq` is 2^63 or more.
    Result<void> put(const StoredTally& tally);
    Result<void> drop_tally(const CredentialId& credential, const Author& author);

    /// The rows that decide whether `code` is free: those of all TOTP steps of the credential when
    /// it is a step, else those of that code.
    Result<std::vector<SpentRow>> spent(const CredentialId& credential, const Code& code);
    /// Those of all codes of the credential.
    Result<std::vector<SpentRow>> spent(const CredentialId& credential);
    /// As put of a tally row.
    Result<void> put(const StoredSpent& spent);

    /// Calls `visit` for the tally and spent rows of one author in rising `row_seq`, the first at
    /// `from`, until it returns false. What it gets is valid during that call.
    Result<void> each_of(const Author& author,
                         RowSeq from,
                         const std::function<bool(const SignedRow&)>& visit);

    /// Up to where the rows of other authors have come, former lives of this node among them, in
    /// the order in which they were written; rising by (node, incarnation).
    Result<std::vector<std::pair<Author, RowSeq>>> heard();
    /// Errors: errc::malformed when the `row_seq` is 2^63 or more.
    Result<void> put_heard(const Author& author, RowSeq row_seq);

    /// How many rows of one node are held, all its lives together. About 50 ns for each.
    Result<std::uint64_t> count_tallies(const NodeId& node);
    Result<std::uint64_t> count_spent(const NodeId& node);
    /// Credentials of which rows of either kind are held, in their order: at most `limit`, from
    /// `from` on.
    Result<std::vector<CredentialId>> credentials(const std::optional<CredentialId>& from,
                                                  std::size_t limit);

    /// Whether this restored directory has itself seen the credential succeed, or be unlocked.
    Result<bool> is_renewed(const CredentialId& credential);
    Result<void> put_renewed(const CredentialId& credential);
    /// A new incarnation has seen nothing yet.
    Result<void> forget_renewed();

    /// All credentials of one user of which tally rows are held.
    Result<std::vector<CredentialId>> credentials_of(const UserId& user);
    /// Everything of everyone about one user: erasure.
    Result<void> erase(const UserId& user);
    /// Everything about a credential that its record no longer names.
    Result<void> erase(const CredentialId& credential);

    /// The three below go in slices: at most `limit` rows, and say how many they were.
    /// Spent rows that expired before `now`.
    Result<std::uint64_t> drop_expired(UnixTime now, std::uint64_t limit);
    /// Tally rows of `author`, up to and with `passed`, that say nothing. To be called with the
    /// least that a member's receipt covers: a member that still has an older form of such a row
    /// would never hear that its failures are gone.
    Result<std::uint64_t> drop_silent(const Author& author, RowSeq passed, std::uint64_t limit);
    /// Rows of an author, from the lowest `row_seq` on.
    Result<std::uint64_t> drop_all_of(const Author& author, std::uint64_t limit);

  private:
    explicit Tables(std::vector<sqlite::Statement> statements);
    Result<std::vector<SpentRow>> spent_between(const CredentialId& credential,
                                                const std::array<std::byte, Code::size>& first,
                                                const std::array<std::byte, Code::size>& last);
    Result<std::vector<CredentialId>> credentials_at(
        const std::array<std::byte, CredentialId::size>& first, std::size_t limit);

    std::vector<sqlite::Statement> statements_;
};

}  // namespace countersign::attempts
