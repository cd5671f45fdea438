#include "attempts/spent.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "countersign/mutants.h"

#include "attempts/row_bytes.h"

namespace countersign::attempts {
namespace {

constexpr std::uint64_t format = 1;
constexpr std::size_t node_offset = 1 + CredentialId::size + Code::size;
constexpr std::size_t row_size = 107;
constexpr std::uint64_t step_grace = 1;

}  // namespace

Code Code::totp_step(std::uint64_t step) noexcept {
    Code code;
    for (std::size_t i = 0; i < 8; ++i) code.id_[i] = static_cast<std::byte>(step >> (8 * i));
    return code;
}

Code Code::with_id(CodeKind kind, std::span<const std::byte, 16> id) {
    assert(kind != CodeKind::totp_step);
    Code code;
    code.kind_ = kind;
    std::ranges::copy(id, code.id_.begin());
    return code;
}

std::optional<std::uint64_t> Code::step() const noexcept {
    if (kind_ != CodeKind::totp_step) return std::nullopt;
    return RowReader(id_).number(8);
}

std::array<std::byte, Code::size> Code::bytes() const noexcept {
    std::array<std::byte, size> bytes{};
    bytes[0] = static_cast<std::byte>(kind_);
    std::ranges::copy(id_, bytes.begin() + 1);
    return bytes;
}

Result<Code> Code::from_bytes(std::span<const std::byte> bytes) {
    if (bytes.size() != size) return Error(errc::malformed, "a spent code has 17 bytes");
    Code code;
    code.kind_ = static_cast<CodeKind>(bytes[0]);
    std::ranges::copy(bytes.subspan(1), code.id_.begin());
    switch (code.kind_) {
        case CodeKind::totp_step:
            if (code != totp_step(*code.step())) {
                return Error(errc::malformed, "a spent time step has 8 bytes");
            }
            return code;
        case CodeKind::recovery_code:
        case CodeKind::one_time_code:
        case CodeKind::link:
        case CodeKind::challenge:
        case CodeKind::refresh_token:
            return code;
    }
    return Error(errc::malformed, "unknown kind of spent code");
}

std::vector<std::byte> encode(const SpentRow& row) {
    const auto expiry = row.expiry.time_since_epoch().count();
    assert(value(row.row_seq) != 0 && expiry >= 0);
    RowWriter writer(row_size);
    writer.number(format, 1)
        .bytes(row.credential.bytes())
        .bytes(row.code.bytes())
        .bytes(row.node.bytes)
        .number(value(row.incarnation), 8)
        .number(value(row.row_seq), 8)
        .number(value(row.head), 8)
        .number(static_cast<std::uint64_t>(expiry), 8);
    return writer.finish();
}

Result<SpentRow> decode_spent(std::span<const std::byte> bytes) {
    if (!bytes.empty() && std::to_integer<std::uint64_t>(bytes[0]) != format) {
        return Error(errc::unsupported_version, "a spent row of an unknown format");
    }
    if (bytes.size() != row_size) return Error(errc::malformed, "a spent row has 107 bytes");
    RowReader reader(bytes.subspan(1));
    auto credential = CredentialId::from_bytes(reader.bytes(CredentialId::size));
    if (!credential) return std::move(credential).error();
    auto code = Code::from_bytes(reader.bytes(Code::size));
    if (!code) return std::move(code).error();
    SpentRow row{.credential = *credential, .code = *code};
    row.node = reader.id<NodeId>();
    row.incarnation = Incarnation{reader.number(8)};
    row.row_seq = RowSeq{reader.number(8)};
    row.head = LogSeq{reader.number(8)};
    const auto expiry = static_cast<std::int64_t>(reader.number(8));
    if (value(row.row_seq) == 0 || expiry < 0) {
        return Error(errc::malformed, "a spent row has no place or no expiry");
    }
    row.expiry = UnixTime(milliseconds(expiry));
    return row;
}

Result<NodeId> author_of_spent(std::span<const std::byte> bytes) {
    if (bytes.size() != row_size) return Error(errc::malformed, "a spent row has 107 bytes");
    return *NodeId::from_bytes(bytes.subspan(node_offset, NodeId::size));
}

sealing::Signature sign(const SpentRow& row, const sealing::SigningKey& key) {
    assert(row.node.bytes == key.public_key());
    return sealing::sign(sealing::SignatureKind::spent, encode(row), key);
}

Result<SpentRow> verify_spent(std::span<const std::byte> bytes,
                              const sealing::Signature& signature) {
    auto author = author_of_spent(bytes);
    if (!author) return std::move(author).error();
    if (!sealing::verify(sealing::SignatureKind::spent, bytes, signature, author->bytes)) {
        return Error(errc::bad_signature, "a spent row is not signed by its node");
    }
    return decode_spent(bytes);
}

bool step_is_free(std::uint64_t step,
                  const CredentialId& credential,
                  std::span<const SpentRow> rows,
                  const StepView& view,
                  const WhoseSpent& whose) {
    if (step < view.first) return false;
    return std::ranges::none_of(rows, [&](const SpentRow& row) {
        const auto spent = row.code.step();
        if (is_planted(Mutant::step_at_last) && spent == step) return false;
        if (!spent || *spent < step || row.credential != credential) return false;
        if (row.node == view.node) return true;
        if (is_planted(Mutant::deaf_to_spent)) return false;
        const bool is_reached = *spent <= view.current || *spent - view.current <= step_grace;
        return is_reached && whose.counts(row);
    });
}

bool code_is_spent(const Code& code,
                   const CredentialId& credential,
                   std::span<const SpentRow> rows,
                   const NodeId& node,
                   const WhoseSpent& whose) {
    assert(!code.step());
    return std::ranges::any_of(rows, [&](const SpentRow& row) {
        return row.code == code && row.credential == credential &&
               (row.node == node || whose.counts(row));
    });
}

bool is_double_use(const SpentRow& left, const SpentRow& right) noexcept {
    return left.credential == right.credential && left.code == right.code &&
           left.node != right.node;
}

}  // namespace countersign::attempts
