#pragma once

#include <span>

#include "sqlite/migrations.h"

namespace countersign {

/// The steps by which `store.db` came to its present format, the first from nothing.
std::span<const sqlite::Migration> schema();

}  // namespace countersign
