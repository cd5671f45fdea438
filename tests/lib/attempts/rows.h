#pragma once

#include <cstdint>
#include <set>

#include "attempts/merge.h"
#include "attempts/own_row.h"
#include "attempts/spent.h"
#include "attempts/tally.h"
#include "sealing/signature.h"

/// Nodes, credentials and rows by small numbers, for the tests of this room.
namespace countersign::attempts::testing {

inline NodeId node(std::uint8_t number) {
    NodeId id;
    id.bytes[0] = std::byte{number};
    return id;
}

inline UserId user(std::uint8_t number) {
    UserId id;
    id.bytes[15] = std::byte{number};
    return id;
}

inline CredentialId password_of(std::uint8_t number) {
    return CredentialId::password(user(number), PasswordVersion{1});
}

inline TallyRow row(std::uint8_t author,
                    std::uint64_t row_seq,
                    std::uint64_t window,
                    std::uint32_t failures,
                    std::vector<Clear> clears = {},
                    std::uint64_t incarnation = 1) {
    TallyRow made{.credential = password_of(1)};
    made.node = node(author);
    made.incarnation = Incarnation{incarnation};
    made.row_seq = RowSeq{row_seq};
    made.window = RowSeq{window};
    made.failures = failures;
    made.clears = std::move(clears);
    return made;
}

inline Clear clear(std::uint8_t subject,
                   std::uint64_t window,
                   std::uint32_t failures,
                   std::uint64_t incarnation = 1) {
    return {node(subject), Incarnation{incarnation}, RowSeq{window}, failures};
}

inline Stamp stamp(std::uint8_t author, std::uint64_t row_seq, std::uint64_t incarnation = 1) {
    return {node(author), Incarnation{incarnation}, RowSeq{row_seq}, LogSeq{1}};
}

inline TallySet set_of(std::initializer_list<TallyRow> rows) {
    TallySet set(password_of(1));
    for (const TallyRow& each : rows) set.merge(each, Instant{});
    return set;
}

inline sealing::SigningKey signing_key(std::uint8_t number) {
    std::array<std::byte, 32> seed{};
    seed[0] = std::byte{number};
    return sealing::SigningKey(std::span<const std::byte, 32>(seed));
}

/// Every node holds the realm but those named; of those the word counts for nothing, unless they
/// are named as administrators, whose clears count.
class Holders : public WhoseWord, public WhoseSpent {
  public:
    std::set<NodeId> without_realm;
    std::set<NodeId> administrators;

    bool failures_count(const TallyRow& row) const override {
        return !without_realm.contains(row.node);
    }
    bool clears_count(const TallyRow& row) const override {
        return failures_count(row) || administrators.contains(row.node);
    }
    bool counts(const SpentRow& row) const override { return !without_realm.contains(row.node); }
};

}  // namespace countersign::attempts::testing
