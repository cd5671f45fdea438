#include "log/scrub.h"

#include <cassert>
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
    assert(rows != 0);
    if (!all_records_) {
        const auto read = read_records(rows);
        if (!read) return read.error();
        all_records_ = *read < rows;
        rows -= *read;
    }
    if (rows == 0) return false;
    const auto read = read_handles(rows);
    if (!read) return read.error();
    return *read < rows;
}

Result<std::size_t> Scrub::read_records(std::size_t rows) {
    std::size_t visited = 0;
    const auto read = reader_.each(
        record_, [&](const records::RecordName& name, const records::StoredRecord& record) {
            records_.add((*hash_row_)(name, record.seq, record.sealed, record.handles));
            for (const auto& handle : record.handles) {
                handles_due_.toggle((*hash_row_)(records::HandleRow{handle, name}));
            }
            record_ = name;
            return ++visited < rows;
        });
    if (!read) return read.error();
    rows_read_ += visited;
    return visited;
}

Result<std::size_t> Scrub::read_handles(std::size_t rows) {
    std::size_t visited = 0;
    const auto read = reader_.each_handle(handle_, [&](const records::HandleRow& row) {
        handles_.toggle((*hash_row_)(row));
        handle_ = row;
        return ++visited < rows;
    });
    if (!read) return read.error();
    return visited;
}

}  // namespace countersign::log
