#include "attempts/admission.h"

#include <algorithm>
#include <cassert>
#include <span>

#include "attempts/row_bytes.h"
#include "sealing/hash.h"

namespace countersign::attempts {

SourceKey source_key(std::string_view source, sealing::KeyView key) {
    const auto mac = sealing::mac128(key, {std::as_bytes(std::span(source))});
    return SourceKey{RowReader(mac.bytes).number(8)};
}

Result<Admission> Admission::make(const Options& options) {
    if (options.budget < min_hashing_memory) {
        return Error(errc::invalid_argument, "the hashing budget must be at least 1 MiB");
    }
    if (options.max_queued_per_source > options.max_queued) {
        return Error(errc::invalid_argument,
                     "the queue of one source must not be longer than the whole queue");
    }
    return Admission(options);
}

std::uint64_t Admission::charge(std::uint64_t bytes) const noexcept {
    return std::min(bytes, options_.budget);
}

Admission::Answer Admission::request(SourceKey source,
                                     std::uint64_t bytes,
                                     Instant deadline,
                                     Instant now) {
    assert(bytes > 0);
    if (deadline <= now) return Overloaded{};
    if (requests_.empty() && charge(bytes) <= options_.budget - in_use_) {
        in_use_ += charge(bytes);
        return Granted{};
    }
    const std::size_t own = queued_by(source);
    if (own >= options_.max_queued_per_source) return Overloaded{};
    std::optional<AdmissionId> displaced;
    if (requests_.size() >= options_.max_queued) {
        const auto& [most, longest] = *lengths_.rbegin();
        if (most < own + 2) return Overloaded{};
        displaced = *sources_.at(longest).rbegin();  // its newest: those before it waited longer
        remove(*displaced);
    }
    const AdmissionId id{++last_id_};
    add(id, {source, bytes, deadline});
    return Queued{id, displaced};
}

Admission::Turn Admission::release(std::uint64_t bytes, Instant now) {
    assert(charge(bytes) <= in_use_ && "what is released was granted");
    in_use_ -= charge(bytes);
    return advance(now);
}

Admission::Turn Admission::cancel(AdmissionId id, Instant now) {
    if (!requests_.contains(id)) return {};
    remove(id);
    return advance(now);
}

Admission::Turn Admission::expire(Instant now) {
    return advance(now);
}

std::optional<Instant> Admission::next_deadline() const {
    if (deadlines_.empty()) return std::nullopt;
    return deadlines_.begin()->first;
}

std::size_t Admission::queued_by(SourceKey source) const {
    const auto line = sources_.find(source);
    return line == sources_.end() ? 0 : line->second.size();
}

void Admission::add(AdmissionId id, const Request& request) {
    auto& line = sources_[request.source];
    lengths_.erase({line.size(), request.source});
    line.insert(id);
    lengths_.emplace(line.size(), request.source);
    deadlines_.emplace(request.deadline, id);
    requests_.emplace(id, request);
}

void Admission::remove(AdmissionId id) {
    const auto place = requests_.find(id);
    const SourceKey source = place->second.source;
    const auto line = sources_.find(source);
    lengths_.erase({line->second.size(), source});
    line->second.erase(id);
    if (line->second.empty()) {
        sources_.erase(line);
    } else {
        lengths_.emplace(line->second.size(), source);
    }
    deadlines_.erase({place->second.deadline, id});
    requests_.erase(place);
}

Admission::Turn Admission::advance(Instant now) {
    Turn turn;
    while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
        turn.expired.push_back(deadlines_.begin()->second);
        remove(turn.expired.back());
    }
    while (!sources_.empty()) {
        auto next = served_last_ ? sources_.upper_bound(*served_last_) : sources_.begin();
        if (next == sources_.end()) next = sources_.begin();
        const AdmissionId id = *next->second.begin();
        const std::uint64_t wanted = charge(requests_.at(id).bytes);
        // A large request holds the turn until there is room: smaller ones would starve it.
        if (wanted > options_.budget - in_use_) break;
        in_use_ += wanted;
        served_last_ = next->first;
        turn.granted.push_back(id);
        remove(id);
    }
    return turn;
}

}  // namespace countersign::attempts
