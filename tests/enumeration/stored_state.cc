#include "enumeration/stored_state.h"

#include <memory>
#include <vector>

#include <doctest/doctest.h>
#include <sqlite3.h>

#include "simulation/disk_vfs.h"

namespace countersign::testing {

using namespace simulation;

namespace {

constexpr const char* path = "/site/store/store.db";

struct Close {
    void operator()(sqlite3* handle) const { sqlite3_close(handle); }
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using Handle = std::unique_ptr<sqlite3, Close>;
using Statement = std::unique_ptr<sqlite3_stmt, Close>;

Statement prepare(const Handle& handle, const std::string& sql) {
    sqlite3_stmt* statement = nullptr;
    REQUIRE(sqlite3_prepare_v2(handle.get(), sql.c_str(), -1, &statement, nullptr) == SQLITE_OK);
    return Statement(statement);
}

std::vector<std::string> texts(const Handle& handle, const std::string& sql) {
    const auto statement = prepare(handle, sql);
    std::vector<std::string> found;
    while (sqlite3_step(statement.get()) == SQLITE_ROW) {
        found.emplace_back(reinterpret_cast<const char*>(sqlite3_column_text(statement.get(), 0)));
    }
    return found;
}

class Hash {
  public:
    void add(const void* bytes, std::size_t size) noexcept {
        for (std::size_t i = 0; i < size; ++i) {
            state_ = (state_ ^ static_cast<const unsigned char*>(bytes)[i]) * 0x100000001b3;
        }
    }
    void add(std::int64_t number) noexcept { add(&number, sizeof number); }
    std::uint64_t value() const noexcept { return state_; }

  private:
    std::uint64_t state_ = 0xcbf29ce484222325;  // FNV-1a
};

std::string rows_of(const Handle& handle, const std::string& table) {
    // In an order that does not hang on where the rows lie.
    std::string sql = "SELECT * FROM \"" + table + "\"";
    const int columns = sqlite3_column_count(prepare(handle, sql).get());
    for (int i = 1; i <= columns; ++i) sql += (i == 1 ? " ORDER BY " : ", ") + std::to_string(i);
    const auto statement = prepare(handle, sql);
    Hash hash;
    std::size_t rows = 0;
    for (; sqlite3_step(statement.get()) == SQLITE_ROW; ++rows) {
        for (int i = 0; i < columns; ++i) {
            const int type = sqlite3_column_type(statement.get(), i);
            hash.add(type);
            if (type == SQLITE_INTEGER) {
                hash.add(sqlite3_column_int64(statement.get(), i));
            } else {
                const auto size =
                    static_cast<std::size_t>(sqlite3_column_bytes(statement.get(), i));
                hash.add(static_cast<std::int64_t>(size));
                hash.add(sqlite3_column_blob(statement.get(), i), size);
            }
        }
    }
    return std::to_string(rows) + " rows, hash " + std::to_string(hash.value());
}

}  // namespace

StoredState stored_state(const DiskImage& image) {
    const auto disk = std::make_shared<Disk>();
    disk->put_back(image, true);
    StoredState state;
    if (!disk->content(path)) return state;
    const DiskVfs vfs(disk, disk->start_process(), {});
    sqlite3* opened = nullptr;
    const int code = sqlite3_open_v2(path, &opened, SQLITE_OPEN_READWRITE, vfs.name().c_str());
    const Handle handle(opened);
    REQUIRE(code == SQLITE_OK);
    sqlite3_db_config(opened, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
    const auto found = texts(handle, "PRAGMA quick_check(1)");
    if (found != std::vector<std::string>{"ok"}) {
        state.damage = found.empty() ? sqlite3_errmsg(opened) : found.front();
        return state;
    }
    for (const auto& table :
         texts(handle, "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")) {
        state.tables[table] = rows_of(handle, table);
    }
    return state;
}

std::string difference(const StoredState& one, const StoredState& other) {
    std::string tables = one.damage + other.damage;
    for (const auto& [table, rows] : one.tables) {
        const auto found = other.tables.find(table);
        const std::string there = found == other.tables.end() ? "nothing" : found->second;
        if (there != rows) tables += " " + table + " (" + rows + "; " + there + ")";
    }
    for (const auto& [table, rows] : other.tables) {
        if (!one.tables.contains(table)) tables += " " + table + " (nothing; " + rows + ")";
    }
    return tables;
}

}  // namespace countersign::testing
