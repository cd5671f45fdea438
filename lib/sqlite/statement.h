#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "countersign/error.h"
#include "countersign/ids.h"
#include "countersign/time.h"

namespace countersign::sqlite {

class Connection;
class Prepared;

/// What a parameter is bound to: a view, made from an argument of `run` or `query`.
class Value {
  public:
    enum class Kind { null, integer, above_range, text, blob };

    Value(std::nullopt_t) {}
    template <std::integral Number>
    Value(Number number)
        : kind_(std::in_range<std::int64_t>(number) ? Kind::integer : Kind::above_range),
          number_(static_cast<std::int64_t>(number)) {}
    Value(bool flag) : kind_(Kind::integer), number_(flag) {}
    template <class Enum>
        requires std::is_enum_v<Enum>
    Value(Enum number) : Value(value(number)) {}
    Value(UnixTime time) : Value(time.time_since_epoch().count()) {}
    Value(std::string_view text) : kind_(Kind::text), data_(text.data()), size_(text.size()) {}
    Value(const char* text) : Value(std::string_view(text)) {}
    Value(const std::string& text) : Value(std::string_view(text)) {}
    template <class Range>
        requires std::convertible_to<const Range&, std::span<const std::byte>>
    Value(const Range& range) {
        const std::span<const std::byte> bytes = range;
        kind_ = Kind::blob;
        data_ = bytes.data();
        size_ = bytes.size();
    }
    template <class Tag, std::size_t Size>
    Value(const Id<Tag, Size>& id) : Value(std::span<const std::byte>(id.bytes)) {}
    template <class T>
    Value(const std::optional<T>& optional) {
        if (optional) *this = Value(*optional);
    }

    Kind kind() const noexcept { return kind_; }
    std::int64_t number() const noexcept { return number_; }
    const void* data() const noexcept { return data_; }
    std::size_t size() const noexcept { return size_; }

  private:
    Kind kind_ = Kind::null;
    std::int64_t number_ = 0;
    const void* data_ = nullptr;
    std::size_t size_ = 0;
};

namespace detail {
template <class T>
struct IsId : std::false_type {};
template <class Tag, std::size_t Size>
struct IsId<Id<Tag, Size>> : std::true_type {};
}  // namespace detail

/// The rows that a query finds, one at a time. Dropping it ends the read; it must not outlive its
/// statement. `next()` checks each column against the type that the schema declares for it, so the
/// plain accessors cannot meet anything else there; for a column that is an expression a wrong type
/// reads as 0 or empty, and `check()` and `next()` then give errc::corrupt.
class Rows {
  public:
    Rows(Rows&& other) noexcept : prepared_(std::exchange(other.prepared_, nullptr)) {}
    Rows& operator=(Rows&&) = delete;
    ~Rows();

    /// Steps to the next row; false after the last. Ends the life of what the row before gave out.
    /// Errors: errc::corrupt when a column has not its declared type.
    Result<bool> next();
    /// Errors: errc::corrupt when an accessor met a value of another type in this row.
    Result<void> check() const;

    bool is_null(int column) const;
    std::int64_t integer(int column) const;  ///< 0 where NULL
    std::span<const std::byte> blob(
        int column) const;                    ///< empty where NULL; valid until the next step
    std::string_view text(int column) const;  ///< empty where NULL; valid until the next step

    /// An integer, enum, Id, UnixTime or optional of these, checked for range and size. Errors:
    /// errc::corrupt; also for a NULL, unless it is an optional.
    template <class T>
    Result<T> as(int column) const {
        if constexpr (detail::IsId<T>::value) {
            if (auto id = T::from_bytes(blob(column))) return *id;
            return wrong_value(column);
        } else if constexpr (std::is_same_v<T, UnixTime>) {
            if (is_null(column)) return wrong_value(column);
            return UnixTime(milliseconds(integer(column)));
        } else if constexpr (std::is_enum_v<T>) {
            const auto number = as<std::underlying_type_t<T>>(column);
            if (!number) return number.error();
            return static_cast<T>(*number);
        } else if constexpr (std::integral<T>) {
            if (is_null(column) || !std::in_range<T>(integer(column))) return wrong_value(column);
            return static_cast<T>(integer(column));
        } else {
            if (is_null(column)) return T{};
            auto inner = as<typename T::value_type>(column);
            if (!inner) return inner.error();
            return T(std::move(*inner));
        }
    }

  private:
    friend class Statement;
    explicit Rows(Prepared* prepared) : prepared_(prepared) {}
    Error wrong_value(int column) const;

    Prepared* prepared_;
};

/// One prepared statement of one handle, which it keeps open. Parameters are integers (unsigned
/// ones and enums up to 2^63 - 1), text, bytes, ids, times, and nullopt or empty optionals for
/// NULL, as many as the statement has. Errors of both calls besides the Database's:
/// errc::invalid_argument (an unsigned number too large, or a CHECK of the schema), errc::too_large
/// (above max_row_bytes), errc::already_exists (a UNIQUE of the schema).
class Statement {
  public:
    Statement(Statement&&) noexcept;
    Statement& operator=(Statement&&) noexcept;
    ~Statement();

    /// Runs a statement that gives no rows. One that writes needs an open Transaction. Copies no
    /// argument.
    template <class... Args>
    Result<void> run(const Args&... args) {
        const std::array<Value, sizeof...(Args)> values{Value(args)...};
        return run_values(values);
    }

    /// Begins a read, outside of a transaction with a snapshot of its own that lasts as long as the
    /// rows. Copies the arguments.
    template <class... Args>
    Result<Rows> query(const Args&... args) {
        const std::array<Value, sizeof...(Args)> values{Value(args)...};
        return query_values(values);
    }

  private:
    friend class Database;
    explicit Statement(std::unique_ptr<Prepared> prepared);
    static Result<Statement> prepare(std::shared_ptr<Connection> connection, std::string_view sql);
    Result<void> run_values(std::span<const Value> values);
    Result<Rows> query_values(std::span<const Value> values);

    std::unique_ptr<Prepared> prepared_;
};

}  // namespace countersign::sqlite
