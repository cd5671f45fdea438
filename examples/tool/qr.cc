#include "qr.h"

#include <memory>

#include <qrencode.h>
#include <unistd.h>

#include "terminal.h"

namespace tool {

countersign::Result<std::string> draw_qr(std::string_view text) {
    const std::unique_ptr<QRcode, decltype(&QRcode_free)> code(
        QRcode_encodeData(static_cast<int>(text.size()),
                          reinterpret_cast<const unsigned char*>(text.data()),
                          0,
                          QR_ECLEVEL_L),
        &QRcode_free);
    if (!code) {
        return countersign::Error(countersign::errc::too_large,
                                  "the text does not fit a QR code; use --no-qr");
    }
    constexpr int quiet_zone = 4;  // modules, as ISO/IEC 18004 asks
    const auto light = [&](int row, int column) {
        row -= quiet_zone;
        column -= quiet_zone;
        if (row < 0 || column < 0 || row >= code->width || column >= code->width) return true;
        return (code->data[row * code->width + column] & 1) == 0;
    };
    const bool colours = is_terminal(STDOUT_FILENO);
    const int size = code->width + 2 * quiet_zone;
    std::string drawn;
    for (int row = 0; row < size; row += 2) {
        if (colours) drawn += "\033[38;5;231;48;5;16m";
        for (int column = 0; column < size; ++column) {
            const bool upper = light(row, column);
            const bool lower = light(row + 1, column);
            drawn += upper && lower ? "█" : upper ? "▀" : lower ? "▄" : " ";
        }
        drawn += colours ? "\033[0m\n" : "\n";
    }
    return drawn;
}

}  // namespace tool
