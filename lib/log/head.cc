#include "log/head.h"

#include <utility>

#include "sqlite/read.h"

namespace countersign::log {
namespace {

Result<Head> to_head(const sqlite::Rows& rows) {
    const auto row =
        sqlite::columns<RootTerm, Epoch, NodeId, LogSeq, sealing::Hash256, UnixTime>(rows);
    if (!row) return row.error();
    const auto& [root_term, epoch, node, seq, hash, time] = *row;
    const auto digest = rows.blob(6);
    if (digest.size() != Digest::state_size) return Error(errc::corrupt, "the head's digest");
    return Head{.place = {.root_term = root_term, .epoch = epoch, .node = node, .seq = seq},
                .hash = hash,
                .time = time,
                .digest = Digest(digest.first<Digest::state_size>())};
}

}  // namespace

Result<HeadRow> HeadRow::prepare(sqlite::Database& database, std::string_view tables) {
    auto statements = sqlite::Statements<Query>::prepare(
        database,
        {{{Query::read, "SELECT root_term, epoch, node, seq, hash, time, digest FROM $head"},
          {Query::write,
           "INSERT OR REPLACE INTO $head (one, root_term, epoch, node, seq, hash, time, digest)"
           " VALUES (1, ?, ?, ?, ?, ?, ?, ?)"}}},
        tables);
    if (!statements) return statements.error();
    return HeadRow(std::move(*statements));
}

Result<Head> HeadRow::read() {
    auto head = sqlite::one_row(statements_[Query::read].query(), to_head);
    if (!head) return head.error();
    return std::move(*head).value_or(Head{});
}

Result<void> HeadRow::write(const Head& head) {
    return statements_[Query::write].run(head.place.root_term,
                                         head.place.epoch,
                                         head.place.node,
                                         head.place.seq,
                                         head.hash,
                                         head.time,
                                         head.digest.state());
}

}  // namespace countersign::log
