#include "sqlite/marker.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <concepts>
#include <cstring>

namespace countersign::sqlite {

namespace {

constexpr std::string_view magic = "csgnmark";
constexpr std::uint32_t format = 1;
constexpr std::uint32_t flag_clean_end = 1;
constexpr std::uint32_t flag_unasked = 2;

std::uint32_t crc32(std::span<const std::byte> bytes) noexcept {
    std::uint32_t crc = 0xffffffff;
    for (const std::byte byte : bytes) {
        crc ^= std::to_integer<std::uint32_t>(byte);
        for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (crc & 1 ? 0xedb88320U : 0U);
    }
    return ~crc;
}

template <std::unsigned_integral Number>
void put(std::vector<std::byte>& bytes, Number number) {
    for (std::size_t i = 0; i < sizeof(Number); ++i) {
        bytes.push_back(static_cast<std::byte>(number >> (8 * i) & 0xff));
    }
}

template <std::unsigned_integral Number>
Number take(std::span<const std::byte>& bytes) noexcept {
    Number number = 0;
    for (std::size_t i = sizeof(Number); i-- > 0;) {
        number = static_cast<Number>(number << 8 | std::to_integer<Number>(bytes[i]));
    }
    bytes = bytes.subspan(sizeof(Number));
    return number;
}

}  // namespace

std::vector<std::byte> encode(const Marker& marker) {
    const std::size_t id_size = std::min(marker.machine_id.size(), machine_id_limit);
    std::vector<std::byte> bytes;
    bytes.reserve(marker_bytes);
    for (const char letter : magic) bytes.push_back(static_cast<std::byte>(letter));
    put(bytes, format);
    put(bytes, (marker.clean_end ? flag_clean_end : 0) | (marker.unasked ? flag_unasked : 0));
    put(bytes, marker.inode);
    put(bytes, value(marker.marks.incarnation));
    put(bytes, value(marker.marks.head));
    put(bytes, value(marker.marks.row_seq));
    put(bytes, static_cast<std::uint32_t>(id_size));
    const std::size_t id_at = bytes.size();
    bytes.resize(id_at + machine_id_limit);
    std::memcpy(bytes.data() + id_at, marker.machine_id.data(), id_size);
    put(bytes, crc32(bytes));
    assert(bytes.size() == marker_bytes);
    return bytes;
}

std::optional<Marker> decode(std::span<const std::byte> bytes) {
    if (bytes.size() != marker_bytes) return std::nullopt;
    const auto content = bytes.first(marker_bytes - sizeof(std::uint32_t));
    auto checksum = bytes.subspan(content.size());
    if (take<std::uint32_t>(checksum) != crc32(content)) return std::nullopt;
    if (std::memcmp(content.data(), magic.data(), magic.size()) != 0) return std::nullopt;
    auto rest = content.subspan(magic.size());
    if (take<std::uint32_t>(rest) != format) return std::nullopt;
    Marker marker;
    const auto flags = take<std::uint32_t>(rest);
    if ((flags & ~(flag_clean_end | flag_unasked)) != 0) return std::nullopt;
    marker.clean_end = (flags & flag_clean_end) != 0;
    marker.unasked = (flags & flag_unasked) != 0;
    marker.inode = take<std::uint64_t>(rest);
    marker.marks.incarnation = Incarnation{take<std::uint64_t>(rest)};
    marker.marks.head = LogSeq{take<std::uint64_t>(rest)};
    marker.marks.row_seq = RowSeq{take<std::uint64_t>(rest)};
    const auto id_size = take<std::uint32_t>(rest);
    if (id_size > machine_id_limit) return std::nullopt;
    marker.machine_id.assign(reinterpret_cast<const char*>(rest.data()), id_size);
    const auto padding = rest.subspan(id_size);
    if (std::ranges::any_of(padding, [](std::byte b) { return b != std::byte{}; })) {
        return std::nullopt;
    }
    return marker;
}

Provenance compare(const std::optional<Marker>& marker,
                   std::string_view machine_id,
                   const FileIdentity& identity,
                   const Marks& database) noexcept {
    if (!marker) return Provenance::missing;
    if (marker->machine_id != machine_id.substr(0, machine_id_limit) ||
        marker->inode != identity.inode) {
        return Provenance::copied;
    }
    if (marker->marks.incarnation != database.incarnation || database.head < marker->marks.head ||
        database.row_seq < marker->marks.row_seq) {
        return Provenance::restored;
    }
    return Provenance::same;
}

MarkerFile::MarkerFile(const Directory& directory)
    : directory_(directory),
      machine_id_(directory.environment().machine_id()),
      identity_(directory.identity().value_or(FileIdentity{})) {
    machine_id_.resize(std::min(machine_id_.size(), machine_id_limit));
}

Result<std::optional<Marker>> MarkerFile::read() const {
    const auto bytes =
        directory_.environment().read_file(directory_.marker_path(), 2 * marker_bytes);
    if (!bytes && bytes.error() == errc::too_large) return std::nullopt;
    if (!bytes) return bytes.error();
    if (!*bytes) return std::nullopt;
    return decode(**bytes);
}

Result<Provenance> MarkerFile::provenance(const Marks& database) const {
    const auto marker = read();
    if (!marker) return marker.error();
    return compare(*marker, machine_id_, identity_, database);
}

bool MarkerFile::is_due(Instant now) const noexcept {
    return !written_ || now - written_at_ >= shortest_interval;
}

Result<void> MarkerFile::update(const Marks& marks, Instant now) {
    if (!is_due(now) || written_ == marks) return {};
    return write(marks, false, now);
}

Result<void> MarkerFile::write(const Marks& marks, bool clean_end, Instant now) {
    const Marker marker{.machine_id = machine_id_,
                        .inode = identity_.inode,
                        .marks = marks,
                        .clean_end = clean_end,
                        .unasked = unasked_};
    // A failed write is not tried again before the second is over either.
    written_at_ = now;
    auto written =
        directory_.environment().write_file(directory_.marker_path(), encode(marker), true);
    if (written) written_ = marks;
    return written;
}

}  // namespace countersign::sqlite
