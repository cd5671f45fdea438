#pragma once

#include <functional>
#include <span>

#include "enumeration/scene.h"

namespace countersign::testing {

/// One call of the public API that changes what is on disk.
struct Operation {
    const char* name;
    Start start;
    std::function<Result<void>(Scene&)> run;
    /// Whether the store runs already; else opening it is part of the operation.
    bool opens_before = true;
    /// More than one commit: between the state before and the state after there are others, and
    /// an error does not mean that nothing was done.
    bool in_steps = false;
    /// It has no way to say that it failed.
    bool is_silent = false;
};

/// Every one that there is.
std::span<const Operation> operations();

}  // namespace countersign::testing
