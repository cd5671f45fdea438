#include "sqlite/statement.h"

#include <cassert>
#include <cstring>
#include <vector>

#include "sqlite/connection.h"

namespace countersign::sqlite {

namespace {

enum class Lifetime { call, rows };

/// What `next()` holds a column to.
struct Column {
    int type = SQLITE_NULL;  ///< SQLITE_NULL: an expression, or ANY
    bool not_null = false;
};

int declared_type(const char* name) noexcept {
    if (!name) return SQLITE_NULL;
    if (sqlite3_stricmp(name, "INTEGER") == 0 || sqlite3_stricmp(name, "INT") == 0) {
        return SQLITE_INTEGER;
    }
    if (sqlite3_stricmp(name, "BLOB") == 0) return SQLITE_BLOB;
    if (sqlite3_stricmp(name, "TEXT") == 0) return SQLITE_TEXT;
    return SQLITE_NULL;
}

bool declared_not_null(sqlite3* handle, sqlite3_stmt* statement, int column) noexcept {
    const char* table = sqlite3_column_table_name(statement, column);
    const char* name = sqlite3_column_origin_name(statement, column);
    if (!table || !name) return false;
    int not_null = 0;
    const int code = sqlite3_table_column_metadata(
        handle, "main", table, name, nullptr, nullptr, &not_null, nullptr, nullptr);
    return code == SQLITE_OK && not_null != 0;
}

}  // namespace

class Prepared {
  public:
    Prepared(std::shared_ptr<Connection> owner, sqlite3_stmt* made)
        : connection(std::move(owner)), statement(made) {}
    Prepared(const Prepared&) = delete;
    Prepared& operator=(const Prepared&) = delete;
    ~Prepared() {
        assert(!active);
        sqlite3_finalize(statement);
    }

    Result<void> bind(std::span<const Value> values, Lifetime lifetime);
    int bind_one(int place, const Value& value, Lifetime lifetime);
    int bind_bytes(int place, Value::Kind kind, const void* data, std::size_t size, bool copy);
    void finish() noexcept;
    Error end(Error error);
    bool holds(int column, int type);
    Error wrong_type(int column) const;
    const char* doing() const noexcept {
        return sqlite3_stmt_readonly(statement) ? "reading" : "writing to";
    }

    std::shared_ptr<Connection> connection;
    sqlite3_stmt* statement;
    std::vector<Column> columns;
    bool active = false;  ///< Rows are out
    bool on_row = false;
    bool ended = false;  ///< no row is left; stepping on would begin anew
    std::optional<Error> failure;
    int mistyped = -1;  ///< a column of this row that an accessor found to be of another type

