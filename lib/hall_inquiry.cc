#include <utility>

#include "hall.h"
#include "hall_replication.h"

// After an unclean end the disk may have lost the last batches that this primary wrote and others
// hold: to write now could be a second batch under one seq. Only the process that keeps the links
// can ask; the marker tells the others on this directory that it does. Where none keeps links
// nobody would ever answer, and an operator at the command line would wait for nothing: such a
// write goes on at once, and says so.

namespace countersign {
namespace {

/// How often a waiting write looks at the clock, and at what another process has come to.
constexpr milliseconds look_interval{10};
/// How often the serving process looks whether all have answered, for writes of other processes.
constexpr milliseconds settle_interval{250};

}  // namespace

void Hall::begin_inquiry() {
    const auto pool = view();
    std::vector<NodeId> others;
    for (const auto& member : pool->members) {
        if (member.id != identity_->node) others.push_back(member.id);
    }
    if (!pool->is_primary(identity_->node) || others.empty()) return;
    if (options_.unclean_end_wait == milliseconds{0}) {
        return tell(Event::Kind::members_not_heard, "the wait for members is switched off");
    }
    const std::lock_guard guard(inquiry_mutex_);
    inquiry_.emplace(others, now().monotonic + options_.unclean_end_wait);
    asks_ = true;
}

void Hall::heard_of(const NodeId& member, LogSeq head) {
    if (!asks_) return;
    const std::lock_guard guard(inquiry_mutex_);
    if (!inquiry_) return;
    inquiry_->heard(member, head);
    inquiry_changed_.notify_all();
}

bool Hall::may_sign(const PoolView& pool) const {
    return pool.members.size() == 1 || (confirmed_ && !asks_);
}

Result<void> Hall::close_inquiry(std::string why) {
    auto lock = directory_.write_lock(options_.lock_patience);
    if (!lock) return lock.error();
    if (auto ready = recover_if_suspect(); !ready) return ready;
    return forget_inquiry(std::move(why));
}

Result<void> Hall::forget_inquiry(std::string why) {
    {
        const std::lock_guard guard(inquiry_mutex_);
        if (!inquiry_) return {};
        inquiry_.reset();
        asks_ = false;
        inquiry_changed_.notify_all();
    }
    if (!why.empty()) tell(Event::Kind::members_not_heard, std::move(why));
    replication_->notify();  // nobody needs to be dialled any more
    marker_->set_unasked(false);
    const auto author = writing_->attempts.author();
    if (!author) return author.error();
    // Should it not be written, the next start asks again.
    static_cast<void>(marker_->write({.incarnation = (*author)->incarnation,
                                      .head = last_written_,
                                      .row_seq = (*author)->row_seq},
                                     false,
                                     now().monotonic));
    return {};
}

Result<Inquiry::Finding> Hall::inquire() {
    using enum Inquiry::Finding;
    const LogSeq own = replication_->head().seq;
    Inquiry::Finding finding = answered;
    std::string unheard;
    {
        const std::lock_guard guard(inquiry_mutex_);
        if (!inquiry_) return answered;
        finding = inquiry_->find(own, now().monotonic);
        unheard = std::to_string(inquiry_->unheard()) + " of " +
                  std::to_string(inquiry_->members()) + " members were not heard from in time";
    }
    const auto closed = [&](std::string why) -> Result<Inquiry::Finding> {
        if (auto done = close_inquiry(std::move(why)); !done) return done.error();
        return answered;
    };
    if (*serves_) {
        if (finding == answered) return closed({});
        if (finding == over) return closed(std::move(unheard));
        // Its operator may have told another process to confirm it.
        if (finding == behind && !is_asked_of()) return closed({});
        return finding;
    }
    if (!is_served()) return closed("no process keeps links that could ask them");
    if (!is_asked_of()) return closed({});
    // The serving process asks, and its time began before this one's: it has a reason to go on.
    return finding == over ? behind : open;
}

bool Hall::is_asked_of() const {
    const auto marker = marker_->read();
    return !marker || !*marker || (*marker)->unasked;
}

Result<void> Hall::await_members(bool may_wait) {
    const Instant deadline = this->deadline(std::nullopt);
    while (asks_) {
        const auto finding = inquire();
        if (!finding) return finding.error();
        if (*finding == Inquiry::Finding::answered) return {};
        std::unique_lock guard(inquiry_mutex_);
        if (!inquiry_) return {};
        const Instant time = now().monotonic;
        if (*finding == Inquiry::Finding::behind && time >= inquiry_->until()) {
            return Error(errc::needs_confirmation,
                         "after an unclean end, members say that they hold later batches of this"
                         " primary's own: try again once they have given them back, or confirm it");
        }
        if (!may_wait || !environment_->time_passes_in_calls() || time >= deadline) {
            return Error(errc::timed_out,
                         "after an unclean end, members are being asked for batches that were"
                         " lost: try again");
        }
        inquiry_changed_.wait_for(guard, look_interval);
    }
    return {};
}

Instant Hall::inquire_due(Instant time) {
    if (!asks_ || !*serves_) return Instant::max();
    const auto finding = inquire();
    if (!finding) {
        tell(Event::Kind::housekeeping_failed, finding.error().message());
    } else if (*finding == Inquiry::Finding::answered) {
        return Instant::max();
    }
    return time + settle_interval;
}

}  // namespace countersign
