#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "countersign/error.h"
#include "countersign/ids.h"

namespace countersign {

// What a copy of records carries, and a repair of some of them.

/// Names a record; copies go in the order of these.
struct RecordKey {
    std::uint16_t kind = 0;
    RecordId id;
    friend auto operator<=>(const RecordKey&, const RecordKey&) = default;
};
struct CopiedRecord {
    RecordKey key;
    LogSeq seq{};  ///< the batch that last wrote it
    Bytes sealed;
    Bytes handles;  ///< 16 bytes each
    friend bool operator==(const CopiedRecord&, const CopiedRecord&) = default;
};
/// Records that follow one another by key, as they all stood at one moment.
struct CopyPage {
    LogSeq moment{};  ///< seq of the feeder's head in the transaction that read them
    std::vector<CopiedRecord> records;
    bool last = false;  ///< none follow
    friend bool operator==(const CopyPage&, const CopyPage&) = default;
};

/// How far a copy has come in the staging tables; durable.
struct CopyState {
    enum class Stage : std::uint8_t {
        none,       ///< no copy is under way
        paging,     ///< records are being fetched
        replaying,  ///< all pages are there; batches first to last are being applied to them
    };
    Stage stage = Stage::none;
    std::optional<RecordKey> after;  ///< the last record staged
    LogSeq first{};     ///< S0: the lowest moment of any page, whose batch anchors the chain
    LogSeq last{};      ///< S1: the highest; there the digest must prove the copy
    LogSeq replayed{};  ///< the last batch applied to the staged records; 0: not even `first`
};

/// A store's records in 65,536 parts, by which two stores find what differs between them: a record
/// is in the leaf that the last two bytes of its id name. Those of a UUIDv7 are random, so leaves
/// are of about one size, and records that were made together are not in one. 256 leaves whose
/// first byte is the same make a bucket.
using Leaf = std::uint16_t;
inline constexpr std::size_t bucket_count = 256;
inline constexpr std::size_t leaves_per_bucket = 256;
inline constexpr std::size_t leaf_count = bucket_count * leaves_per_bucket;
inline Leaf leaf_of(const RecordId& id) noexcept {
    return static_cast<Leaf>(std::to_integer<unsigned>(id.bytes[14]) << 8 |
                             std::to_integer<unsigned>(id.bytes[15]));
}
inline std::size_t bucket_of(Leaf leaf) noexcept {
    return leaf / leaves_per_bucket;
}

/// Members of 0 to `Size` - 1, and as bytes: bit `n % 8` of byte `n / 8` says whether `n` is one.
template <std::size_t Size>
class NumberSet {
  public:
    static constexpr std::size_t byte_size = Size / 8;

    NumberSet() : bits_(byte_size) {}
    /// None: another size.
    static std::optional<NumberSet> from_bytes(BytesView bytes) {
        if (bytes.size() != byte_size) return std::nullopt;
        NumberSet set;
        set.bits_.assign(bytes.begin(), bytes.end());
        return set;
    }
    void add(std::size_t number) { bits_.at(number / 8) |= bit(number); }
    void remove(std::size_t number) { bits_.at(number / 8) &= ~bit(number); }
    bool has(std::size_t number) const {
        return (bits_.at(number / 8) & bit(number)) != std::byte{};
    }
    std::size_t count() const noexcept {
        std::size_t sum = 0;
        for (const auto each : bits_) {
            sum += static_cast<std::size_t>(std::popcount(std::to_integer<std::uint8_t>(each)));
        }
        return sum;
    }
    const Bytes& bytes() const noexcept { return bits_; }
    friend bool operator==(const NumberSet&, const NumberSet&) = default;

  private:
    static std::byte bit(std::size_t number) noexcept { return std::byte{1} << number % 8; }
    Bytes bits_;
};
using BucketSet = NumberSet<bucket_count>;
using LeafSet = NumberSet<leaf_count>;

/// What the records of a leaf or bucket add up to, by their keyed hashes: equal where the records
/// are. It finds what differs; what proves a repair is the signed digest.
using RecordSum = std::array<std::byte, 16>;
/// Of all records that a store held at one moment.
struct RecordSums {
    LogSeq moment{};                ///< seq of its head then
    bool sound = false;             ///< they add up to the digest that the batch at `moment` signs
    std::vector<RecordSum> leaves;  ///< leaf_count of them; none when the store is known damaged

    /// That of a bucket is the sum of its leaves.
    std::vector<RecordSum> buckets() const;
};

/// One snapshot of a store that is to be repaired from. Must not outlive the store. Its calls may
/// come from any thread, one at a time.
class RepairSource {
  public:
    virtual ~RepairSource() = default;
    virtual const RecordSums& sums() const noexcept = 0;
    /// The records of `leaves` after `after`, as LinkStore::read_page. Slow. Errors: errc::busy:
    /// the store needed the snapshot's handle back.
    virtual Result<CopyPage> read_page(const LeafSet& leaves,
                                       const std::optional<RecordKey>& after,
                                       std::size_t max_bytes) = 0;
};

}  // namespace countersign
