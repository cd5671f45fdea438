#include "attempts/unknown_rows.h"

#include <optional>
#include <utility>

namespace countersign::attempts {

UnknownRows::UnknownRows(std::function<bool(const UserId&)> is_unknown, std::size_t limit)
    : is_unknown_(std::move(is_unknown)), limit_(limit), names_(limit) {}

Result<bool> UnknownRows::catch_up(Tables& tables, const Author& author, Instant now) {
    if (author != author_) {
        author_ = author;
        seen_ = {};
        names_ = UnknownNames(limit_);
        leaving_.clear();
    }
    bool is_overrun = false;
    std::optional<Error> failure;
    const auto visit = [&](const SignedRow& signed_row) {
        if (signed_row.kind == SignedRow::Kind::tally) {
            const auto row = decode_tally(signed_row.bytes);
            if (!row) {
                failure = Error(errc::corrupt, "a tally row cannot be read; run a repair");
                return false;
            }
            if (row->failures == 0) {
                names_.cleared(row->credential);
                leaving_.erase(row->credential);
            } else if (is_unknown_(row->credential.user())) {
                leaving_.erase(row->credential);
                const auto oldest = names_.failed(row->credential, row->row_seq, now);
                if (oldest) {
                    leaving_.insert(oldest->credential);
                    is_overrun = is_overrun || oldest->is_overrun;
                }
            }
        }
        seen_ = signed_row.row_seq;
        return true;
    };
    if (auto done = tables.each_of(author, RowSeq{value(seen_) + 1}, visit); !done) {
        return done.error();
    }
    if (failure) return *failure;
    return is_overrun;
}

}  // namespace countersign::attempts
