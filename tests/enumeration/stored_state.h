#pragma once

#include <map>
#include <string>

#include "simulation/disk.h"

namespace countersign::testing {

/// All rows that a store's file holds: of each table how many there are and a hash of them. No
/// tables: there is no file, or nothing was ever committed to it.
struct StoredState {
    std::map<std::string, std::string> tables;
    std::string damage;  ///< what SQLite's quick_check found; empty: nothing
    friend bool operator==(const StoredState&, const StoredState&) = default;
};

/// Of an image's `/site/store/store.db`, its write-ahead log included, on a machine of its own.
StoredState stored_state(const simulation::DiskImage& image);
/// The tables in which two states differ.
std::string difference(const StoredState& one, const StoredState& other);

}  // namespace countersign::testing
