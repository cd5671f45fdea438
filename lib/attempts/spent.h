#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "countersign/error.h"
#include "countersign/ids.h"
#include "countersign/time.h"

#include "attempts/credential.h"
#include "sealing/signature.h"

namespace countersign::attempts {

enum class CodeKind : std::uint8_t {
    totp_step = 1,
    recovery_code = 2,
    one_time_code = 3,
    link = 4,
    challenge = 5,
    refresh_token = 6,
};

/// Something that works once: a time step of an authenticator, or a code with an id of its own.
class Code {
  public:
    static constexpr std::size_t size = 17;

    static Code totp_step(std::uint64_t step) noexcept;
    /// Any kind but a TOTP step.
    static Code with_id(CodeKind kind, std::span<const std::byte, 16> id);

    CodeKind kind() const noexcept { return kind_; }
    /// The step; no value for any other kind.
    std::optional<std::uint64_t> step() const noexcept;

    /// The kind, then the id; a step is 8 bytes little-endian and 8 of zero.
    std::array<std::byte, size> bytes() const noexcept;
    /// Errors: errc::malformed for another size, an unknown kind, or a step above 8 bytes.
    static Result<Code> from_bytes(std::span<const std::byte> bytes);

    friend auto operator<=>(const Code&, const Code&) = default;

  private:
    Code() = default;

    CodeKind kind_ = CodeKind::totp_step;
    std::array<std::byte, 16> id_{};
};

/// One node's word that it accepted a code, so that no node which has heard it does so again.
struct SpentRow {
    CredentialId credential;
    Code code;
    NodeId node;
    Incarnation incarnation{};
    RowSeq row_seq{};  ///< from the same counter as the tally rows of this incarnation
    LogSeq head{};     ///< the author's, when it wrote the row
    UnixTime expiry;   ///< when the row may be dropped: the code cannot live longer

    friend bool operator==(const SpentRow&, const SpentRow&) = default;
};

/// The bytes that are signed, stored and sent: always 107. Numbers are little-endian.
///
/// | byte | field |
/// |---|---|
/// | 0 | format: 1 |
/// | 1 | credential, 25 bytes (credential.h) |
/// | 26 | code, 17 bytes (Code::bytes) |
/// | 43 | node, 32 bytes |
/// | 75 | incarnation, 8 |
/// | 83 | row_seq, 8; at least 1 |
/// | 91 | head, 8 |
/// | 99 | expiry, Unix milliseconds, 8; below 2^63 |
std::vector<std::byte> encode(const SpentRow& row);

/// Errors: errc::unsupported_version for another format; errc::malformed for anything else that
/// `encode` would not have written.
Result<SpentRow> decode_spent(std::span<const std::byte> bytes);

/// As author_of_tally.
Result<NodeId> author_of_spent(std::span<const std::byte> bytes);

/// Over encode(row). `key` must be that of the row's node.
sealing::Signature sign(const SpentRow& row, const sealing::SigningKey& key);

/// As verify_tally.
Result<SpentRow> verify_spent(std::span<const std::byte> bytes,
                              const sealing::Signature& signature);

/// Whose spent rows count: those of nodes that hold the user's realm.
class WhoseSpent {
  public:
    virtual ~WhoseSpent() = default;
    virtual bool counts(const SpentRow& row) const = 0;
};

/// This node's view of an authenticator's time, in steps.
struct StepView {
    NodeId node;
    std::uint64_t current = 0;  ///< by this node's clock
    std::uint64_t first = 0;    ///< the first that began after this incarnation's start
};

/// True when `step` may be accepted here: it did not begin before this incarnation, and lies above
/// every step of the credential known to be spent. The row of another node counts only if that
/// node's word counts, and not before this clock has come within one step of it: a clock that runs
/// ahead elsewhere does not shut anyone out here. `rows` may hold rows of other credentials and
/// codes. To be decided in the commit that writes the row.
bool step_is_free(std::uint64_t step,
                  const CredentialId& credential,
                  std::span<const SpentRow> rows,
                  const StepView& view,
                  const WhoseSpent& whose);

/// True when `code`, which is not a TOTP step, is spent here or at a node whose word counts.
bool code_is_spent(const Code& code,
                   const CredentialId& credential,
                   std::span<const SpentRow> rows,
                   const NodeId& node,
                   const WhoseSpent& whose);

/// True when two rows show that one code worked at two nodes.
bool is_double_use(const SpentRow& left, const SpentRow& right) noexcept;

}  // namespace countersign::attempts
