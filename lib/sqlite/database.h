#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "countersign/error.h"
#include "countersign/time.h"

#include "sqlite/health.h"

namespace countersign::sqlite {

class Connection;
class Statement;

/// Marks a file as ours in its header (`PRAGMA application_id`): "csgn".
inline constexpr std::int32_t store_application_id = 0x6373676e;
/// No row, and no value bound to a statement, may be longer.
inline constexpr std::size_t max_row_bytes = std::size_t{16} << 20;

struct OpenOptions {
    std::string vfs;         ///< Environment::sqlite_vfs(); empty: SQLite's default
    bool read_only = false;  ///< a reader: `query_only`, never checkpoints
    bool create = false;     ///< make the file, mode 0600, where there is none
    /// Shared by all handles of this process on one file. None: one of its own.
    std::shared_ptr<Health> health;
    /// How long a call waits for SQLite's locks. Only recovery and checkpoints make anyone wait.
    milliseconds patience{5000};
    std::size_t cache_bytes = std::size_t{8} << 20;
};

enum class CheckpointMode {
    passive,   ///< moves what no reader stands in the way of; waits for nobody
    truncate,  ///< moves everything and empties the file; waits for readers, at most `patience`
};

struct Checkpoint {
    bool complete = false;    ///< everything was moved (truncate: and the file emptied)
    std::int64_t frames = 0;  ///< in the write-ahead log
    std::int64_t moved = 0;   ///< of them, those now in the database file
};

/// One handle on the store's SQLite file; for one thread at a time. WAL, `synchronous=FULL`, no
/// automatic checkpoints, nothing in temporary files, deleted content overwritten.
///
/// Errors of this and every other class here, besides those named: errc::disk_full,
/// errc::read_only, errc::corrupt, errc::io_error, errc::busy, errc::out_of_memory,
/// errc::outcome_unknown; the detail says what was done, to which file, and what to do.
///
/// While a handle is open nothing else in the process may open and close the same file: POSIX would
/// drop SQLite's locks.
class Database {
  public:
    /// Errors: errc::not_found (and `create` not set, or no such directory).
    static Result<Database> open(const std::string& path, const OpenOptions& options = {});

    Database(Database&&) noexcept;
    Database& operator=(Database&&) noexcept;
    /// Closes the file once the last of its statements is gone too. Never checkpoints.
    ~Database();

    /// Prepares one statement, for the life of the handle. `sql` is never built from input.
    Result<Statement> prepare(std::string_view sql);
    /// Runs statements without parameters or rows: the schema's.
    Result<void> execute(const char* sql);

    /// Moves the write-ahead log into the database file. The caller holds the directory's write
    /// lock and no transaction is open on this handle.
    Result<Checkpoint> checkpoint(CheckpointMode mode);
    /// Writes every byte of the write-ahead log over itself, and syncs: what is read from it is
    /// then on the disk. After a sync that failed, or that a killed process never came to, the
    /// system may give bytes that the disk does not have and that no later sync would write. The
    /// caller holds the directory's write lock.
    Result<void> rewrite_log();
    /// Writes the whole file anew through the write-ahead log: free space inside pages, too, may
    /// hold copies of rows that SQLite has moved and that were deleted since, which `secure_delete`
    /// does not reach. Needs memory and room on the disk of the size of the file's content; writers
    /// wait. As for `checkpoint`.
    Result<void> vacuum();
    /// Size of the write-ahead log after this handle's last commit; 0 after a complete checkpoint.
    std::uint64_t wal_bytes() const noexcept;

    /// Differs from its earlier value when another handle, here or in another process, committed
    /// meanwhile.
    Result<std::int64_t> data_version();
    Result<std::int32_t> application_id();
    Result<std::int32_t> user_version();
    /// How many tables, indexes, views and triggers the file has.
    Result<std::int64_t> object_count();
    /// Rows changed by the last statement that ran.
    std::int64_t changed_rows() const noexcept;

    const std::string& path() const noexcept;
    bool read_only() const noexcept;
    Health& health() const noexcept;
    /// Whether SQLite has a transaction open: not after one was rolled back by a failure.
    bool in_transaction() const noexcept;

  private:
    friend class Transaction;
    friend class ReadTransaction;
    explicit Database(std::shared_ptr<Connection> connection);
    std::shared_ptr<Connection> connection_;
};

}  // namespace countersign::sqlite
