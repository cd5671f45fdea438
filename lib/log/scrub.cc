#include "log/scrub.h"

#include <utility>

namespace countersign::log {

Scrub::Scrub(sqlite::ReadTransaction snapshot,
             records::Reader reader,
             const RowHasher& hash_row,
             Head head)
    : snapshot_(std::move(snapshot)),
      reader_(std::move(reader)),
      hash_row_(&hash_row),
      head_(std::move(head)) {}

Result<Scrub> Scrub::begin(sqlite::Database& database, const RowHasher& hash_row) {
    auto reader = records::Reader::prepare(database);
    if (!reader) return reader.error();
    auto head_row = HeadRow::prepare(database);
    if (!head_row) return head_row.error();
    auto snapshot = sqlite::ReadTransaction::begin(database);
    if (!snapshot) return snapshot.error();
    auto head = head_row->read();
    if (!head) return head.error();
    return Scrub(std::move(*snapshot), std::move(*reader), hash_row, std::move(*head));
}

Result<bool> Scrub::step(std::size_t rows) {
    std::size_t visited = 0;
    const auto read = reader_.each(
        cursor_, [&](const records::RecordName& name, const records::StoredRecord& record) {
            sum_.add((*hash_row_)(name, record.seq, record.sealed, record.handles));
            cursor_ = name;
            return ++visited < rows;
        });
    if (!read) return read.error();
    rows_read_ += visited;
    return visited < rows;
}

}  // namespace countersign::log
