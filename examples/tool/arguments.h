#pragma once

#include <functional>
#include <string>

#include "session.h"

namespace tool {

/// What the arguments ask for.
struct Parsed {
    std::function<Outcome(Session&)> action;  ///< empty: help or the version was printed, or:
    std::string complaint;                    ///< why the arguments make no sense
    bool json = false;
};

Parsed parse(int count, char** words);

}  // namespace tool
