#include "sqlite/database.h"

#include <algorithm>
#include <cassert>
#include <utility>
#include <vector>

#include "sqlite/connection.h"
#include "sqlite/statement.h"

namespace countersign::sqlite {
namespace {

/// SQLite's files take less than 128 KiB at a time.
constexpr int rewriting_piece = 64 << 10;

}  // namespace

Database::Database(std::shared_ptr<Connection> connection) : connection_(std::move(connection)) {}
Database::Database(Database&&) noexcept = default;
Database& Database::operator=(Database&&) noexcept = default;
Database::~Database() = default;

Result<Database> Database::open(const std::string& path, const OpenOptions& options) {
    auto connection = std::make_shared<Connection>(path, options);
    if (auto opened = connection->open(options); !opened) return opened.error();
    return Database(std::move(connection));
}

Result<Statement> Database::prepare(std::string_view sql) {
    if (auto ready = connection_->ready(); !ready) return ready.error();
    return Statement::prepare(connection_, sql);
}

Result<void> Database::execute(const char* sql) {
    if (auto ready = connection_->ready(); !ready) return ready;
    return connection_->execute(sql, "changing the schema of");
}

Result<Checkpoint> Database::checkpoint(CheckpointMode mode) {
    assert(!connection_->read_only && !connection_->transaction_open);
    if (auto ready = connection_->ready(); !ready) return ready.error();
    int frames = 0;
    int moved = 0;
    const int code = sqlite3_wal_checkpoint_v2(
        connection_->handle,
        "main",
        mode == CheckpointMode::passive ? SQLITE_CHECKPOINT_PASSIVE : SQLITE_CHECKPOINT_TRUNCATE,
        &frames,
        &moved);
    const bool waits_for_readers = code == SQLITE_BUSY && frames >= 0;
    if (code != SQLITE_OK && !waits_for_readers) return connection_->fail(code, "checkpointing");
    // -1 where the file is not (yet) in WAL mode: nothing to move.
    Checkpoint done{.complete = code == SQLITE_OK && frames == moved,
                    .frames = frames < 0 ? 0 : frames,
                    .moved = moved < 0 ? 0 : moved};
    if (done.complete) connection_->wal_bytes = 0;
    return done;
}

Result<void> Database::rewrite_log() {
    assert(!connection_->read_only && !connection_->transaction_open);
    if (auto ready = connection_->ready(); !ready) return ready;
    // Opens the log where there is one.
    if (const auto read = connection_->fixed(Fixed::first_read, "reading"); !read) {
        return read.error();
    }
    sqlite3_file* file = nullptr;
    sqlite3_file_control(connection_->handle, "main", SQLITE_FCNTL_JOURNAL_POINTER, &file);
    if (!file || !file->pMethods) return {};
    sqlite3_int64 size = 0;
    int code = file->pMethods->xFileSize(file, &size);
    std::vector<std::byte> piece(rewriting_piece);
    for (sqlite3_int64 at = 0; code == SQLITE_OK && at < size; at += rewriting_piece) {
        const int length = static_cast<int>(std::min<sqlite3_int64>(size - at, rewriting_piece));
        code = file->pMethods->xRead(file, piece.data(), length, at);
        if (code == SQLITE_OK) code = file->pMethods->xWrite(file, piece.data(), length, at);
    }
    if (code == SQLITE_OK) code = file->pMethods->xSync(file, SQLITE_SYNC_FULL);
    if (code != SQLITE_OK) return connection_->fail(code, "writing anew the log of");
    return {};
}

Result<void> Database::vacuum() {
    assert(!connection_->read_only && !connection_->transaction_open);
    if (auto ready = connection_->ready(); !ready) return ready;
    // SQLite attaches the new file, in memory, to this handle.
    sqlite3_limit(connection_->handle, SQLITE_LIMIT_ATTACHED, 1);
    const auto done = connection_->execute("VACUUM", "rewriting");
    sqlite3_limit(connection_->handle, SQLITE_LIMIT_ATTACHED, 0);
    return done;
}

std::uint64_t Database::wal_bytes() const noexcept {
    return connection_->wal_bytes;
}

Result<std::int64_t> Database::data_version() {
    if (auto ready = connection_->ready(); !ready) return ready.error();
    return connection_->fixed(Fixed::data_version, "reading");
}

Result<std::int32_t> Database::application_id() {
    if (auto ready = connection_->ready(); !ready) return ready.error();
    const auto number = connection_->number("PRAGMA application_id");
    if (!number) return number.error();
    return static_cast<std::int32_t>(*number);
}

Result<std::int32_t> Database::user_version() {
    if (auto ready = connection_->ready(); !ready) return ready.error();
    const auto number = connection_->number("PRAGMA user_version");
    if (!number) return number.error();
    return static_cast<std::int32_t>(*number);
}

Result<std::int64_t> Database::object_count() {
    if (auto ready = connection_->ready(); !ready) return ready.error();
    return connection_->number("SELECT count(*) FROM sqlite_schema");
}

std::int64_t Database::changed_rows() const noexcept {
    return sqlite3_changes64(connection_->handle);
}

const std::string& Database::path() const noexcept {
    return connection_->path;
}

bool Database::read_only() const noexcept {
    return connection_->read_only;
}

Health& Database::health() const noexcept {
    return *connection_->health;
}

bool Database::in_transaction() const noexcept {
    return sqlite3_get_autocommit(connection_->handle) == 0;
}

}  // namespace countersign::sqlite
