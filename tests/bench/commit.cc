// Durable commits of changed users, against a bare SQLite program that writes the same rows to the
// same tables with the same settings.
#include <atomic>
#include <thread>

#include <sqlite3.h>

#include "bench/bench.h"

namespace countersign::bench {
namespace {

constexpr int users = 10'000;
constexpr std::size_t sealed_size = 420;
constexpr std::size_t batch_overhead = 400;
constexpr double run_seconds = 2.0;

void check(int code, sqlite3* database) {
    if (code == SQLITE_OK || code == SQLITE_DONE || code == SQLITE_ROW) return;
    std::fprintf(stderr, "%s\n", sqlite3_errmsg(database));
    std::exit(1);
}

/// The rows of a group of `group` changed users, written in one transaction: record, batch, head.
class BareProgram {
  public:
    explicit BareProgram(const std::string& path) {
        check(sqlite3_open(path.c_str(), &database_), database_);
        run("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA secure_delete=ON;"
            "PRAGMA wal_autocheckpoint=0;"
            "CREATE TABLE record (kind INTEGER NOT NULL, id BLOB NOT NULL, seq INTEGER NOT NULL,"
            " sealed BLOB NOT NULL, handles BLOB NOT NULL) STRICT;"
            "CREATE UNIQUE INDEX record_name ON record (kind, id);"
            "CREATE TABLE batch (seq INTEGER PRIMARY KEY, signature BLOB, bytes BLOB) STRICT;"
            "CREATE TABLE head (one INTEGER PRIMARY KEY, digest BLOB) STRICT;");
        update_ =
            prepare("UPDATE record SET seq = ?, sealed = ?, handles = ? WHERE kind = 1 AND id = ?");
        batch_ = prepare("INSERT INTO batch (seq, signature, bytes) VALUES (?, ?, ?)");
        head_ = prepare("INSERT OR REPLACE INTO head (one, digest) VALUES (1, ?)");
        sqlite3_stmt* insert = prepare("INSERT INTO record VALUES (1, ?, 0, ?, ?)");
        run("BEGIN IMMEDIATE");
        for (int i = 0; i < users; ++i) {
            bind_id(insert, 1, i);
            sqlite3_bind_blob(insert, 2, bytes_.data(), sealed_size, SQLITE_STATIC);
            sqlite3_bind_blob(insert, 3, bytes_.data(), 16, SQLITE_STATIC);
            step(insert);
        }
        run("COMMIT");
        sqlite3_finalize(insert);
        run("PRAGMA wal_checkpoint(TRUNCATE)");
    }
    ~BareProgram() {
        for (sqlite3_stmt* each : {update_, batch_, head_}) sqlite3_finalize(each);
        sqlite3_close(database_);
    }
    BareProgram(const BareProgram&) = delete;
    BareProgram& operator=(const BareProgram&) = delete;

    void commit(int group) {
        run("BEGIN IMMEDIATE");
        ++seq_;
        for (int i = 0; i < group; ++i) {
            sqlite3_bind_int64(update_, 1, seq_);
            sqlite3_bind_blob(update_, 2, bytes_.data(), sealed_size, SQLITE_STATIC);
            sqlite3_bind_blob(update_, 3, bytes_.data(), 16, SQLITE_STATIC);
            bind_id(update_, 4, static_cast<int>((seq_ * 37 + i * 101) % users));
            step(update_);
        }
        sqlite3_bind_int64(batch_, 1, seq_);
        sqlite3_bind_blob(batch_, 2, bytes_.data(), 64, SQLITE_STATIC);
        sqlite3_bind_blob(
            batch_,
            3,
            bytes_.data(),
            static_cast<int>(batch_overhead + static_cast<std::size_t>(group) * (sealed_size + 80)),
            SQLITE_STATIC);
        step(batch_);
        sqlite3_bind_blob(head_, 1, bytes_.data(), 2048, SQLITE_STATIC);
        step(head_);
        run("COMMIT");
        if (seq_ % 1000 == 0) run("PRAGMA wal_checkpoint(PASSIVE)");
    }

  private:
    void run(const char* sql) {
        check(sqlite3_exec(database_, sql, nullptr, nullptr, nullptr), database_);
    }
    sqlite3_stmt* prepare(const char* sql) {
        sqlite3_stmt* statement = nullptr;
        check(sqlite3_prepare_v2(database_, sql, -1, &statement, nullptr), database_);
        return statement;
    }
    void step(sqlite3_stmt* statement) {
        check(sqlite3_step(statement), database_);
        sqlite3_reset(statement);
    }
    static void bind_id(sqlite3_stmt* statement, int column, int number) {
        unsigned char id[16] = {};
        for (int i = 0; i < 4; ++i) id[15 - i] = static_cast<unsigned char>(number >> (8 * i));
        sqlite3_bind_blob(statement, column, id, sizeof id, SQLITE_TRANSIENT);
    }

    sqlite3* database_ = nullptr;
    sqlite3_stmt* update_ = nullptr;
    sqlite3_stmt* batch_ = nullptr;
    sqlite3_stmt* head_ = nullptr;
    std::int64_t seq_ = 0;
    std::vector<unsigned char> bytes_ = std::vector<unsigned char>(1 << 20, 0xa5);
};

double bare_rate(int group) {
    const Directory directory;
    BareProgram program(directory.in("bare.db"));
    int commits = 0;
    const auto begin = Clock::now();
    while (std::chrono::duration<double>(Clock::now() - begin).count() < run_seconds) {
        program.commit(group);
        ++commits;
    }
    return commits * group / std::chrono::duration<double>(Clock::now() - begin).count();
}

double store_rate(Store& store, const std::vector<UserId>& ids, unsigned writers) {
    std::atomic<int> changed = 0;
    std::atomic<bool> stop = false;
    const double time = seconds([&] {
        std::vector<std::jthread> running;
        for (unsigned writer = 0; writer < writers; ++writer) {
            running.emplace_back([&, writer] {
                for (std::size_t n = writer; !stop; n += 97) {
                    require(store.users().change(ids[n % ids.size()],
                                                 {.display_name = "name " + std::to_string(n)}));
                    ++changed;
                }
            });
        }
        std::this_thread::sleep_for(std::chrono::duration<double>(run_seconds));
        stop = true;
    });
    return changed / time;
}

}  // namespace

void commit() {
    const Directory directory;
    auto store = make_store(directory, 8, 1);
    std::vector<NewUser> many(users);
    for (int i = 0; i < users; ++i) {
        many[static_cast<std::size_t>(i)].login = "user" + std::to_string(i);
        many[static_cast<std::size_t>(i)].email = "user" + std::to_string(i) + "@example.com";
    }
    std::vector<UserId> ids;
    for (auto& made : store.users().create_many(std::move(many)))
        ids.push_back(require(std::move(made)));
    for (const unsigned writers : {1u, 4u, 16u, 64u}) {
        const double limit = bare_rate(static_cast<int>(writers));
        print_with_limit("commit_" + std::to_string(writers),
                         store_rate(store, ids, writers),
                         limit,
                         "changes_per_s");
    }
}

}  // namespace countersign::bench

int main() {
    countersign::bench::print_load();
    countersign::bench::commit();
}
