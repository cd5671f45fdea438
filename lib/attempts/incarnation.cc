#include "attempts/incarnation.h"

#include <algorithm>
#include <set>

#include "attempts/own_row.h"
#include "attempts/tally.h"

namespace countersign::attempts {
namespace {

Result<std::set<CredentialId>> credentials_of(Tables& tables, const Author& author) {
    std::set<CredentialId> credentials;
    std::optional<Error> failure;
    const auto read = tables.each_of(author, RowSeq{0}, [&](const SignedRow& row) {
        if (row.kind != SignedRow::Kind::tally) return true;
        const auto tally = decode_tally(row.bytes);
        if (!tally) {
            failure = Error(errc::corrupt, tally.error().detail());
            return false;
        }
        credentials.insert(tally->credential);
        return true;
    });
    if (!read) return read.error();
    if (failure) return *failure;
    return credentials;
}

}  // namespace

Result<void> begin_incarnation(Tables& tables,
                               const sealing::SigningKey& key,
                               Incarnation fresh,
                               LogSeq head,
                               const WhoseWord& whose,
                               UnixTime wall) {
    const auto former = tables.author();
    if (!former) return former.error();
    AuthorRow author{.incarnation = fresh,
                     .started = wall,
                     .is_restored = former->has_value(),
                     .is_confirmed = !former->has_value(),
                     .time = wall};
    if (*former) {
        // No code may be good twice because the clock is behind what the former life had seen.
        author.started = std::max(wall, (*former)->time);
        if (auto done = tables.forget_renewed(); !done) return done;
        const NodeId node{key.public_key()};
        author.has_rows = (*former)->has_rows;
        if (const auto said = (*former)->row_seq; said != RowSeq{0}) {
            if (auto done = tables.put_heard({node, (*former)->incarnation}, said); !done) {
                return done;
            }
        }
        author.arrival = (*former)->arrival;
        author.time = std::max(wall, (*former)->time);
        const auto credentials =
            credentials_of(tables, {.node = node, .incarnation = (*former)->incarnation});
        if (!credentials) return credentials.error();
        for (const auto& credential : *credentials) {
            const auto stored = tables.tallies(credential);
            if (!stored) return stored.error();
            TallySet rows(credential);
            Arrival arrival{};
            for (const auto& each : *stored) {
                rows.merge(each.row, Instant{});
                if (each.row.incarnation == (*former)->incarnation) arrival = each.arrival;
            }
            const Stamp stamp{.node = node,
                              .incarnation = fresh,
                              .row_seq = RowSeq{value(author.row_seq) + 1},
                              .head = head};
            const auto copy = copy_from((*former)->incarnation, rows, stamp, whose);
            if (!copy) continue;
            author.row_seq = stamp.row_seq;
            if (auto put =
                    tables.put({.row = *copy, .signature = sign(*copy, key), .arrival = arrival});
                !put) {
                return put;
            }
        }
    }
    return tables.put_author(author);
}

}  // namespace countersign::attempts
