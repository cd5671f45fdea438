#include "simulation/record_rot.h"

#include <limits>
#include <memory>

#include <sqlite3.h>

namespace countersign::simulation {
namespace {

struct Close {
    void operator()(sqlite3* database) const { sqlite3_close(database); }
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
    void operator()(sqlite3_blob* blob) const { sqlite3_blob_close(blob); }
};
template <class Handle>
using Owned = std::unique_ptr<Handle, Close>;

/// A place of the ciphertext: behind the header and before the tag.
constexpr int flipped_at = 60;

constexpr const char* find_sql =
    "SELECT rowid FROM record WHERE kind = 1 ORDER BY id LIMIT 1"
    " OFFSET ? % (SELECT max(count(*), 1) FROM record WHERE kind = 1)";

}  // namespace

Result<void> rot_record(const std::string& vfs, const std::string& path, std::uint64_t which) {
    const Error nothing(errc::not_found, "there is no record to damage in " + path);
    sqlite3* opened = nullptr;
    const int code = sqlite3_open_v2(path.c_str(), &opened, SQLITE_OPEN_READWRITE, vfs.c_str());
    const Owned<sqlite3> database(opened);
    if (code != SQLITE_OK) return nothing;
    sqlite3_db_config(opened, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);

    sqlite3_stmt* prepared = nullptr;
    sqlite3_prepare_v2(opened, find_sql, -1, &prepared, nullptr);
    Owned<sqlite3_stmt> find(prepared);
    if (!find) return nothing;
    constexpr std::uint64_t most = std::numeric_limits<sqlite3_int64>::max();
    sqlite3_bind_int64(prepared, 1, static_cast<sqlite3_int64>(which & most));
    if (sqlite3_step(prepared) != SQLITE_ROW) return nothing;
    const sqlite3_int64 row = sqlite3_column_int64(prepared, 0);
    find.reset();

    sqlite3_blob* field = nullptr;
    sqlite3_blob_open(opened, "main", "record", "sealed", row, 1, &field);
    const Owned<sqlite3_blob> sealed(field);
    unsigned char byte = 0;
    if (sqlite3_blob_read(field, &byte, 1, flipped_at) != SQLITE_OK) return nothing;
    byte ^= 1;
    if (sqlite3_blob_write(field, &byte, 1, flipped_at) != SQLITE_OK) return nothing;
    return {};
}

}  // namespace countersign::simulation
