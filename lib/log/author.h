#pragma once

#include <string>

#include "log/batch.h"
#include "membership/designations.h"

namespace countersign::log {

/// "batch 17", for errors.
std::string described(LogSeq seq);

/// That the batch's author was designated under the term and epoch that it names, and signed it.
/// Errors: errc::wrong_epoch, errc::bad_signature.
Result<void> check_author(membership::Designations& designations, const SignedBatch& batch);

}  // namespace countersign::log
