#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "countersign/error.h"
#include "countersign/link.h"

#include "log/ledger.h"
#include "log/run.h"

namespace countersign::log {

/// How many handles of staged records may wait for their table: they are random numbers, and each
/// goes to a page of its own unless many are written in their order. Higher: less is written in
/// all; longer transactions, and 34 bytes of memory each.
constexpr std::size_t waiting_handles_limit = 100'000;

/// The staging tables, as `user_version` 1 of the file has them: two more sets of `record`,
/// `handle`, `head` and `batch`, by the prefixes `staged_` and `old_`, and the row `staging`.
std::string staging_schema_sql();

/// The receiver's half of a copy: pages of records into the `staged_` tables, batches on top of
/// them, and when the last of these signs what the rows add up to, the staged tables take the names
/// of the live ones, which nothing here has touched until then. What is left over lies under `old_`
/// until `drop_old` has emptied it.
///
/// All calls that write belong into a transaction of the caller's, which commits when they give a
/// value and must be rolled back on an error: then nothing happened. So a crash resumes at what was
/// committed last. Statements that were prepared on the tables, on this or other handles, go on
/// with whatever has their names; a reader's snapshot keeps what it has.
class Staging {
  public:
    /// `database` is the handle that writes.
    static Result<Staging> prepare(sqlite::Database& database,
                                   PoolId pool,
                                   sealing::KeyView digest_key);

    /// How far the copy has come. A designation that was learnt after a page came and is based
    /// below that page's moment ends the copy: some of what it holds may have been left out.
    Result<CopyState> state();

    /// Begins a copy with nothing staged, in constant time unless `old_` is still full: then that
    /// is emptied first.
    Result<CopyState> begin(sqlite::Database& database);

    /// Adds a page behind those before; the last one turns the stage to replaying. Errors:
    /// errc::conflict when no copy is being paged; errc::malformed, errc::too_large.
    Result<CopyState> stage(const CopyPage& page);

    struct Replayed {
        CopyState state;
        /// The store's head, when the copy was proved and serves from this commit on.
        std::optional<Head> head;
        /// With `head`: what the store held before, and holds no more.
        std::vector<RecordKey> left_out;
        /// Why the copy was given up: errc::digest_mismatch at its last batch; errc::fork when a
        /// signed batch contradicts one that was replayed; errc::wrong_epoch when one was left out
        /// by a later designation. No copy is under way then, which must be committed too.
        std::optional<Error> failure;
    };
    /// Applies the batches `first` to `last` of the copy's state, in as many calls as it takes. The
    /// first, the anchor, is proved by its own signature, and no more is done with it: every page
    /// was read after it. Each change of the others counts only if newer than the row. Errors:
    /// errc::conflict when no copy is being replayed; errc::chain_gap (also above `last`), and
    /// those of accept but errc::fork and errc::digest_mismatch.
    ///
    /// A copy that was proved and ends below `useful_from` is let go of: the store's own log has
    /// gone on past it meanwhile, fed by another link, and it must not go back.
    Result<Replayed> replay(sqlite::Database& database,
                            std::span<const SignedBatch> batches,
                            LogSeq useful_from);

    /// Gives the copy up, in the time of `begin`.
    Result<void> discard(sqlite::Database& database);

    /// Erases up to `limit` rows that a copy has replaced or that were given up; returns how many
    /// went: fewer than `limit` when all have gone.
    Result<std::uint64_t> drop_old(std::uint64_t limit);

  private:
    enum class Query {
        read,
        write,
        end,
        unindexed,
        anything_staged,
        forget_head,
        drop_records,
        drop_handles,
        drop_batches,
        drop_head,
        left_out,
        count
    };
    /// The row `staging`.
    struct Row {
        CopyState state;
        DesignationKey known;      ///< the greatest held when the copy began, or its last page came
        std::int64_t indexed = 0;  ///< the rowid up to which handles are in their table
        std::uint64_t waiting_handles = 0;  ///< of the records behind that one
    };

    Staging(Ledger staged, sqlite::Statements<Query> statements)
        : staged_(std::move(staged)), statements_(std::move(statements)) {}

    Result<std::optional<Row>> read_row();
    Result<void> write_row(const Row& row);
    Result<std::optional<Row>> valid_row();
    Result<void> note_designation(Row& row);
    Result<void> write_records(const CopyPage& page);
    Result<void> index_handles(Row& row);
    Result<void> set_aside(sqlite::Database& database);
    Result<std::vector<RecordKey>> read_left_out();
    Result<void> swap_in(sqlite::Database& database);
    Result<Replayed> give_up(sqlite::Database& database, Error why);
    Result<std::optional<Error>> apply(const SignedBatch& batch,
                                       const Proved& proved,
                                       Successors& successors,
                                       Head& head);

    Ledger staged_;
    sqlite::Statements<Query> statements_;
};

}  // namespace countersign::log
