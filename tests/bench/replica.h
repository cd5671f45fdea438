#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <sqlite3.h>

#include "bench/bench.h"
#include "log/append.h"
#include "membership/designations.h"
#include "schema.h"
#include "sqlite/migrations.h"
#include "sqlite/transaction.h"

namespace countersign::bench {

constexpr std::size_t sealed_size = 420;
constexpr std::uint64_t checkpoint_bytes = std::uint64_t{32} << 20;  ///< Options' default

/// Numbers that look drawn (splitmix64).
class Draw {
  public:
    explicit Draw(std::uint64_t seed) : state_(seed) {}
    std::uint64_t operator()() {
        std::uint64_t mixed = state_ += 0x9e3779b97f4a7c15;
        mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
        mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
        return mixed ^ (mixed >> 31);
    }
    template <class Fixed>
    Fixed id() {
        Fixed drawn;
        for (auto& byte : drawn.bytes) byte = static_cast<std::byte>((*this)() & 0xff);
        return drawn;
    }

  private:
    std::uint64_t state_;
};

/// A user's row as it would be: nobody opens it here.
inline records::Change change_of(std::uint32_t number, Draw& draw) {
    records::Change change{.name = {records::RecordKind::user, {}}, .put = records::Change::Put{}};
    for (std::size_t i = 0; i < 4; ++i) {
        change.name.id.bytes[i] = static_cast<std::byte>(number >> (24 - 8 * i) & 0xff);
    }
    change.put->sealed.resize(sealed_size);
    for (auto& byte : change.put->sealed) byte = static_cast<std::byte>(draw() & 0xff);
    Draw handles(number);
    change.put->handles = {handles.id<records::Handle>(), handles.id<records::Handle>()};
    std::ranges::sort(change.put->handles);
    return change;
}

/// One node's file, with the log on it.
struct NodeFile {
    sqlite::Database database;
    log::Ledger ledger;

    static constexpr PoolId pool{};
    static sealing::Key digest_key() { return sealing::Key(std::array<std::byte, 32>{}); }
    static NodeFile open(const std::string& path) {
        auto database = require(sqlite::Database::open(path, {.create = true}));
        require(sqlite::migrate(database, schema()));
        auto ledger = require(log::Ledger::prepare(database, pool, digest_key()));
        return {std::move(database), std::move(ledger)};
    }
    template <class Work>
    auto write(Work&& work) {
        auto transaction = require(sqlite::Transaction::begin(database));
        auto done = require(work());
        require(transaction.commit());
        if (database.wal_bytes() >= checkpoint_bytes) {
            require(database.checkpoint(sqlite::CheckpointMode::passive));
        }
        return done;
    }
};

/// The pool's primary.
class Primary {
  public:
    explicit Primary(const std::string& path) : node(NodeFile::open(path)) {
        require(node.database.execute("PRAGMA synchronous=OFF"));
        records::Designation first{.pool = NodeFile::pool,
                                   .root_term = RootTerm{1},
                                   .epoch = Epoch{1},
                                   .node = NodeId{key_.public_key()},
                                   .base_seq = {},
                                   .base_hash = {},
                                   .previous = {},
                                   .time = {}};
        const auto statement = membership::sign(first, key_);
        node.write([&] {
            return node.ledger.designations.add(
                statement,
                {.pool = NodeFile::pool, .root_key = key_.public_key(), .self_signers = {}});
        });
    }
    log::SignedBatch append(std::vector<records::Change> changes) {
        return node.write([&]() -> Result<log::SignedBatch> {
            auto appender =
                require(log::Appender::begin(node.ledger, key_, require(node.ledger.head.read())));
            std::optional<Error> failure;
            require(appender.add(
                [&](records::Reader&, LogSeq) -> Result<std::vector<records::Change>> {
                    return std::move(changes);
                },
                failure));
            return *require(appender.close(UnixTime{milliseconds{1}}));
        });
    }
    /// `number` users, in batches of 10,000.
    void fill(std::uint32_t number) {
        Draw draw(1);
        for (std::uint32_t first = 0; first < number; first += 10'000) {
            std::vector<records::Change> changes;
            for (std::uint32_t i = first; i < std::min(number, first + 10'000); ++i) {
                changes.push_back(change_of(i, draw));
            }
            append(std::move(changes));
        }
    }
    /// A file that holds the same.
    void copy_to(const std::string& path) {
        require(node.database.checkpoint(sqlite::CheckpointMode::truncate));
        std::filesystem::copy_file(node.database.path(), path);
    }

    NodeFile node;

  private:
    sealing::SigningKey key_{std::array<std::byte, 32>{std::byte{1}}};
};

/// What the machine allows: SQLite alone, on the same tables with the same settings.
class BareProgram {
  public:
    explicit BareProgram(const std::string& path) {
        NodeFile::open(path);
        check(sqlite3_open(path.c_str(), &database_));
        run("PRAGMA synchronous=FULL; PRAGMA secure_delete=ON; PRAGMA wal_autocheckpoint=0;"
            "PRAGMA cell_size_check=ON; PRAGMA cache_size=-8192; PRAGMA temp_store=MEMORY");
        sqlite3_wal_hook(
            database_,
            [](void* self, sqlite3*, const char*, int frames) {
                static_cast<BareProgram*>(self)->frames_ = frames;
                return SQLITE_OK;
            },
            this);
        insert_ = prepare("INSERT INTO record (kind, id, seq, sealed, handles) VALUES (1,?,?,?,?)");
        update_ =
            prepare("UPDATE record SET seq=?2, sealed=?3, handles=?4 WHERE kind = 1 AND id = ?1");
        handle_ = prepare("INSERT INTO handle (value, kind, id) VALUES (?, 1, ?)");
        batch_ = prepare("INSERT INTO batch VALUES (?, 1, 1, zeroblob(32), 1, 1, zeroblob(64), ?)");
        head_ = prepare(
            "INSERT OR REPLACE INTO head VALUES"
            " (1, 1, 1, zeroblob(32), ?, zeroblob(32), 1, zeroblob(2048))");
    }
    ~BareProgram() {
        for (auto* each : {insert_, update_, handle_, batch_, head_}) sqlite3_finalize(each);
        sqlite3_close(database_);
    }
    BareProgram(const BareProgram&) = delete;
    BareProgram& operator=(const BareProgram&) = delete;

