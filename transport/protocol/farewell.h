#pragma once

#include <string>
#include <string_view>

#include "countersign/error.h"

#include "wire/message.h"

namespace countersign::protocol {

/// What this side says when `error` ends the link.
wire::Goodbye farewell(const Error& error);

/// What the peer's goodbye means here. Its text is shown with control characters replaced; a code
/// that this release does not know is errc::link_closed.
Error meaning(const wire::Goodbye& goodbye);

/// Whether to dial again, after a back-off: not where the next attempt must end in the same way.
bool worth_reconnecting(errc code) noexcept;

}  // namespace countersign::protocol
