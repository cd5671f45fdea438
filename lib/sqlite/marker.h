#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "countersign/environment.h"
#include "countersign/error.h"
#include "countersign/ids.h"
#include "countersign/time.h"

#include "sqlite/directory.h"

namespace countersign::sqlite {

/// How far a database has come: the marker's are those of a moment before the database's own.
struct Marks {
    Incarnation incarnation{};
    LogSeq head{};
    RowSeq row_seq{};
    friend bool operator==(const Marks&, const Marks&) = default;
};

/// What the file `marker` says, outside the database, so that a copied or restored directory does
/// not pass for the one that lived on.
struct Marker {
    std::string machine_id;   ///< cut to `machine_id_limit`
    std::uint64_t inode = 0;  ///< of `store.db`; the device's number may change with each start
    Marks marks;
    bool clean_end = false;  ///< the last process to write it closed the store
    /// A primary whose end was unclean has not yet asked the members what it lost.
    bool unasked = false;
    friend bool operator==(const Marker&, const Marker&) = default;
};

inline constexpr std::size_t machine_id_limit = 128;

/// Format 1, all numbers little-endian: magic "csgnmark" (8) | format (4) | flags (4; bit 0: clean
/// end, bit 1: unasked) | inode (8) | incarnation (8) | head (8) | row seq (8) | length of the
/// machine id (4) | machine id (128, zero-padded) | CRC-32 of all before (4; ISO 3309).
inline constexpr std::size_t marker_bytes = 184;
std::vector<std::byte> encode(const Marker& marker);
/// No value unless it is exactly that.
std::optional<Marker> decode(std::span<const std::byte> bytes);

/// Where a directory comes from.
enum class Provenance {
    same,      ///< the directory that wrote the marker, as far as this machine can tell
    copied,    ///< another machine, or another file, than the marker's
    restored,  ///< the same place, with a database older than the marker or of another incarnation
    missing,   ///< no marker, or a torn one: to be treated as a copy
};

/// What is not `same` begins a new incarnation.
Provenance compare(const std::optional<Marker>& marker,
                   std::string_view machine_id,
                   const FileIdentity& identity,
                   const Marks& database) noexcept;

/// The marker of one open directory. For one thread at a time.
class MarkerFile {
  public:
    static constexpr std::chrono::seconds shortest_interval{1};

    /// `directory` holds a store and outlives this.
    explicit MarkerFile(const Directory& directory);

    /// No value where there is none, or a torn one. Errors: errc::io_error, errc::read_only.
    Result<std::optional<Marker>> read() const;
    /// Compares the file with this machine, this directory and the database's marks.
    Result<Provenance> provenance(const Marks& database) const;

    /// Whether the last write is a second old, so that `update` may write.
    bool is_due(Instant now) const noexcept;
    /// What every marker from here on says.
    void set_unasked(bool unasked) noexcept { unasked_ = unasked; }
    /// Writes the marks, durably, if they are new and it is_due. The later
    /// they reach the disk the more of a rolled back database goes unnoticed, so call it after
    /// commits and when `Store::run_due` runs. Errors: errc::disk_full, errc::read_only,
    /// errc::io_error.
    Result<void> update(const Marks& marks, Instant now);
    /// Writes the marks at once: at the beginning (`clean_end` false), for a new incarnation,
    /// before a rewind of the log, and at the end.
    Result<void> write(const Marks& marks, bool clean_end, Instant now);

  private:
    const Directory& directory_;
    std::string machine_id_;
    FileIdentity identity_;
    std::optional<Marks> written_;
    Instant written_at_{};
    bool unasked_ = false;
};

}  // namespace countersign::sqlite
