#include <algorithm>
#include <utility>

#include "hall.h"
#include "hall_replication.h"

namespace countersign {
namespace {

using std::chrono::minutes;

constexpr minutes housekeeping_interval{1};
/// Beyond what a clock is slewed by between two calls.
constexpr milliseconds clock_jump{2000};
constexpr std::size_t scrub_slice = 1000;
constexpr std::uint64_t expired_slice = 1000;
constexpr std::uint64_t replaced_slice = 500;
/// Between two slices of scrub or check: a tenth of one core at most.
constexpr milliseconds slice_pause{20};

}  // namespace

Instant Hall::run_due() {
    const Now both = now();
    const Instant time = both.monotonic;
    if (stage_ == Stage::copying) {
        if (auto entered = enter_late(); !entered) {
            tell(Event::Kind::housekeeping_failed, entered.error().message());
        }
    }
    if (!require_log()) return time + housekeeping_interval;
    compare_clocks(both);
    gate_->expire(time);
    Instant next;
    bool housekeeping = false;
    {
        const std::lock_guard guard(due_mutex_);
        housekeeping = time >= housekeeping_due_;
        if (housekeeping) housekeeping_due_ = time + housekeeping_interval;
        next = housekeeping_due_;
    }
    if (housekeeping) keep_house();
    bool scrub_found_damage = false;
    {
        const std::lock_guard guard(background_mutex_);
        next = std::min({next, check_slice(time), scrub_slice_due(time, scrub_found_damage)});
    }
    next = std::min(next, inquire_due(time));
    if (scrub_found_damage) note_damage("the records do not add up to the signed digest");
    if (damaged_) next = std::min(next, look_into_damage(time));
    if (const auto deadline = gate_->next_deadline()) next = std::min(next, *deadline);
    return std::min(next, drop_replaced(time));
}

/// Damage that is only suspected is looked into where no link has done so.
Instant Hall::look_into_damage(Instant time) {
    {
        const std::lock_guard guard(due_mutex_);
        if (time < damage_due_) return damage_due_;
        damage_due_ = time + housekeeping_interval;
    }
    keep_damage_note();
    if (const auto lost = has_lost_records(); !lost) {
        tell(Event::Kind::housekeeping_failed, lost.error().message());
    }
    return time + housekeeping_interval;
}

void Hall::compare_clocks(Now time) {
    milliseconds apart;
    {
        const std::lock_guard guard(due_mutex_);
        apart = std::chrono::round<milliseconds>((time.wall - clocks_.wall) -
                                                 (time.monotonic - clocks_.monotonic));
        clocks_ = time;
    }
    if (std::chrono::abs(apart) <= clock_jump) return;
    tell(Event::Kind::clock_jumped,
         "the wall clock was set by " + std::to_string(apart.count()) + " ms");
}

void Hall::keep_house() {
    if (confirmed_ && !incarnation().is_confirmed && !confirmation_stored_.exchange(true)) {
        if (auto stored = confirm_primary(); !stored) confirmation_stored_ = false;
    }
    if (const auto erased = erase_batches(false); !erased) {
        tell(Event::Kind::housekeeping_failed, erased.error().message());
    }
    if (auto done = drop_expired_rows(); !done) {
        tell(Event::Kind::housekeeping_failed, done.error().message());
    }
}

Instant Hall::drop_replaced(Instant time) {
    if (!has_replaced_) return Instant::max();
    const auto drop = [&]() -> Result<std::uint64_t> {
        auto lock = directory_.write_lock(options_.lock_patience);
        if (!lock) return lock.error();
        if (auto ready = recover_if_suspect(); !ready) return ready.error();
        auto transaction = sqlite::Transaction::begin(writing_->database);
        if (!transaction) return transaction.error();
        const auto dropped = writing_->staging.drop_old(replaced_slice);
        if (!dropped) return dropped;
        if (auto done = transaction->commit(); !done) return done.error();
        return dropped;
    };
    const auto dropped = drop();
    if (!dropped) {
        tell(Event::Kind::housekeeping_failed, dropped.error().message());
        return time + housekeeping_interval;
    }
    if (*dropped < replaced_slice) has_replaced_ = false;
    return time + slice_pause;
}

Result<void> Hall::drop_expired_rows() {
    auto lock = directory_.write_lock(options_.lock_patience);
    if (!lock) return lock.error();
    if (auto ready = recover_if_suspect(); !ready) return ready;
    auto transaction = sqlite::Transaction::begin(writing_->database);
    if (!transaction) return transaction.error();
    const auto dropped = writing_->attempts.drop_expired(judged_time(), expired_slice);
    if (!dropped) return dropped.error();
    if (const auto swept = replication_->sweep_rows(); !swept) return swept.error();
    // Others must have heard that such a row says nothing before it goes; a pool of one has no
    // others.
    if (view()->members.size() == 1) {
        const auto author = writing_->attempts.author();
        if (!author) return author.error();
        const auto silent = writing_->attempts.drop_silent(
            {.node = identity_->node, .incarnation = (*author)->incarnation},
            (*author)->row_seq,
            expired_slice);
        if (!silent) return silent.error();
    }
    if (auto done = transaction->commit(); !done) return done;
    return after_commit();
}

Instant Hall::check_slice(Instant time) {
    if (!check_) return Instant::max();
    const auto more = check_->check.next();
    if (!more) tell(Event::Kind::damage_found, more.error().message());
    if (!more || !*more) {
        check_.reset();
        return Instant::max();
    }
    return time + slice_pause;
}

Instant Hall::scrub_slice_due(Instant time, bool& found_damage) {
    if (options_.scrub_interval == milliseconds{0}) return Instant::max();
    if (!scrub_ && time < scrub_due_) return scrub_due_;
    const auto more = scrub_some(found_damage);
    if (more && *more) return time + slice_pause;
    if (!more) tell(Event::Kind::housekeeping_failed, more.error().message());
    scrub_.reset();
    scrub_due_ = time + options_.scrub_interval;
    return scrub_due_;
}

/// Whether there is more to read. What the scrub finds is told; an error is of the reading.
Result<bool> Hall::scrub_some(bool& found_damage) {
    if (!scrub_) {
        auto database = open_reader();
        if (!database) return database.error();
        auto begun = log::Scrub::begin(*database, *hash_row_);
        if (!begun) return begun.error();
        scrub_.reset(new RunningScrub{std::move(*database), std::move(*begun)});
    }
    const auto finished = scrub_->scrub.step(scrub_slice);
    if (!finished) return finished.error();
    if (!*finished) return true;
    if (!scrub_->scrub.log_sound()) {
        tell(Event::Kind::damage_found, "the last batch of the log is not what its author signed");
    }
    if (scrub_->scrub.sound()) {
        tell(Event::Kind::scrub_finished, std::to_string(scrub_->scrub.rows_read()) + " records");
    } else {
        found_damage = true;
    }
    return false;
}

}  // namespace countersign
