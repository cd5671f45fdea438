#include "attempts/tally.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "attempts/row_bytes.h"

namespace countersign::attempts {
namespace {

constexpr std::uint64_t format = 1;
constexpr std::size_t node_offset = 1 + CredentialId::size;
constexpr std::size_t fixed_size = 96;
constexpr std::size_t clear_size = 52;

Result<void> check(const TallyRow& row) {
    if (value(row.row_seq) == 0 || value(row.window) == 0 || row.window > row.row_seq) {
        return Error(errc::malformed, "a tally row's window lies between 1 and its row_seq");
    }
    const Clear* before = nullptr;
    for (const Clear& clear : row.clears) {
        if (value(clear.window) == 0 || clear.failures == 0) {
            return Error(errc::malformed, "a clear in a tally row clears nothing");
        }
        if (clear.subject() == row.author()) {
            return Error(errc::malformed, "a tally row clears itself");
        }
        if (before != nullptr && before->subject() >= clear.subject()) {
            return Error(errc::malformed, "the clears of a tally row are not in rising order");
        }
        before = &clear;
    }
    return {};
}

}  // namespace

const Clear* TallyRow::clear_of(const Author& subject) const noexcept {
    const auto found = std::ranges::lower_bound(clears, subject, {}, &Clear::subject);
    return found != clears.end() && found->subject() == subject ? &*found : nullptr;
}

std::vector<std::byte> encode(const TallyRow& row) {
    assert(row.clears.size() <= max_clears && check(row));
    RowWriter writer(fixed_size + clear_size * row.clears.size());
    writer.number(format, 1)
        .bytes(row.credential.bytes())
        .bytes(row.node.bytes)
        .number(value(row.incarnation), 8)
        .number(value(row.row_seq), 8)
        .number(value(row.window), 8)
        .number(row.failures, 4)
        .number(value(row.head), 8)
        .number(row.clears.size(), 2);
    for (const Clear& clear : row.clears) {
        writer.bytes(clear.node.bytes)
            .number(value(clear.incarnation), 8)
            .number(value(clear.window), 8)
            .number(clear.failures, 4);
    }
    return writer.finish();
}

Result<TallyRow> decode_tally(std::span<const std::byte> bytes) {
    if (!bytes.empty() && std::to_integer<std::uint64_t>(bytes[0]) != format) {
        return Error(errc::unsupported_version, "a tally row of an unknown format");
    }
    if (bytes.size() < fixed_size) return Error(errc::malformed, "a tally row is cut short");
    RowReader reader(bytes.subspan(1));
    auto credential = CredentialId::from_bytes(reader.bytes(CredentialId::size));
    if (!credential) return std::move(credential).error();
    TallyRow row{.credential = *credential};
    row.node = reader.id<NodeId>();
    row.incarnation = Incarnation{reader.number(8)};
    row.row_seq = RowSeq{reader.number(8)};
    row.window = RowSeq{reader.number(8)};
    row.failures = static_cast<std::uint32_t>(reader.number(4));
    row.head = LogSeq{reader.number(8)};
    const std::uint64_t count = reader.number(2);
    if (count > max_clears) return Error(errc::too_large, "a tally row has at most 256 clears");
    if (bytes.size() != fixed_size + clear_size * count) {
        return Error(errc::malformed, "a tally row's size does not fit its number of clears");
    }
    row.clears.reserve(count);
    while (!reader.empty()) {
        Clear& clear = row.clears.emplace_back();
        clear.node = reader.id<NodeId>();
        clear.incarnation = Incarnation{reader.number(8)};
        clear.window = RowSeq{reader.number(8)};
        clear.failures = static_cast<std::uint32_t>(reader.number(4));
    }
    if (auto checked = check(row); !checked) return std::move(checked).error();
    return row;
}

Result<NodeId> author_of_tally(std::span<const std::byte> bytes) {
    if (bytes.size() < fixed_size) return Error(errc::malformed, "a tally row is cut short");
    return *NodeId::from_bytes(bytes.subspan(node_offset, NodeId::size));
}

sealing::Signature sign(const TallyRow& row, const sealing::SigningKey& key) {
    assert(row.node.bytes == key.public_key());
    return sealing::sign(sealing::SignatureKind::tally, encode(row), key);
}

Result<TallyRow> verify_tally(std::span<const std::byte> bytes,
                              const sealing::Signature& signature) {
    if (bytes.size() > fixed_size + clear_size * max_clears) {
        return Error(errc::too_large, "a tally row has at most 256 clears");
    }
    auto author = author_of_tally(bytes);
    if (!author) return std::move(author).error();
    if (!sealing::verify(sealing::SignatureKind::tally, bytes, signature, author->bytes)) {
        return Error(errc::bad_signature, "a tally row is not signed by its node");
    }
    return decode_tally(bytes);
}

}  // namespace countersign::attempts
