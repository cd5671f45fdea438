#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "countersign/ids.h"

namespace countersign::sealing {

/// Base64url without padding (RFC 4648 section 5).
std::string to_base64url(BytesView bytes);

/// No value unless `text` is canonical base64url without padding, of at most `limit` bytes.
std::optional<Bytes> from_base64url(std::string_view text, std::size_t limit);

}  // namespace countersign::sealing
