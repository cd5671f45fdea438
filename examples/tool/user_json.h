#pragma once

#include <string>

#include <countersign/users.h>

#include "output.h"

namespace tool {

/// A user as `user show` prints it.
Json to_json(const cs::User& user);
std::string to_text(const cs::User& user);

}  // namespace tool
