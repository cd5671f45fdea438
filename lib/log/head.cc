#include "log/head.h"

#include <utility>

namespace countersign::log {

HeadRow::HeadRow(sqlite::Statement read, sqlite::Statement write)
    : read_(std::move(read)), write_(std::move(write)) {}

Result<HeadRow> HeadRow::prepare(sqlite::Database& database) {
    auto read =
        database.prepare("SELECT root_term, epoch, node, seq, hash, time, digest FROM head");
    if (!read) return read.error();
    auto write = database.prepare(
        "INSERT OR REPLACE INTO head (one, root_term, epoch, node, seq, hash, time, digest)"
        " VALUES (1, ?, ?, ?, ?, ?, ?, ?)");
    if (!write) return write.error();
    return HeadRow(std::move(*read), std::move(*write));
}

Result<Head> HeadRow::read() {
    auto rows = read_.query();
    if (!rows) return rows.error();
    const auto found = rows->next();
    if (!found) return found.error();
    Head head;
    if (!*found) return head;
    const auto node = NodeId::from_bytes(rows->blob(2));
    const auto hash = sealing::Hash256::from_bytes(rows->blob(4));
    const auto digest = rows->blob(6);
    if (!node || !hash || digest.size() != Digest::state_size) {
        return Error(errc::corrupt, "the log's head");
    }
    head.place = {.root_term = RootTerm{static_cast<std::uint64_t>(rows->integer(0))},
                  .epoch = Epoch{static_cast<std::uint64_t>(rows->integer(1))},
                  .node = *node,
                  .seq = LogSeq{static_cast<std::uint64_t>(rows->integer(3))}};
    head.hash = *hash;
    head.time = UnixTime{milliseconds{rows->integer(5)}};
    head.digest = Digest(digest.first<Digest::state_size>());
    return head;
}

Result<void> HeadRow::write(const Head& head) {
    return write_.run(head.place.root_term,
                      head.place.epoch,
                      head.place.node,
                      head.place.seq,
                      head.hash,
                      head.time.time_since_epoch().count(),
                      head.digest.state());
}

}  // namespace countersign::log
