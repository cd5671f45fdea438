// The marker beside the database (marker.h). The first byte tells whether its checksum is made
// right.
#include "sqlite/marker.h"

#include <algorithm>

#include "fuzz/fuzz.h"

namespace countersign::fuzz {
namespace {

constexpr std::size_t checksum_size = 4;

/// CRC-32 of ISO 3309, little-endian.
std::array<std::byte, checksum_size> checksum(BytesView bytes) {
    std::uint32_t crc = ~std::uint32_t{0};
    for (const std::byte byte : bytes) {
        crc ^= std::to_integer<std::uint32_t>(byte);
        for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1) * 0xedb88320;
    }
    std::array<std::byte, checksum_size> all;
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::byte>(~crc >> 8 * i);
    return all;
}

void run(BytesView input) {
    Input from(input);
    const bool mend = from.number<std::uint8_t>() % 2 == 1;
    Bytes bytes(from.rest().begin(), from.rest().end());
    if (mend && bytes.size() >= checksum_size) {
        const auto content = BytesView(bytes).first(bytes.size() - checksum_size);
        std::ranges::copy(checksum(content), bytes.end() - checksum_size);
    }
    const auto marker = sqlite::decode(bytes);
    if (!marker) return;
    require(bytes.size() == sqlite::marker_bytes, "a marker has one size");
    require(marker->machine_id.size() <= sqlite::machine_id_limit, "a machine id within its limit");
    require(sqlite::encode(*marker) == bytes, "a marker has one encoding");
}

std::vector<Bytes> seeds() {
    sqlite::Marker marker{.machine_id = "0123456789abcdef",
                          .inode = 77,
                          .marks = {Incarnation{1}, LogSeq{2}, RowSeq{3}},
                          .clean_end = true};
    std::vector<Bytes> all{with_choice(0, sqlite::encode(marker))};
    all.push_back(with_choice(1, sqlite::encode(marker)));
    marker.unasked = true;
    all.push_back(with_choice(1, sqlite::encode(marker)));
    marker.machine_id.assign(sqlite::machine_id_limit, 'm');
    all.push_back(with_choice(1, sqlite::encode(marker)));
    return all;
}

const Target target("marker", run, seeds);

}  // namespace
}  // namespace countersign::fuzz
