#pragma once

// Private to this room: what a Database and its statements share.

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <sqlite3.h>

#include "countersign/error.h"

#include "sqlite/database.h"

namespace countersign::sqlite {

/// What SQLite's extended result code means to a caller. `system_errno` is 0 where there is none.
errc meaning(int code, int system_errno) noexcept;

/// The statements that the room itself runs; prepared when first needed.
enum class Fixed { begin, begin_immediate, commit, rollback, first_read, data_version, count };

class Connection {
  public:
    Connection(std::string path, const OpenOptions& options);
    ~Connection();
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    Result<void> open(const OpenOptions& options);

    /// The error of a call that returned `code`. A failed sync makes the store suspect. `doing` is
    /// a verb and its object's preposition: "writing to", "reading".
    Error fail(int code, std::string_view doing);
    /// Whether a statement may run: the store is sound, and its transaction was not rolled back by
    /// an earlier failure.
    Result<void> ready() const;

    Result<std::int64_t> fixed(Fixed which, std::string_view doing);
    /// Makes that statement ready, so that running it needs as little memory as can be.
    Result<void> prepare_fixed(Fixed which, std::string_view doing);
    /// One row of one number.
    Result<std::int64_t> number(const char* sql);
    Result<void> execute(const char* sql, std::string_view doing);
    /// Whether a write of a whole sector cannot disturb its neighbours, so that SQLite writes
    /// nothing to the log after a commit's last frame.
    bool powersafe_overwrite() const noexcept;

    sqlite3* handle = nullptr;
    const std::string path;
    const bool read_only;
    const std::shared_ptr<Health> health;
    std::uint64_t wal_bytes = 0;
    bool transaction_open = false;     ///< a Transaction or ReadTransaction lives
    std::optional<Error> rolled_back;  ///< the failure that ended it early

  private:
    Result<void> configure(const OpenOptions& options);
    Result<void> use_wal();
    Error describe(int code, std::string_view doing);

    std::array<sqlite3_stmt*, static_cast<std::size_t>(Fixed::count)> fixed_{};
    std::uint64_t page_bytes_ = 4096;
};

}  // namespace countersign::sqlite
