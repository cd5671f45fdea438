#pragma once

#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "countersign/rows.h"

#include "attempts/tables.h"

namespace countersign::attempts {

/// Up to where the rows of all authors are on this disk, as links are told it within microseconds:
/// what the table `heard` and this node's own row say. Thread-safe.
class RowPlaces {
  public:
    /// Null before the first `load`. The same object until it changes.
    std::shared_ptr<const RowVector> vector() const;
    RowSeq of(const RowAuthor& author) const;

    /// What the file says. True when that is another vector than before.
    bool load(const std::vector<std::pair<Author, RowSeq>>& heard,
              const NodeId& self,
              const AuthorRow& own);
    /// What a commit has added to it; lower places change nothing. True when there was any.
    bool raise(const std::vector<std::pair<RowAuthor, RowSeq>>& places);

  private:
    mutable std::mutex mutex_;
    std::shared_ptr<const RowVector> vector_;
};

}  // namespace countersign::attempts
