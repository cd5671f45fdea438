#pragma once

#include <optional>
#include <string>
#include <vector>

#include "log/batch.h"
#include "log/head.h"
#include "membership/designations.h"

namespace countersign::log {

/// "batch 17", for errors.
std::string described(LogSeq seq);

/// Whether two places are of one designation.
bool same_designation(const Place& left, const Place& right) noexcept;

/// That the batch's author was designated under the term and epoch that it names, and signed it.
/// Errors: errc::wrong_epoch, errc::bad_signature.
Result<void> check_author(membership::Designations& designations, const SignedBatch& batch);

/// That a batch at `place` may follow the head: of the head's designation, or the first of a
/// greater one whose base is the head. Errors: errc::wrong_epoch.
Result<void> check_succession(membership::Designations& designations,
                              const Head& head,
                              const Place& place);

/// The designations that bound what may be taken from an earlier author: no batch of it beyond the
/// base of a greater one, and at that base only the one that it names.
class Successors {
  public:
    explicit Successors(membership::Designations& designations) : designations_(&designations) {}
    /// Errors: errc::wrong_epoch.
    Result<void> check(const Place& place, const sealing::Hash256& hash);

  private:
    membership::Designations* designations_;
    std::optional<Place> of_;  ///< whose successors were read last
    std::vector<records::Designation> later_;
};

}  // namespace countersign::log
