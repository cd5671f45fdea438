#pragma once

#include "countersign/error.h"

#include "records/statements.h"

namespace countersign::log {

records::SignedStatement sign(const records::Pulse& pulse, const sealing::SigningKey& key);

/// That the node which the pulse names has signed it; whether that node is primary is the caller's
/// to ask. Errors: errc::malformed, errc::wrong_pool, errc::bad_signature.
Result<records::Pulse> verify_pulse(const records::SignedStatement& statement, const PoolId& pool);

/// Whether `pulse` says something newer: pulses rise in (root term, epoch, seq, time).
bool is_newer(const records::Pulse& pulse, const records::Pulse& than) noexcept;

}  // namespace countersign::log
