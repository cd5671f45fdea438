#pragma once

#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#include "sqlite/statement.h"

namespace countersign::sqlite {

/// One column as `Rows::as` checks it, or as Bytes or std::string, copied. Errors: errc::corrupt.
template <class T>
Result<T> column(const Rows& rows, int index) {
    if constexpr (std::is_same_v<T, Bytes>) {
        const auto bytes = rows.blob(index);
        return T(bytes.begin(), bytes.end());
    } else if constexpr (std::is_same_v<T, std::string>) {
        return T(rows.text(index));
    } else {
        return rows.as<T>(index);
    }
}

/// The columns of one row from `first` on. Errors: errc::corrupt, naming the first that is wrong.
template <class... T>
Result<std::tuple<T...>> columns(const Rows& rows, int first = 0) {
    std::tuple<T...> values;
    std::optional<Error> wrong;
    const auto read = [&](auto& to) {
        if (wrong) return;
        auto from = column<std::remove_reference_t<decltype(to)>>(rows, first++);
        if (from) {
            to = std::move(*from);
        } else {
            wrong = from.error();
        }
    };
    std::apply([&](auto&... to) { (read(to), ...); }, values);
    if (wrong) return *wrong;
    return values;
}

/// Calls `visit` with the rows at each row; it returns a Result<bool>: whether to go on.
template <class Visit>
Result<void> each_row(Result<Rows> rows, Visit&& visit) {
    if (!rows) return rows.error();
    for (;;) {
        const auto found = rows->next();
        if (!found) return found.error();
        if (!*found) return {};
        const Result<bool> go_on = visit(std::as_const(*rows));
        if (!go_on) return go_on.error();
        if (!*go_on) return {};
    }
}

/// What `read`, which returns a Result, makes of the first row; no value where there is none.
template <class Read, class T = std::invoke_result_t<Read, const Rows&>::value_type>
Result<std::optional<T>> one_row(Result<Rows> rows, Read&& read) {
    std::optional<T> value;
    auto done = each_row(std::move(rows), [&](const Rows& row) -> Result<bool> {
        auto made = read(row);
        if (!made) return made.error();
        value = std::move(*made);
        return false;
    });
    if (!done) return done.error();
    return value;
}

}  // namespace countersign::sqlite
