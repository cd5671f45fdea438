#include "asio/address.h"

#include <charconv>

namespace countersign::node {
namespace {

Error not_an_address(std::string_view text) {
    return Error(errc::invalid_argument,
                 "\"" + std::string(text) + "\" is no address; write host:port or [IPv6]:port");
}

}  // namespace

Result<HostPort> parse_address(std::string_view text) {
    const auto colon = text.rfind(':');
    if (colon == std::string_view::npos) return not_an_address(text);
    std::string_view host = text.substr(0, colon);
    const std::string_view digits = text.substr(colon + 1);
    if (host.starts_with('[') && host.ends_with(']')) {
        host = host.substr(1, host.size() - 2);
    } else if (host.find(':') != std::string_view::npos) {
        return not_an_address(text);
    }
    HostPort address{.host = std::string(host)};
    const auto [end, failed] =
        std::from_chars(digits.data(), digits.data() + digits.size(), address.port);
    const bool whole = failed == std::errc{} && end == digits.data() + digits.size();
    if (host.empty() || !whole || address.port == 0) return not_an_address(text);
    return address;
}

std::string to_string(const HostPort& address) {
    const bool v6 = address.host.find(':') != std::string::npos;
    return (v6 ? "[" + address.host + "]" : address.host) + ":" + std::to_string(address.port);
}

}  // namespace countersign::node
