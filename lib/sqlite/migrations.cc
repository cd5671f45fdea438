#include "sqlite/migrations.h"

#include <cassert>
#include <string>

#include "sqlite/transaction.h"

namespace countersign::sqlite {

namespace {

/// The file's version; 0 for one without content.
Result<std::int32_t> version_of(Database& database,
                                std::int32_t newest,
                                std::int32_t application_id) {
    const auto owner = database.application_id();
    if (!owner) return owner.error();
    const auto version = database.user_version();
    if (!version) return version.error();
    const auto objects = database.object_count();
    if (!objects) return objects.error();
    const bool unused = *owner == 0 && *version == 0 && *objects == 0;
    if (*owner != application_id && !unused) {
        return Error(errc::not_a_store,
                     database.path() + " is a database of another application (its id is " +
                         std::to_string(*owner) + "); check the path");
    }
    if (*version > newest) {
        return Error(errc::newer_format,
                     database.path() + " has format " + std::to_string(*version) +
                         ", this release knows up to " + std::to_string(newest) +
                         ": use the newer release");
    }
    return *version;
}

Result<void> apply(Database& database, const Migration& migration) {
    assert((migration.sql == nullptr) != (migration.change == nullptr));
    if (migration.sql) return database.execute(migration.sql);
    return migration.change(database);
}

}  // namespace

Result<void> migrate(Database& database,
                     std::span<const Migration> migrations,
                     std::int32_t application_id) {
    assert(!migrations.empty());
    for (std::size_t i = 0; i < migrations.size(); ++i) {
        assert(migrations[i].version == static_cast<std::int32_t>(i) + 1);
    }
    const std::int32_t newest = migrations.back().version;
    auto version = version_of(database, newest, application_id);
    if (!version) return version.error();
    if (*version == newest) return {};

    auto transaction = Transaction::begin(database);
    if (!transaction) return transaction.error();
    // Another process may have been here between the look and the transaction.
    version = version_of(database, newest, application_id);
    if (!version) return version.error();
    for (const Migration& migration : migrations.subspan(static_cast<std::size_t>(*version))) {
        if (auto applied = apply(database, migration); !applied) return applied;
    }
    const std::string stamp = "PRAGMA application_id=" + std::to_string(application_id) +
                              "; PRAGMA user_version=" + std::to_string(newest);
    if (auto stamped = database.execute(stamp.c_str()); !stamped) return stamped;
    return transaction->commit();
}

}  // namespace countersign::sqlite
