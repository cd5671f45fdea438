#include "log/repair.h"

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "log/copy_page.h"
#include "sqlite/read.h"

namespace countersign::log {

RecordSums to_sums(const Survey& survey, LogSeq moment, bool sound) {
    return {.moment = moment, .sound = sound, .leaves = survey.leaves()};
}

Result<Repair> Repair::prepare(sqlite::Database& database) {
    constexpr std::string_view staged_tables = "staged_";
    auto reader = records::Reader::prepare(database, staged_tables);
    if (!reader) return reader.error();
    auto writer = records::Writer::prepare(database, staged_tables);
    if (!writer) return writer.error();
    auto statements = sqlite::Statements<Query>::prepare(
        database,
        {{{Query::rows, "SELECT rowid, kind, id, seq, sealed, handles FROM record ORDER BY rowid"},
          {Query::erase, "DELETE FROM record WHERE rowid = ?"}}});
    if (!statements) return statements.error();
    return Repair(std::move(*reader), std::move(*writer), std::move(*statements));
}

Result<void> Repair::stage(const CopyPage& page) {
    if (auto right = check_page(page, std::nullopt); !right) return right;
    for (const auto& record : page.records) {
        auto written =
            staging_.insert(name_of(record.key), record.seq, record.sealed, record.handles);
        if (!written) return written;
    }
    return {};
}

Result<Repair::Mended> Repair::settle(Ledger& live, const LeafSet* leaves) {
    const auto last = read_signed_head(live.batches, live.designations);
    if (!last) return last.error();
    if (!*last) {
        return Error(errc::bad_signature,
                     "the last batch of the log is damaged too, so nothing proves the records;"
                     " they can be repaired once a later batch is there");
    }
    Mended mended;
    if (leaves) {
        if (auto replaced = replace(live, *leaves, mended); !replaced) return replaced.error();
    }
    Survey survey(live.hash_row);
    if (auto read = survey.run(live.reader); !read) return read.error();
    if (!survey.proves((*last)->digest)) {
        return Error(errc::digest_mismatch,
                     "the records are not those that " + described((*last)->place.seq) + " signs");
    }
    if (!survey.handles_sound()) {
        if (auto indexed = index_handles(live); !indexed) return indexed.error();
        mended.handles = true;
    }
    mended.now = Head{.place = (*last)->place,
                      .hash = (*last)->hash,
                      .time = (*last)->time,
                      .digest = survey.records()};
    const auto before = live.head.read();
    mended.head = !before || before->place != mended.now.place || before->hash != mended.now.hash ||
                  before->time != mended.now.time || before->digest != mended.now.digest;
    if (mended.head) {
        if (auto written = live.head.write(mended.now); !written) return written.error();
    }
    return mended;
}

Result<void> Repair::replace(Ledger& live, const LeafSet& leaves, Mended& mended) {
    // Those that stay are left alone, so that few pages are written.
    std::vector<std::int64_t> others;
    const auto judge = [&](const sqlite::Rows& rows) -> Result<bool> {
        const auto rowid = rows.as<std::int64_t>(0);
        if (!rowid) return rowid.error();
        const auto row = sqlite::columns<records::RecordKind, RecordId, LogSeq>(rows, 1);
        const auto handles = records::to_handles(rows.blob(5));
        if (!row || !handles) {
            others.push_back(*rowid);
            ++mended.erased;
            return true;
        }
        const auto& [kind, id, seq] = *row;
        if (!leaves.has(leaf_of(id))) return true;
        const auto right = staged_.get({kind, id});
        if (!right) return right.error();
        const bool same = *right && (*right)->seq == seq && (*right)->handles == *handles &&
                          std::ranges::equal((*right)->sealed, rows.blob(4));
        if (same) return true;
        mended.buckets.add(bucket_of(leaf_of(id)));
        ++(*right ? mended.replaced : mended.erased);
        others.push_back(*rowid);
        return true;
    };
    if (auto read = sqlite::each_row(statements_[Query::rows].query(), judge); !read) return read;
    for (const auto rowid : others) {
        if (auto erased = statements_[Query::erase].run(rowid); !erased) return erased;
    }
    return add_missing(live, mended);
}

Result<void> Repair::add_missing(Ledger& live, Mended& mended) {
    std::optional<Error> failure;
    std::uint64_t added = 0;
    const auto add = [&](const records::RecordName& name, const records::StoredRecord& record) {
        const auto there = live.reader.get(name);
        if (!there) {
            failure = there.error();
        } else if (!*there) {
            ++added;
            mended.buckets.add(bucket_of(leaf_of(name.id)));
            auto written = live.writer.insert(
                name, record.seq, record.sealed, records::as_bytes(record.handles));
            if (!written) failure = written.error();
        }
        return !failure;
    };
    if (auto read = staged_.each(std::nullopt, add); !read) return read;
    if (failure) return *failure;
    mended.added = added - mended.replaced;
    return {};
}

Result<void> Repair::index_handles(Ledger& live) {
    std::vector<records::HandleRow> due;
    const auto note = [&](const records::RecordName& name, const records::StoredRecord& record) {
        for (const auto& handle : record.handles) due.push_back({handle, name});
        return true;
    };
    if (auto read = live.reader.each(std::nullopt, note); !read) return read;
    std::ranges::sort(due);
    if (auto gone = live.writer.forget_handles(); !gone) return gone;
    for (const auto& handle : due) {
        if (auto written = live.writer.insert(handle); !written) return written;
    }
    return {};
}

}  // namespace countersign::log
