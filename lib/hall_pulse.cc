#include <algorithm>
#include <utility>

#include "countersign/mutants.h"

#include "hall.h"
#include "hall_replication.h"
#include "log/pulse.h"

namespace countersign {

bool Hall::Replication::is_primary() const {
    const auto pool = hall_.view();
    return pool && hall_.stage_ == Stage::ready && pool->is_primary(hall_.identity_->node);
}

std::shared_ptr<const SignedBytes> Hall::Replication::newest_pulse(Now now) {
    const bool mine = is_primary() && hall_.confirmed_ && !hall_.asks_;
    const std::lock_guard guard(mutex_);
    const auto current = [&] { return pulse_ ? pulse_->statement : nullptr; };
    if (!mine) return current();
    const bool is_due = !pulse_ || pulse_->pulse.node != hall_.identity_->node ||
                        now.wall >= pulse_->pulse.time + hall_.options_.pulse_interval;
    if (!is_due) return current();
    const records::Pulse pulse{.pool = hall_.identity_->pool,
                               .root_term = designations_.back().key.root_term,
                               .epoch = designations_.back().key.epoch,
                               .node = hall_.identity_->node,
                               .seq = head_.seq,
                               .head_hash = sealing::Hash256{head_.hash.bytes},
                               .time = std::max(now.wall, head_.time)};
    pulse_ = KnownPulse{.statement = std::make_shared<const SignedBytes>(
                            to_signed_bytes(log::sign(pulse, hall_.keys_->signing_key))),
                        .pulse = pulse};
    return current();
}

Result<void> Hall::Replication::take_pulse(const SignedBytes& statement, Now now) {
    const auto pulse = log::verify_pulse(to_statement(statement), hall_.identity_->pool);
    if (!pulse) return pulse.error();
    const DesignationKey key{
        .root_term = pulse->root_term, .epoch = pulse->epoch, .node = pulse->node};
    bool holds_all = is_planted(Mutant::age_by_any_pulse);
    {
        const std::lock_guard guard(mutex_);
        const DesignationKey newest =
            designations_.empty() ? DesignationKey{} : designations_.back().key;
        if (key > newest) return Error(errc::wrong_epoch, "a pulse of a designation not held here");
        const auto mine =
            pulse->seq == head_.seq ? std::optional(head_.hash) : recent_.hash_of(pulse->seq);
        if (key == newest && mine && mine->bytes != pulse->head_hash.bytes) {
            hall_.tell(Event::Kind::fork,
                       "batch " + std::to_string(value(pulse->seq)) + " is " + to_hex(mine->bytes) +
                           " here, and the primary has signed " + to_hex(pulse->head_hash.bytes));
            return Error(errc::fork, "the primary's sign of life is of another branch");
        }
        if (key != newest || (pulse_ && !log::is_newer(*pulse, pulse_->pulse))) return {};
        pulse_ = KnownPulse{.statement = std::make_shared<const SignedBytes>(statement),
                            .pulse = *pulse};
        holds_all = holds_all || pulse->seq <= head_.seq;
    }
    // That the primary lives and has written more makes nothing younger that is held here: who
    // carries its signs of life may be keeping its batches back.
    if (holds_all) {
        heard_from_primary(pulse->time, now.monotonic);
    } else {
        hall_.raise_time_floor(pulse->time);
    }
    return {};
}

void Hall::Replication::heard_from_primary(UnixTime signed_time, Instant now) {
    hall_.raise_time_floor(signed_time);
    const std::lock_guard guard(mutex_);
    newest_signed_ = std::max(newest_signed_, signed_time);
    newest_came_ = now;
}

std::optional<milliseconds> Hall::Replication::data_age(Now now) const {
    if (is_primary()) return milliseconds{0};
    if (!hall_.clock_is_near(now.wall)) return std::nullopt;
    const std::lock_guard guard(mutex_);
    milliseconds age = std::max(now.wall - newest_signed_, milliseconds{0});
    if (newest_came_) {
        age =
            std::max(age, std::chrono::duration_cast<milliseconds>(now.monotonic - *newest_came_));
    }
    return age;
}

}  // namespace countersign
