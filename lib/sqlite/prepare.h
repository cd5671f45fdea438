#pragma once

#include <array>
#include <cassert>
#include <cstddef>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "sqlite/database.h"
#include "sqlite/statement.h"

namespace countersign::sqlite {

/// All statements of one class, prepared together. `Name` is an enum of what they do, whose last
/// enumerator is `count`.
template <class Name>
    requires std::is_enum_v<Name>
class Statements {
  public:
    struct Text {
        Name name;
        std::string_view sql;
    };
    /// Every name once, in the enum's order.
    using Texts = std::array<Text, static_cast<std::size_t>(Name::count)>;

    /// Each `$` in the texts stands for `prefix`: by it, one class serves several sets of tables.
    static Result<Statements> prepare(Database& database,
                                      const Texts& texts,
                                      std::string_view prefix = {}) {
        Statements made;
        made.all_.reserve(texts.size());
        for (const Text& text : texts) {
            assert(static_cast<std::size_t>(text.name) == made.all_.size());
            auto statement = database.prepare(with_prefix(text.sql, prefix));
            if (!statement) return statement.error();
            made.all_.push_back(std::move(*statement));
        }
        return made;
    }

    Statement& operator[](Name name) { return all_[static_cast<std::size_t>(name)]; }

  private:
    Statements() = default;
    static std::string with_prefix(std::string_view sql, std::string_view prefix) {
        std::string text;
        for (const char each : sql) each == '$' ? text += prefix : text += each;
        return text;
    }
    std::vector<Statement> all_;
};

}  // namespace countersign::sqlite
