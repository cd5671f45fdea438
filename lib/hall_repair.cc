#include <algorithm>
#include <utility>

#include "hall.h"
#include "hall_replication.h"
#include "log/copy_page.h"
#include "log/repair.h"

namespace countersign {
namespace {

/// Each holds a snapshot, behind which the log of the file grows, and a megabyte of sums.
constexpr std::size_t sources_limit = 2;

}  // namespace

/// One snapshot on a handle of its own. The hall takes the handle back when the disk has failed.
class Hall::Replication::Source final : public RepairSource {
  public:
    static Result<std::shared_ptr<Source>> open(Hall& hall) {
        auto database = hall.open_reader();
        if (!database) return database.error();
        std::shared_ptr<Source> source(new Source(std::move(*database)));
        auto scrub = log::Scrub::begin(*source->database_, *hall.hash_row_);
        if (!scrub) return scrub.error();
        source->scrub_.emplace(std::move(*scrub));
        if (auto read = source->scrub_->run(); !read) return read.error();
        source->sums_ = log::to_sums(
            source->scrub_->survey(), source->scrub_->moment(), source->scrub_->records_sound());
        return source;
    }
    const RecordSums& sums() const noexcept override { return sums_; }
    Result<CopyPage> read_page(const LeafSet& leaves,
                               const std::optional<RecordKey>& after,
                               std::size_t max_bytes) override {
        const std::lock_guard guard(mutex_);
        if (!scrub_) return Error(errc::busy, "the snapshot was given up; ask again");
        return log::read_page_of(scrub_->reader(), sums_.moment, leaves, after, max_bytes);
    }
    void close() {
        const std::lock_guard guard(mutex_);
        scrub_.reset();
        database_.reset();
    }

  private:
    explicit Source(sqlite::Database database) : database_(std::move(database)) {}

    std::mutex mutex_;
    std::optional<sqlite::Database> database_;
    std::optional<log::Scrub> scrub_;
    RecordSums sums_;
};

/// What a store says that cannot be repaired from.
class DamagedSource final : public RepairSource {
  public:
    explicit DamagedSource(LogSeq moment) { sums_.moment = moment; }
    const RecordSums& sums() const noexcept override { return sums_; }
    Result<CopyPage> read_page(const LeafSet&,
                               const std::optional<RecordKey>&,
                               std::size_t) override {
        return Error(errc::corrupt, "the records here are damaged too");
    }

  private:
    RecordSums sums_;
};

// Asking.

Result<LogHead> Hall::Replication::accept(std::span<const SharedBatch> batches) {
    if (hall_.damaged_) {
        const auto lost = hall_.has_lost_records();
        if (!lost) return lost.error();
        if (*lost) return apply(batches, log::Rows::damaged);
    }
    auto head = apply(batches, log::Rows::sound);
    if (head || (head.error() != errc::digest_mismatch && head.error() != errc::corrupt)) {
        return head;
    }
    // Either the records here are not what they should be, or the batch is not.
    hall_.note_damage(head.error().message());
    const auto lost = hall_.has_lost_records();
    if (!lost) return lost.error();
    if (*lost) return apply(batches, log::Rows::damaged);
    head = apply(batches, log::Rows::sound);  // on what was mended here
    if (!head && head.error() == errc::digest_mismatch) {
        hall_.tell(Event::Kind::damage_found,
                   head.error().message() + ": the records here are sound, its author's are not");
    }
    return head;
}

bool Hall::Replication::damaged() {
    return hall_.damaged_;
}

Result<RecordSums> Hall::Replication::examine() {
    return hall_.examine();
}

Result<void> Hall::Replication::stage_repair(const CopyPage& page, bool first) {
    auto writing = begin_writing();
    if (!writing) return writing.error();
    auto& handle = *hall_.writing_;
    if (first) {
        const auto copy = handle.staging.state();
        if (!copy) return copy.error();
        if (copy->stage != CopyState::Stage::none) {
            return Error(errc::conflict, "a copy is under way, which mends more");
        }
        if (auto empty = handle.staging.discard(handle.database); !empty) return empty;
    }
    if (auto staged = handle.repair.stage(page); !staged) return staged;
    if (auto done = writing->transaction.commit(); !done) return done;
    hall_.has_replaced_ = true;
    keep_house();
    return {};
}

Result<bool> Hall::Replication::repair(const NodeId& from, const LeafSet& leaves, LogSeq moment) {
    auto writing = begin_writing();
    if (!writing) return writing.error();
    auto& handle = *hall_.writing_;
    const auto last = handle.ledger.batches.last();
    if (!last) return last.error();
    if (*last != moment) return Error(errc::conflict, "the log has gone on meanwhile");
    const auto mended = handle.repair.settle(handle.ledger, &leaves);
    const std::string source =
        " from node " + to_string(from) + " at batch " + std::to_string(value(moment));
    if (!mended &&
        (mended.error() == errc::digest_mismatch || mended.error() == errc::bad_signature)) {
        hall_.tell(Event::Kind::copy_refused,
                   "a repair" + source + ": " + mended.error().message());
        return false;
    }
    if (!mended) return mended.error();
    auto fresh = look_at_pool(true);
    if (!fresh) return fresh.error();
    if (auto empty = handle.staging.discard(handle.database); !empty) return empty.error();
    if (auto proved = handle.damage.erase(); !proved) return proved.error();
    if (auto done = writing->transaction.commit(); !done) return done.error();
    hall_.damaged_ = false;
    {
        const std::lock_guard guard(mutex_);
        head_ = to_link_head(mended->now);
    }
    hall_.serve_again(*mended, source);
    moved_on(std::move(*fresh));
    return true;
}

// Being asked.

Result<std::shared_ptr<RepairSource>> Hall::Replication::open_repair_source() {
    const LogSeq moment = head().seq;
    if (hall_.damaged_) {
        const auto lost = hall_.has_lost_records();
        if (!lost) return lost.error();
        if (*lost) return std::make_shared<DamagedSource>(moment);
    }
    {
        const std::lock_guard guard(sources_mutex_);
        std::erase_if(sources_, [](const auto& each) { return each.expired(); });
        if (sources_.size() >= sources_limit) return std::shared_ptr<RepairSource>();
    }
    auto source = Source::open(hall_);
    if (!source) return source.error();
    if (!(*source)->sums().sound) {
        hall_.note_damage("the records do not add up to the signed digest");
        return std::make_shared<DamagedSource>(moment);
    }
    const std::lock_guard guard(sources_mutex_);
    sources_.push_back(*source);
    return std::shared_ptr<RepairSource>(std::move(*source));
}

void Hall::Replication::close_repair_sources() {
    const std::lock_guard guard(sources_mutex_);
    for (const auto& each : sources_) {
        if (const auto source = each.lock()) source->close();
    }
    sources_.clear();
}

}  // namespace countersign
