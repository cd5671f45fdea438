#pragma once

#include "records/record.h"
#include "sealing/aead.h"
#include "sealing/lthash.h"

namespace countersign::log {

/// The sum over all records that each batch signs, so that two stores with one digest hold the same
/// rows (lib/README.md, "The digest").
using Digest = sealing::LtHash;

/// Names a row as a member of the digest's set: keyed BLAKE2b-256 of
/// `kind (2, LE) | id | seq (8, LE) | size of sealed (4, LE) | sealed | handles`.
class RowHasher {
  public:
    explicit RowHasher(sealing::KeyView digest_key) : key_(digest_key) {}
    sealing::Hash256 operator()(const records::RecordName& name,
                                LogSeq seq,
                                BytesView sealed,
                                const std::vector<records::Handle>& handles) const;

    /// Names a row of the table `handle`: keyed BLAKE2b-256 of `"handle" | value | kind (2, LE) |
    /// id`.
    sealing::Hash256 operator()(const records::HandleRow& row) const;

  private:
    sealing::Key key_;
};

/// What the rows of a set without doubles add up to, by their keyed hashes: equal for equal sets,
/// whatever their order. For comparisons within one node, where nobody chooses rows by the key.
class HandleSum {
  public:
    /// Adds a row, or takes it back.
    void toggle(const sealing::Hash256& row) noexcept;
    friend bool operator==(const HandleSum&, const HandleSum&) = default;

  private:
    sealing::Hash256 sum_;
};

}  // namespace countersign::log
