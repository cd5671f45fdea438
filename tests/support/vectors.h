#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace countersign::testing {

/// One JSON file of published vectors.
struct VectorFile {
    std::string name;  ///< relative to the folder of all vectors
    nlohmann::json content;
};

/// Every JSON file in one subfolder of $COUNTERSIGN_VECTORS whose name begins with `prefix`, by
/// name. None, with a line on standard output that says so, where the variable is not set.
std::vector<VectorFile> vectors(std::string_view subfolder, std::string_view prefix = "");

/// The files there, by name, that no call of `vectors` in this process has given. Empty where the
/// variable is not set.
std::vector<std::string> vectors_not_asked_for();

/// The bytes of a hexadecimal string in a vector file.
std::vector<std::byte> unhex(std::string_view hex);

/// The bytes of a text, for calls that take spans.
std::vector<std::byte> bytes_of(std::string_view text);

}  // namespace countersign::testing
