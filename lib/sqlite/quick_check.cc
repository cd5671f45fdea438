#include "sqlite/quick_check.h"

#include <utility>

namespace countersign::sqlite {

namespace {

Result<void> judge(Statement& check,
                   std::optional<std::string_view> table,
                   const std::string& path) {
    auto rows = table ? check.query(*table) : check.query();
    if (!rows) return rows.error();
    const auto found = rows->next();
    if (!found) return found.error();
    if (*found && rows->text(0) == "ok") return {};
    return Error(errc::corrupt,
                 "checking " + path + " found: " + std::string(rows->text(0)) +
                     "; copy the pool afresh from another node");
}

}  // namespace

QuickCheck::QuickCheck(std::string path, Statement check, std::vector<std::string> tables)
    : path_(std::move(path)), check_(std::move(check)), tables_(std::move(tables)) {}

Result<QuickCheck> QuickCheck::begin(Database& database) {
    auto check = database.prepare("SELECT quick_check FROM pragma_quick_check(?)");
    if (!check) return check.error();
    auto list = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'");
    if (!list) return list.error();
    std::vector<std::string> tables{"sqlite_schema"};
    auto rows = list->query();
    if (!rows) return rows.error();
    for (;;) {
        const auto found = rows->next();
        if (!found) return found.error();
        if (!*found) break;
        tables.emplace_back(rows->text(0));
    }
    return QuickCheck(database.path(), std::move(*check), std::move(tables));
}

Result<bool> QuickCheck::next() {
    if (tables_.empty()) return false;
    if (auto sound = judge(check_, tables_.back(), path_); !sound) return sound.error();
    tables_.pop_back();
    return true;
}

Result<void> QuickCheck::whole(Database& database) {
    auto check = database.prepare("PRAGMA quick_check");
    if (!check) return check.error();
    return judge(*check, std::nullopt, database.path());
}

}  // namespace countersign::sqlite
