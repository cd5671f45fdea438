#include "protocol/farewell.h"

#include <string_view>

namespace countersign::protocol {
namespace {

/// Printable ASCII as it is, all else as '?': bidirectional and control characters deceive people.
std::string plain(std::string_view text) {
    std::string shown(text.substr(0, wire::reason_limit));
    for (char& character : shown) {
        if (character < ' ' || character > '~') character = '?';
    }
    return shown;
}

}  // namespace

wire::Goodbye farewell(const Error& error) {
    return {.code = error.code(), .reason = plain(error.detail())};
}

Error meaning(const wire::Goodbye& goodbye) {
    const bool known = name(goodbye.code) != std::string_view("unknown");
    return Error(known ? goodbye.code : errc::link_closed,
                 goodbye.reason.empty() ? "the peer said goodbye"
                                        : "the peer said goodbye: " + plain(goodbye.reason));
}

bool worth_reconnecting(errc code) noexcept {
    switch (code) {
        case errc::already_exists:
        case errc::invalid_invitation:
        case errc::invitation_expired:
        case errc::invitation_spent:
        case errc::limit_reached:
        case errc::link_replaced:
        case errc::not_a_member:
        case errc::not_primary:
        case errc::not_permitted:
        case errc::unsupported_version:
        case errc::wrong_pool:
            return false;
        default:
            return true;
    }
}

}  // namespace countersign::protocol
