#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace countersign {

using Bytes = std::vector<std::byte>;
using BytesView = std::span<const std::byte>;

/// A name of `Size` bytes that says of what it is the name: ids of different kinds do not mix.
template <class Tag, std::size_t Size>
struct Id {
    static constexpr std::size_t size = Size;
    std::array<std::byte, Size> bytes{};

    friend auto operator<=>(const Id&, const Id&) = default;
    operator std::span<const std::byte, Size>() const noexcept { return bytes; }

    /// No value when `raw` is not exactly `Size` bytes.
    static std::optional<Id> from_bytes(std::span<const std::byte> raw) noexcept {
        if (raw.size() != Size) return std::nullopt;
        Id id;
        for (std::size_t i = 0; i < Size; ++i) id.bytes[i] = raw[i];
        return id;
    }
};

/// The pool: drawn at random when `Store::create` makes its first node.
using PoolId = Id<struct PoolTag, 16>;
/// A node: its Ed25519 public key.
using NodeId = Id<struct NodeTag, 32>;
/// Any replicated record: a UUIDv7 (RFC 9562), so that new ones sort last.
using RecordId = Id<struct RecordTag, 16>;
/// A user: the id of the user's record.
using UserId = Id<struct UserTag, 16>;
/// One authenticator of one user.
using TotpId = Id<struct TotpTag, 8>;

/// Place of a batch in the signed log. The first is 1; 0 means "nothing yet".
enum class LogSeq : std::uint64_t {};
/// How often a primary has been designated; the first is 1.
enum class Epoch : std::uint64_t {};
/// Rises with each designation that the root key signs; the first is 1.
enum class RootTerm : std::uint64_t {};
/// Orders what one incarnation of a node has said in its tally and spent rows. The first is 1.
enum class RowSeq : std::uint64_t {};
/// One life of a node's directory: 64 random bits.
enum class Incarnation : std::uint64_t {};
/// A group of users sealed under one data key. 0 is the pool's own records.
enum class RealmId : std::uint16_t { pool = 0, default_users = 1 };
/// Which of a realm's data keys. The first is 1.
enum class KeyVersion : std::uint32_t {};
/// Counts the changes of one user's password that were more than a re-hash. The first is 1.
enum class PasswordVersion : std::uint64_t {};

/// The number in an id or place, for arithmetic and storage: `value(seq) + 1`.
template <class Enum>
    requires std::is_enum_v<Enum>
constexpr auto value(Enum number) noexcept {
    return static_cast<std::underlying_type_t<Enum>>(number);
}

/// The place after this one.
constexpr LogSeq next(LogSeq seq) noexcept {
    return LogSeq{value(seq) + 1};
}

/// Lower-case hexadecimal, two digits a byte.
std::string to_hex(std::span<const std::byte> bytes);
/// No value unless `text` is an even number of hexadecimal digits, of either case.
std::optional<std::vector<std::byte>> from_hex(std::string_view text);

/// The text form of RFC 9562 section 4: 8-4-4-4-12 lower-case hexadecimal digits.
std::string to_string(const UserId& id);
/// Reads exactly that form, of either case.
std::optional<UserId> parse_user_id(std::string_view text);
std::string to_string(const PoolId& id);
std::string to_string(const NodeId& id);
std::string to_string(const TotpId& id);

}  // namespace countersign

/// Ids of nodes are public keys and may be chosen by others: they are mixed whole, never truncated.
template <class Tag, std::size_t Size>
struct std::hash<countersign::Id<Tag, Size>> {
    std::size_t operator()(const countersign::Id<Tag, Size>& id) const noexcept {
        return std::hash<std::string_view>{}(
            {reinterpret_cast<const char*>(id.bytes.data()), id.bytes.size()});
    }
};
