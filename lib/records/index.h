#pragma once

#include <string_view>

#include "records/record.h"
#include "sealing/aead.h"

namespace countersign::records {

/// The kinds of value that records are found by. Each scope's values are told apart by its name.
enum class Scope { login, email };

/// Blind index: `BLAKE2b-128(key = index key, scope name || 0x00 || normalised value)`, so that
/// equal values are found without being readable.
class Index {
  public:
    explicit Index(sealing::KeyView index_key) : key_(index_key) {}

    /// `normalised` is the form in which two spellings of one value are the same bytes.
    Handle handle(Scope scope, std::string_view normalised) const;

  private:
    sealing::Key key_;
};

}  // namespace countersign::records
