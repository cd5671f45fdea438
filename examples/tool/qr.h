#pragma once

#include <string>
#include <string_view>

#include <countersign/error.h>

namespace tool {

/// `text` as a QR code of half blocks, two rows of modules to a line. On a terminal it brings its
/// own black and white, so that it can be scanned whatever the theme. Errors: errc::too_large.
countersign::Result<std::string> draw_qr(std::string_view text);

}  // namespace tool
