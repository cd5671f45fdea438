#include "log/scrub.h"

#include <utility>

namespace countersign::log {

Result<Scrub> Scrub::begin(sqlite::Database& database, const RowHasher& hash_row) {
    auto reader = records::Reader::prepare(database);
    if (!reader) return reader.error();
    auto head_row = HeadRow::prepare(database);
    if (!head_row) return head_row.error();
    auto batches = BatchTable::prepare(database);
    if (!batches) return batches.error();
    auto designations = membership::Designations::prepare(database);
    if (!designations) return designations.error();
    auto snapshot = sqlite::ReadTransaction::begin(database);
    if (!snapshot) return snapshot.error();
    Scrub scrub(std::move(*snapshot), std::move(*reader), hash_row);
    auto head = head_row->read();
    if (!head) return head.error();
    scrub.head_ = std::move(*head);
    auto last = read_signed_head(*batches, *designations);
    if (!last) return last.error();
    scrub.signed_ = std::move(*last);
    return scrub;
}

bool Scrub::records_sound() const {
    return survey_.proves(signed_ ? signed_->digest : head_.digest.digest());
}

bool Scrub::head_sound() const {
    return !signed_ || (head_.place == signed_->place && head_.hash == signed_->hash &&
                        head_.time == signed_->time && head_.digest.digest() == signed_->digest);
}

}  // namespace countersign::log
