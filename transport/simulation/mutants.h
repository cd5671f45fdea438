#pragma once

#include <string_view>

#include "countersign/error.h"

namespace countersign::simulation {

/// Plants one of `mutants()` in this process, in place of any other; empty: none. Errors:
/// errc::not_found (no such mutant, or a build without them).
Result<void> plant(std::string_view mutant);

}  // namespace countersign::simulation