    void begin() { run("BEGIN IMMEDIATE"); }
    void insert(BytesView id, LogSeq seq, BytesView sealed, BytesView handles) {
        put(insert_, id, seq, sealed, handles);
    }
    void insert_handle(BytesView id, BytesView handle) {
        bind(handle_, 1, handle);
        bind(handle_, 2, id);
        step(handle_);
    }
    void update(BytesView id, LogSeq seq, BytesView sealed, BytesView handles) {
        put(update_, id, seq, sealed, handles);
    }
    void batch(LogSeq seq, BytesView bytes) {
        sqlite3_bind_int64(batch_, 1, static_cast<std::int64_t>(value(seq)));
        bind(batch_, 2, bytes);
        step(batch_);
    }
    void commit(LogSeq head) {
        sqlite3_bind_int64(head_, 1, static_cast<std::int64_t>(value(head)));
        step(head_);
        run("COMMIT");
        if (static_cast<std::uint64_t>(frames_) * 4120 < checkpoint_bytes) return;
        run("PRAGMA wal_checkpoint(PASSIVE)");
        frames_ = 0;
    }

  private:
    void check(int code) {
        if (code == SQLITE_OK || code == SQLITE_DONE) return;
        std::fprintf(stderr, "%s\n", sqlite3_errmsg(database_));
        std::exit(1);
    }
    void run(const char* sql) { check(sqlite3_exec(database_, sql, nullptr, nullptr, nullptr)); }
    sqlite3_stmt* prepare(const char* sql) {
        sqlite3_stmt* statement = nullptr;
        check(sqlite3_prepare_v2(database_, sql, -1, &statement, nullptr));
        return statement;
    }
    void put(sqlite3_stmt* to, BytesView id, LogSeq seq, BytesView sealed, BytesView handles) {
        bind(to, 1, id);
        sqlite3_bind_int64(to, 2, static_cast<std::int64_t>(value(seq)));
        bind(to, 3, sealed);
        bind(to, 4, handles);
        step(to);
    }
    static void bind(sqlite3_stmt* statement, int place, BytesView bytes) {
        sqlite3_bind_blob64(statement, place, bytes.data(), bytes.size(), SQLITE_STATIC);
    }
    void step(sqlite3_stmt* statement) {
        check(sqlite3_step(statement));
        sqlite3_reset(statement);
    }

    sqlite3* database_ = nullptr;
    sqlite3_stmt* insert_ = nullptr;
    sqlite3_stmt* update_ = nullptr;
    sqlite3_stmt* handle_ = nullptr;
    sqlite3_stmt* batch_ = nullptr;
    sqlite3_stmt* head_ = nullptr;
    int frames_ = 0;
};

}  // namespace countersign::bench
