#include <utility>

#include "hall.h"
#include "hall_replication.h"

namespace countersign {
namespace {

constexpr std::size_t false_alarms_limit = 1000;

std::string count_of(std::uint64_t number, const char* what) {
    return std::to_string(number) + what;
}

/// What was mended, for the event.
std::string described(const log::Repair::Mended& mended) {
    std::string text;
    const auto add = [&](const std::string& part) { text += (text.empty() ? "" : ", ") + part; };
    if (mended.replaced != 0) add(count_of(mended.replaced, " records replaced"));
    if (mended.added != 0) add(count_of(mended.added, " missing records added"));
    if (mended.erased != 0) add(count_of(mended.erased, " records that nobody signed erased"));
    if (mended.buckets.count() != 0) {
        std::string buckets;
        for (std::size_t bucket = 0; bucket < bucket_count; ++bucket) {
            if (!mended.buckets.has(bucket)) continue;
            const std::byte number[] = {static_cast<std::byte>(bucket)};
            buckets += ' ' + to_hex(number);
        }
        add("in buckets" + buckets);
    }
    if (mended.handles) add("the table of handles made anew");
    if (mended.head) add("the head made anew");
    return text.empty() ? "all records are those that were signed" : text;
}

}  // namespace

Result<std::optional<log::Damage>> Hall::read_damage(log::DamageRow& row) {
    auto damage = row.read();
    if (!damage) return damage;
    const std::lock_guard guard(damage_mutex_);
    if (!*damage) *damage = unstored_damage_;
    damaged_ = damage->has_value();
    return damage;
}

Result<void> Hall::require_sound() {
    auto readers = reader();
    return judge_damage(readers ? read_damage((*readers)->damage)
                                : Result<std::optional<log::Damage>>(readers.error()));
}

Result<void> Hall::judge_damage(const Result<std::optional<log::Damage>>& damage) const {
    // Where nothing can be read, as after a failed sync, whoever reads or writes next will say so.
    const bool known = damage ? damage->has_value() : damaged_.load();
    if (!known) return {};
    const std::string what = damage ? (*damage)->what : damage.error().message();
    return Error(errc::corrupt,
                 "this node's records are not all what was signed (" + what +
                     "), so nobody signs in, writes or copies from here; the repair begins once"
                     " it is linked with a member that holds them, else restore a backup");
}

void Hall::note_damage(const std::string& what) {
    {
        const std::lock_guard guard(damage_mutex_);
        if (damaged_ || false_alarms_.contains(what)) return;
        damaged_ = true;
        unstored_damage_ = log::Damage{.stage = log::Damage::Stage::suspected,
                                       .seq = replication_->head().seq,
                                       .found = now().wall,
                                       .what = what};
    }
    tell(Event::Kind::damage_found, what + "; nobody signs in here until it is repaired");
    keep_damage_note();
    replication_->notify();
}

Result<void> Hall::store_damage(const log::Damage& damage) {
    auto lock = directory_.write_lock(options_.lock_patience);
    if (!lock) return lock.error();
    if (auto ready = recover_if_suspect(); !ready) return ready;
    auto transaction = sqlite::Transaction::begin(writing_->database);
    if (!transaction) return transaction.error();
    if (auto written = writing_->damage.write(damage); !written) return written;
    return transaction->commit();
}

void Hall::keep_damage_note() {
    std::optional<log::Damage> due;
    {
        const std::lock_guard guard(damage_mutex_);
        due = unstored_damage_;
    }
    if (!due) return;
    if (auto stored = store_damage(*due); !stored) {
        tell(Event::Kind::housekeeping_failed, stored.error().message());
        return;
    }
    const std::lock_guard guard(damage_mutex_);
    unstored_damage_.reset();
}

Result<bool> Hall::has_lost_records() {
    std::optional<log::Damage> known;
    {
        auto readers = reader();
        if (!readers) return readers.error();
        auto damage = read_damage((*readers)->damage);
        if (!damage) return damage.error();
        known = std::move(*damage);
    }
    if (!known) return false;
    if (known->stage == log::Damage::Stage::proved) return true;
    const auto sums = examine();
    if (!sums) return sums.error();
    return !sums->sound;
}

Result<RecordSums> Hall::examine() {
    const auto sums_of = [](const log::Scrub& scrub) {
        return log::to_sums(scrub.survey(), scrub.moment(), scrub.records_sound());
    };
    Result<RecordSums> sums = RecordSums{};
    bool all_sound = false;
    {
        auto database = open_reader();
        if (!database) return database.error();
        auto scrub = log::Scrub::begin(*database, *hash_row_);
        if (!scrub) return scrub.error();
        if (auto read = scrub->run(); !read) return read.error();
        sums = sums_of(*scrub);
        all_sound = scrub->sound();
    }
    if (!sums->sound) {
        const auto stored = store_damage({.stage = log::Damage::Stage::proved,
                                          .seq = sums->moment,
                                          .found = now().wall,
                                          .what = "the records do not add up to what batch " +
                                                  std::to_string(value(sums->moment)) + " signs"});
        if (!stored) return stored.error();
        if (!damaged_.exchange(true)) {
            tell(Event::Kind::damage_found,
                 "the records do not add up to the signed digest; nobody signs in here until they"
                 " are repaired");
        }
        return sums;
    }
    const auto mended = mend(all_sound);
    if (!mended) return mended.error();
    return sums;
}

Result<void> Hall::mend(bool all_sound) {
    log::Repair::Mended mended;
    {
        auto lock = directory_.write_lock(options_.lock_patience);
        if (!lock) return lock.error();
        if (auto ready = recover_if_suspect(); !ready) return ready;
        auto transaction = sqlite::Transaction::begin(writing_->database);
        if (!transaction) return transaction.error();
        const auto damage = writing_->damage.read();
        if (!damage) return damage.error();
        {
            const std::lock_guard guard(damage_mutex_);
            const auto& known = *damage ? *damage : unstored_damage_;
            if (known && all_sound && false_alarms_.size() < false_alarms_limit) {
                false_alarms_.insert(known->what);
            }
            unstored_damage_.reset();
        }
        if (!all_sound) {
            auto settled = writing_->repair.settle(writing_->ledger, nullptr);
            if (!settled) return settled.error();
            mended = std::move(*settled);
        } else if (!*damage) {
            damaged_ = false;
            return {};
        }
        if (auto gone = writing_->damage.erase(); !gone) return gone;
        if (auto done = transaction->commit(); !done) return done;
        damaged_ = false;
    }
    serve_again(mended, {});
    return {};
}

void Hall::serve_again(const log::Repair::Mended& mended, const std::string& from) {
    tell(Event::Kind::damage_repaired, described(mended) + from);
    replication_->notify();
}

}  // namespace countersign
