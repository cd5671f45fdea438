#include "attempts/sightings.h"

#include <algorithm>
#include <utility>

namespace countersign::attempts {
namespace {

constexpr std::size_t max_marks = 8'192;
// Fewer than 6,000 marks fit between a nanosecond and a century when each two span more than 1/64
// of their age.
constexpr int precision = 64;

}  // namespace

Sightings::Sightings(std::vector<SightingMark> known, Arrival arrival, Instant start)
    : marks_(std::move(known)) {
    for (auto& mark : marks_) mark.known_by = std::min(mark.known_by, start);
    if (marks_.empty() || marks_.back().arrival < arrival) marks_.push_back({arrival, start});
    if (marks_.size() >= max_marks) thin_out(start);
}

void Sightings::note(Arrival arrival, Instant now) {
    const std::lock_guard guard(mutex_);
    if (arrival <= marks_.back().arrival) return;
    now = std::max(now, marks_.back().known_by);
    marks_.push_back({arrival, now});
    if (marks_.size() >= max_marks) thin_out(now);
}

void Sightings::thin_out(Instant now) {
    // What a mark that goes has covered falls to the next: that one must be near to the mark before
    // it, by their age, or failures would grow younger with each thinning.
    std::vector<SightingMark> kept{marks_.front()};
    for (std::size_t i = 1; i + 1 < marks_.size(); ++i) {
        const Instant next = marks_[i + 1].known_by;
        if (next - kept.back().known_by > (now - next) / precision) kept.push_back(marks_[i]);
    }
    kept.push_back(marks_.back());
    marks_ = std::move(kept);
}

Instant Sightings::known_since(Arrival arrival, Instant now) const {
    const std::lock_guard guard(mutex_);
    return known_since_locked(arrival, now);
}

Instant Sightings::known_since_locked(Arrival arrival, Instant now) const {
    const auto mark = std::ranges::lower_bound(marks_, arrival, {}, &SightingMark::arrival);
    return mark != marks_.end() ? mark->known_by : now;
}

TallySet Sightings::set_of(const CredentialId& credential,
                           std::span<const StoredTally> rows,
                           Instant now) const {
    const std::lock_guard guard(mutex_);
    TallySet set(credential);
    for (const auto& stored : rows) set.merge(stored.row, known_since_locked(stored.arrival, now));
    return set;
}

Result<TallySet> Sightings::read(Tables& tables, const CredentialId& credential, Instant now) {
    const auto rows = tables.tallies(credential);
    if (!rows) return rows.error();
    const auto author = tables.author();
    if (!author) return author.error();
    if (*author) note((*author)->arrival, now);
    return set_of(credential, *rows, now);
}

std::size_t Sightings::marks() const {
    const std::lock_guard guard(mutex_);
    return marks_.size();
}

}  // namespace countersign::attempts
