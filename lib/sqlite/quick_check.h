#pragma once

#include <optional>
#include <string>
#include <vector>

#include "countersign/error.h"

#include "sqlite/database.h"
#include "sqlite/statement.h"

namespace countersign::sqlite {

/// SQLite's check of a file's structure after an unclean end, a table with its indexes at a time.
/// It finds broken pages, rows out of order and values that the schema forbids, not changed
/// content.
class QuickCheck {
  public:
    /// `database` stays open for as long as this.
    static Result<QuickCheck> begin(Database& database);

    /// Checks one table; false when none is left. Reads the whole table, and waits for no writer.
    /// Errors: errc::corrupt.
    Result<bool> next();

    /// The whole file at once, its list of free pages too. Errors: errc::corrupt.
    static Result<void> whole(Database& database);

  private:
    QuickCheck(std::string path, Statement check, std::vector<std::string> tables);
    std::string path_;
    Statement check_;
    std::vector<std::string> tables_;  ///< still to be checked
};

}  // namespace countersign::sqlite
