#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "countersign/error.h"

namespace countersign::node {

struct HostPort {
    std::string host;  ///< a name, an IPv4 address, or an IPv6 address without brackets
    std::uint16_t port = 0;
};

/// Reads `host:port` or `[IPv6]:port`. Errors: errc::invalid_argument.
Result<HostPort> parse_address(std::string_view text);
/// The same, written.
std::string to_string(const HostPort& address);

}  // namespace countersign::node