  private:
    /// Where small arguments of a query stay while its rows are read: ids and numbers, mostly.
    std::array<std::byte, 128> kept_;
    std::size_t kept_size_ = 0;
};

int Prepared::bind_bytes(
    int place, Value::Kind kind, const void* data, std::size_t size, bool copy) {
    const auto destructor = copy ? SQLITE_TRANSIENT : SQLITE_STATIC;
    if (kind == Value::Kind::text) {
        return sqlite3_bind_text64(
            statement, place, static_cast<const char*>(data), size, destructor, SQLITE_UTF8);
    }
    return sqlite3_bind_blob64(statement, place, data, size, destructor);
}

int Prepared::bind_one(int place, const Value& value, Lifetime lifetime) {
    switch (value.kind()) {
        case Value::Kind::null:
            return sqlite3_bind_null(statement, place);
        case Value::Kind::integer:
            return sqlite3_bind_int64(statement, place, value.number());
        case Value::Kind::above_range:
            return SQLITE_MISMATCH;
        case Value::Kind::text:
        case Value::Kind::blob:
            break;
    }
    // A null pointer would be bound as NULL: an empty value points at something.
    if (value.size() == 0) return bind_bytes(place, value.kind(), "", 0, false);
    const bool fits = value.size() <= kept_.size() - kept_size_;
    if (lifetime == Lifetime::rows && fits) {
        std::byte* const kept = kept_.data() + kept_size_;
        std::memcpy(kept, value.data(), value.size());
        kept_size_ += value.size();
        return bind_bytes(place, value.kind(), kept, value.size(), false);
    }
    return bind_bytes(place, value.kind(), value.data(), value.size(), lifetime == Lifetime::rows);
}

Result<void> Prepared::bind(std::span<const Value> values, Lifetime lifetime) {
    assert(!active);
    assert(values.size() == static_cast<std::size_t>(sqlite3_bind_parameter_count(statement)));
    int place = 0;
    for (const Value& value : values) {
        const int code = bind_one(++place, value, lifetime);
        if (code == SQLITE_OK) continue;
        finish();
        if (code == SQLITE_MISMATCH) {
            return Error(errc::invalid_argument,
                         "a number above 2^63 - 1 cannot be stored: " + connection->path);
        }
        return connection->fail(code, doing());
    }
    return {};
}

void Prepared::finish() noexcept {
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    kept_size_ = 0;
    active = false;
    on_row = false;
    ended = false;
    failure.reset();
    mistyped = -1;
}

/// Ends the rows with `error`, now and each time that another is asked for.
Error Prepared::end(Error error) {
    on_row = false;
    failure = error;
    return error;
}

bool Prepared::holds(int column, int type) {
    assert(on_row && column >= 0 && column < static_cast<int>(columns.size()));
    [[maybe_unused]] const int declared = columns[static_cast<std::size_t>(column)].type;
    assert(declared == SQLITE_NULL || declared == type);
    const int actual = sqlite3_column_type(statement, column);
    if (actual == type) return true;
    if (actual != SQLITE_NULL) mistyped = column;
    return false;
}

Error Prepared::wrong_type(int column) const {
    return Error(errc::corrupt,
                 "reading " + connection->path + " failed: a value of the column " +
                     sqlite3_column_name(statement, column) +
                     " is not what the schema allows; copy the pool afresh from another node");
}

Rows::~Rows() {
    if (prepared_) prepared_->finish();
}

Result<bool> Rows::next() {
    Prepared& prepared = *prepared_;
    if (auto ready = prepared.connection->ready(); !ready) return ready.error();
    if (prepared.failure) return *prepared.failure;
    if (prepared.ended) return false;
    if (auto typed = check(); !typed) return prepared.end(typed.error());
    prepared.on_row = false;
    const int code = sqlite3_step(prepared.statement);
    if (code == SQLITE_DONE) {
        prepared.ended = true;
        return false;
    }
    if (code != SQLITE_ROW) {
        return prepared.end(prepared.connection->fail(code, prepared.doing()));
    }
    for (int column = 0; const Column& expected : prepared.columns) {
        const int actual = sqlite3_column_type(prepared.statement, column);
        const bool wrong = actual == SQLITE_NULL
                               ? expected.not_null
                               : expected.type != SQLITE_NULL && expected.type != actual;
        if (wrong) return prepared.end(prepared.wrong_type(column));
        ++column;
    }
    prepared.on_row = true;
    return true;
}

Result<void> Rows::check() const {
    if (prepared_->mistyped >= 0) return prepared_->wrong_type(prepared_->mistyped);
    return {};
}

bool Rows::is_null(int column) const {
    assert(prepared_->on_row);
    return sqlite3_column_type(prepared_->statement, column) == SQLITE_NULL;
}

std::int64_t Rows::integer(int column) const {
    if (!prepared_->holds(column, SQLITE_INTEGER)) return 0;
    return sqlite3_column_int64(prepared_->statement, column);
}

std::span<const std::byte> Rows::blob(int column) const {
    if (!prepared_->holds(column, SQLITE_BLOB)) return {};
    const auto* data =
        static_cast<const std::byte*>(sqlite3_column_blob(prepared_->statement, column));
    return {data, static_cast<std::size_t>(sqlite3_column_bytes(prepared_->statement, column))};
}

std::string_view Rows::text(int column) const {
    if (!prepared_->holds(column, SQLITE_TEXT)) return {};
    const auto* data =
        reinterpret_cast<const char*>(sqlite3_column_text(prepared_->statement, column));
    return {data, static_cast<std::size_t>(sqlite3_column_bytes(prepared_->statement, column))};
}

Error Rows::wrong_value(int column) const {
    return prepared_->wrong_type(column);
}

Statement::Statement(std::unique_ptr<Prepared> prepared) : prepared_(std::move(prepared)) {}
Statement::Statement(Statement&&) noexcept = default;
Statement& Statement::operator=(Statement&&) noexcept = default;
Statement::~Statement() = default;

Result<Statement> Statement::prepare(std::shared_ptr<Connection> connection, std::string_view sql) {
    sqlite3_stmt* made = nullptr;
    const char* rest = nullptr;
    const int code = sqlite3_prepare_v3(connection->handle,
                                        sql.data(),
                                        static_cast<int>(sql.size()),
                                        SQLITE_PREPARE_PERSISTENT,
                                        &made,
                                        &rest);
    if (code != SQLITE_OK) return connection->fail(code, "preparing to read");
    assert(made && rest == sql.data() + sql.size());  // one statement, and nothing after it
    auto prepared = std::make_unique<Prepared>(std::move(connection), made);
    const int count = sqlite3_column_count(made);
    for (int column = 0; column < count; ++column) {
        prepared->columns.push_back(
            {.type = declared_type(sqlite3_column_decltype(made, column)),
             .not_null = declared_not_null(prepared->connection->handle, made, column)});
    }
    return Statement(std::move(prepared));
}

Result<void> Statement::run_values(std::span<const Value> values) {
    Prepared& prepared = *prepared_;
    Connection& connection = *prepared.connection;
    assert(prepared.columns.empty());
    assert(sqlite3_stmt_readonly(prepared.statement) || connection.transaction_open);
    if (auto ready = connection.ready(); !ready) return ready;
    if (auto bound = prepared.bind(values, Lifetime::call); !bound) return bound;
    const int code = sqlite3_step(prepared.statement);
    Result<void> result;
    if (code != SQLITE_DONE) result = connection.fail(code, prepared.doing());
    prepared.finish();
    return result;
}

Result<Rows> Statement::query_values(std::span<const Value> values) {
    Prepared& prepared = *prepared_;
    assert(!prepared.columns.empty());
    if (auto ready = prepared.connection->ready(); !ready) return ready.error();
    if (auto bound = prepared.bind(values, Lifetime::rows); !bound) return bound.error();
    prepared.active = true;
    return Rows(&prepared);
}

}  // namespace countersign::sqlite
