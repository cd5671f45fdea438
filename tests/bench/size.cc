// Bytes on disk for each of 100,000 users with a login, a name, an address and a password, once the
// log is compacted; the limit is what SQLite makes of the same rows, packed as tightly as it can.
#include <cstdint>

#include <sqlite3.h>

#include "bench/bench.h"

namespace countersign::bench {
namespace {

std::uintmax_t bytes_in(const std::string& directory) {
    std::uintmax_t bytes = 0;
    for (const auto& file : std::filesystem::recursive_directory_iterator(directory)) {
        if (file.is_regular_file()) bytes += file.file_size();
    }
    return bytes;
}

std::uintmax_t packed(const std::string& path, const std::string& into) {
    sqlite3* database = nullptr;
    if (sqlite3_open(path.c_str(), &database) != SQLITE_OK) std::exit(1);
    const std::string vacuum = "VACUUM INTO '" + into + "'";
    if (sqlite3_exec(database, vacuum.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK)
        std::exit(1);
    sqlite3_close(database);
    return std::filesystem::file_size(into);
}

void size() {
    constexpr int users = 100'000;
    const Directory directory;
    {
        auto store = make_store(directory, least_memory_kib, 1);
        add_users(store, users);
        print("size_100k_with_log", double(bytes_in(directory.in("store"))) / users, "B_per_user");
        require(store.log().compact());
    }
    const auto reached = bytes_in(directory.in("store"));
    const auto limit = packed(directory.in("store/store.db"), directory.in("packed.db"));
    print_with_limit("size_100k", double(reached) / users, double(limit) / users, "B_per_user");
}

}  // namespace
}  // namespace countersign::bench

int main() {
    countersign::bench::print_load();
    countersign::bench::size();
}
