#include "sqlite/connection.h"

#include <cassert>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

#include "countersign/mutants.h"

namespace countersign::sqlite {

namespace {

constexpr std::uint64_t wal_header_bytes = 32;
constexpr std::uint64_t wal_frame_header_bytes = 24;

constexpr const char* fixed_sql[] = {
    "BEGIN",
    "BEGIN IMMEDIATE",
    "COMMIT",
    "ROLLBACK",
    "PRAGMA user_version",
    "PRAGMA data_version",
};
static_assert(std::size(fixed_sql) == static_cast<std::size_t>(Fixed::count));

bool is_sync_failure(int code) noexcept {
    return code == SQLITE_IOERR_FSYNC || code == SQLITE_IOERR_DIR_FSYNC;
}

errc meaning_of_failed_open(int system_errno) noexcept {
    switch (system_errno) {
        case ENOENT:
        case ENOTDIR:
            return errc::not_found;
        case EACCES:
        case EPERM:
        case EROFS:
            return errc::read_only;
        case ENOSPC:
        case EDQUOT:
            return errc::disk_full;
        default:
            return errc::io_error;
    }
}

/// Of an open file: SQLite reports a quota that is used up, or a file system that turned read-only,
/// as any failure of the disk.
errc meaning_of_failed_io(int system_errno) noexcept {
    switch (system_errno) {
        case EROFS:
            return errc::read_only;
        case ENOSPC:
        case EDQUOT:
            return errc::disk_full;
        default:
            return errc::io_error;
    }
}

const char* remedy(errc code) noexcept {
    switch (code) {
        case errc::disk_full:
            return "nothing was lost; make room, then try again";
        case errc::read_only:
            return "give this user write permission on the directory and its files, on a file "
                   "system mounted for writing";
        case errc::not_found:
            return "check the path";
        case errc::corrupt:
            return "the file is damaged: copy the pool afresh from another node";
        case errc::busy:
            return "another process holds it; try again";
        case errc::out_of_memory:
            return "give the process more memory, then try again";
        case errc::outcome_unknown:
            return "whether the write is on disk is not known: see to the disk";
        case errc::already_exists:
        case errc::invalid_argument:
        case errc::too_large:
            return "nothing was written";
        default:
            return "see the system's log for the disk's errors";
    }
}

/// SQLite makes files with the mode of the process; ours are 0600 from the first moment, and it
/// gives its log and index the mode of the database. Errors show when SQLite opens the file.
void make_private_file(const std::string& path) {
    const int file =
        ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (file >= 0) ::close(file);
}

}  // namespace

errc meaning(int code, int system_errno) noexcept {
    switch (code) {
        case SQLITE_IOERR_FSYNC:
        case SQLITE_IOERR_DIR_FSYNC:
            return errc::outcome_unknown;
        case SQLITE_IOERR_NOMEM:
            return errc::out_of_memory;
        case SQLITE_IOERR_CORRUPTFS:
        case SQLITE_IOERR_DATA:
            return errc::corrupt;
        case SQLITE_CONSTRAINT_UNIQUE:
        case SQLITE_CONSTRAINT_PRIMARYKEY:
        case SQLITE_CONSTRAINT_ROWID:
            return errc::already_exists;
        default:
            break;
    }
    switch (code & 0xff) {
        case SQLITE_FULL:
            return errc::disk_full;
        case SQLITE_READONLY:
        case SQLITE_PERM:
            return errc::read_only;
        case SQLITE_CANTOPEN:
            return meaning_of_failed_open(system_errno);
        case SQLITE_IOERR:
            return meaning_of_failed_io(system_errno);
        case SQLITE_NOTADB:
        case SQLITE_CORRUPT:
        case SQLITE_ERROR:  // our own SQL is right, so the schema in the file is not ours
        case SQLITE_SCHEMA:
            return errc::corrupt;
        case SQLITE_NOMEM:
            return errc::out_of_memory;
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
        case SQLITE_PROTOCOL:
            return errc::busy;
        case SQLITE_TOOBIG:
            return errc::too_large;
        case SQLITE_CONSTRAINT:
        case SQLITE_MISMATCH:
            return errc::invalid_argument;
        case SQLITE_INTERRUPT:
            return errc::cancelled;
        default:
            return errc::io_error;
    }
}

Connection::Connection(std::string file, const OpenOptions& options)
    : path(std::move(file)),
      read_only(options.read_only),
      health(options.health ? options.health : std::make_shared<Health>()) {
    health->handles_.fetch_add(1, std::memory_order_acq_rel);
}

Connection::~Connection() {
    for (sqlite3_stmt* statement : fixed_) sqlite3_finalize(statement);
    [[maybe_unused]] const int code = sqlite3_close(handle);
    assert(code == SQLITE_OK);
    health->handles_.fetch_sub(1, std::memory_order_acq_rel);
}

Error Connection::describe(int code, std::string_view doing) {
    const int system_errno = handle ? sqlite3_system_errno(handle) : 0;
    const errc what = meaning(code, system_errno);
    const bool recent = handle && sqlite3_extended_errcode(handle) == code;
    std::string detail(doing);
    detail += ' ';
    detail += path;
    detail += " failed: ";
    detail += recent ? sqlite3_errmsg(handle) : sqlite3_errstr(code);
    detail += " (SQLite " + std::to_string(code);
    const bool from_system = (code & 0xff) == SQLITE_IOERR || (code & 0xff) == SQLITE_CANTOPEN;
    if (from_system && system_errno != 0) detail += std::string(", ") + std::strerror(system_errno);
    detail += "); ";
    detail += remedy(what);
    return Error(what, std::move(detail));
}

Error Connection::fail(int code, std::string_view doing) {
    Error error = describe(code, doing);
    if (is_sync_failure(code)) health->suspect(error.detail());
    if (transaction_open && handle && sqlite3_get_autocommit(handle) && !rolled_back) {
        rolled_back = error;
    }
    return error;
}

Result<void> Connection::ready() const {
    if (!health->sound()) [[unlikely]]
        return health->check();
    if (rolled_back) [[unlikely]]
        return *rolled_back;
    return {};
}

Result<void> Connection::prepare_fixed(Fixed which, std::string_view doing) {
    const auto index = static_cast<std::size_t>(which);
    if (fixed_[index]) return {};
    const int code = sqlite3_prepare_v3(
        handle, fixed_sql[index], -1, SQLITE_PREPARE_PERSISTENT, &fixed_[index], nullptr);
    if (code != SQLITE_OK) return fail(code, doing);
    return {};
}

Result<std::int64_t> Connection::fixed(Fixed which, std::string_view doing) {
    if (auto prepared = prepare_fixed(which, doing); !prepared) return prepared.error();
    sqlite3_stmt* const statement = fixed_[static_cast<std::size_t>(which)];
    const int code = sqlite3_step(statement);
    const std::int64_t number = code == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
    if (code != SQLITE_ROW && code != SQLITE_DONE) {
        Error error = fail(code, doing);
        sqlite3_reset(statement);
        return error;
    }
    sqlite3_reset(statement);
    return number;
}

Result<std::int64_t> Connection::number(const char* sql) {
    sqlite3_stmt* statement = nullptr;
    int code = sqlite3_prepare_v2(handle, sql, -1, &statement, nullptr);
    if (code == SQLITE_OK) code = sqlite3_step(statement);
    Result<std::int64_t> result = 0;
    if (code == SQLITE_ROW) {
        result = sqlite3_column_int64(statement, 0);
    } else if (code != SQLITE_DONE) {
        result = fail(code, "reading");
    }
    sqlite3_finalize(statement);
    return result;
}

Result<void> Connection::execute(const char* sql, std::string_view doing) {
    const int code = sqlite3_exec(handle, sql, nullptr, nullptr, nullptr);
    if (code != SQLITE_OK) return fail(code, doing);
    return {};
}

bool Connection::powersafe_overwrite() const noexcept {
    sqlite3_file* file = nullptr;
    sqlite3_file_control(handle, "main", SQLITE_FCNTL_FILE_POINTER, &file);
    return file && file->pMethods &&
           (file->pMethods->xDeviceCharacteristics(file) & SQLITE_IOCAP_POWERSAFE_OVERWRITE) != 0;
}

Result<void> Connection::open(const OpenOptions& options) {
    assert(!(options.create && options.read_only));
    if (auto sound = health->check(); !sound) return sound;
    if (options.create && options.vfs.empty()) make_private_file(path);
    int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_EXRESCODE;
    flags |= options.read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
    if (options.create) flags |= SQLITE_OPEN_CREATE;
    const int code = sqlite3_open_v2(
        path.c_str(), &handle, flags, options.vfs.empty() ? nullptr : options.vfs.c_str());
    if (code != SQLITE_OK) return fail(code, "opening");
    // Without permission to write SQLite opens for reading and says so only at the first write.
    if (!options.read_only && sqlite3_db_readonly(handle, "main") == 1) {
        return fail(SQLITE_READONLY, "opening");
    }
    return configure(options);
}

Result<void> Connection::configure(const OpenOptions& options) {
    sqlite3_busy_timeout(handle, static_cast<int>(options.patience.count()));
    sqlite3_limit(handle, SQLITE_LIMIT_LENGTH, static_cast<int>(max_row_bytes));
    sqlite3_limit(handle, SQLITE_LIMIT_ATTACHED, 0);
    sqlite3_limit(handle, SQLITE_LIMIT_WORKER_THREADS, 0);
    constexpr std::pair<int, int> settings[] = {
        {SQLITE_DBCONFIG_DEFENSIVE, 1},
        {SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0},
        {SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0},
        {SQLITE_DBCONFIG_ENABLE_FKEY, 0},
        {SQLITE_DBCONFIG_ENABLE_TRIGGER, 0},
        {SQLITE_DBCONFIG_ENABLE_VIEW, 0},
        {SQLITE_DBCONFIG_DQS_DML, 0},
        {SQLITE_DBCONFIG_DQS_DDL, 0},
        {SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1},
    };
    for (const auto& [setting, on] : settings) {
        const int code = sqlite3_db_config(handle, setting, on, nullptr);
        if (code != SQLITE_OK) return fail(code, "configuring");
    }
    const std::string pragmas =
        "PRAGMA mmap_size=0; PRAGMA temp_store=MEMORY; PRAGMA synchronous=FULL;"
        "PRAGMA fullfsync=ON; PRAGMA checkpoint_fullfsync=ON; PRAGMA secure_delete=ON;"
        "PRAGMA cell_size_check=ON; PRAGMA wal_autocheckpoint=0; PRAGMA cache_size=-" +
        std::to_string(options.cache_bytes / 1024) +
        (is_planted(Mutant::async_commit) ? "; PRAGMA synchronous=OFF" : "") +
        (options.read_only ? "; PRAGMA query_only=ON" : "");
    if (auto done = execute(pragmas.c_str(), "configuring"); !done) return done;
    if (options.read_only) {
        const auto version = fixed(Fixed::first_read, "reading");
        if (!version) return version.error();
        return {};
    }
    return use_wal();
}

Result<void> Connection::use_wal() {
    // A foreign file is left as it is; migrate() refuses it.
    const auto pages = number("PRAGMA page_count");
    if (!pages) return pages.error();
    const auto owner = number("PRAGMA application_id");
    if (!owner) return owner.error();
    if (*pages != 0 && *owner != store_application_id) return {};
    const auto page_bytes = number("PRAGMA page_size");
    if (!page_bytes) return page_bytes.error();
    page_bytes_ = static_cast<std::uint64_t>(*page_bytes);
    if (*pages == 0) {  // only then; so that free pages can be given back a few at a time
        if (auto done = execute("PRAGMA auto_vacuum=INCREMENTAL", "setting up"); !done) return done;
    }
    if (auto done = execute("PRAGMA journal_mode=WAL", "setting up"); !done) return done;
    const auto wal = number("SELECT journal_mode = 'wal' FROM pragma_journal_mode");
    if (!wal) return wal.error();
    if (*wal != 1) {
        return Error(errc::io_error,
                     "the file system of " + path +
                         " has no shared memory for a write-ahead log; use a local one");
    }
    sqlite3_wal_hook(
        handle,
        [](void* self, sqlite3*, const char*, int frames) {
            auto* connection = static_cast<Connection*>(self);
            connection->wal_bytes =
                wal_header_bytes + static_cast<std::uint64_t>(frames) *
                                       (connection->page_bytes_ + wal_frame_header_bytes);
            return SQLITE_OK;
        },
        this);
    return {};
}

}  // namespace countersign::sqlite
