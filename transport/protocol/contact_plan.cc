#include "protocol/contact_plan.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace countersign::protocol {
namespace {

bool is_linked(const Contact& contact, std::span<const ContactPlan::Linked> links) {
    return std::ranges::any_of(links, [&](const auto& link) {
        return link.dialled == contact.channel_key ||
               (contact.node != NodeId{} && link.node == contact.node);
    });
}

bool is_linked_by_us(const Contact& contact, std::span<const ContactPlan::Linked> links) {
    return std::ranges::any_of(
        links, [&](const auto& link) { return link.dialled == contact.channel_key; });
}

}  // namespace

ContactPlan::ContactPlan(Timing timing) : timing_(timing) {}

void ContactPlan::set(std::vector<Contact> contacts) {
    contacts_ = std::move(contacts);
    std::erase_if(contacts_,
                  [](const Contact& each) { return each.addresses.empty() && !each.is_primary; });
    std::erase_if(entries_, [&](const auto& each) {
        return !each.second.dialling &&
               std::ranges::none_of(contacts_, [&](const Contact& contact) {
                   return contact.channel_key == each.first;
               });
    });
    for (auto& [key, entry] : entries_) {
        if (std::exchange(entry.refused, false)) entry.not_before = {};
    }
}

ContactPlan::Entry& ContactPlan::entry(const ChannelPublicKey& key) {
    return entries_.try_emplace(key, Entry{.backoff = Backoff(timing_.first, timing_.cap)})
        .first->second;
}

bool ContactPlan::may_dial(const Contact& contact, std::span<const Linked> links, Instant now) {
    const Entry& known = entry(contact.channel_key);
    return !known.dialling && known.not_before <= now && !is_linked(contact, links);
}

/// Linked, or about to be.
bool ContactPlan::is_held(const Contact& contact, std::span<const Linked> links) {
    return entry(contact.channel_key).dialling || is_linked(contact, links);
}

void ContactPlan::dial(const Contact& contact, Steps& steps) {
    entry(contact.channel_key).dialling = true;
    steps.dial.push_back(contact);
}

ContactPlan::Steps ContactPlan::step(std::span<const Linked> links,
                                     Instant now,
                                     std::uint64_t random) {
    Steps steps;
    std::span<const Contact> others(contacts_);
    for (const Contact& each : contacts_) {
        if (each.is_asked && may_dial(each, links, now)) dial(each, steps);
    }
    if (!contacts_.empty() && contacts_.front().is_primary) {
        const Contact& primary = contacts_.front();
        others = others.subspan(1);
        if (may_dial(primary, links, now)) dial(primary, steps);
        if (is_linked(primary, links)) {
            leave_all(others, links, steps);
            return steps;
        }
        if (!entry(primary.channel_key).failed) return steps;
    }
    if (std::ranges::any_of(others, [&](const Contact& each) { return is_held(each, links); })) {
        visit_one(others, links, now, random, steps);
        return steps;
    }
    const auto first = std::ranges::find_if(
        others, [&](const Contact& each) { return may_dial(each, links, now); });
    if (first != others.end()) dial(*first, steps);
    return steps;
}

void ContactPlan::leave_all(std::span<const Contact> others,
                            std::span<const Linked> links,
                            Steps& steps) {
    for (const Contact& each : others) {
        if (is_linked_by_us(each, links) || entry(each.channel_key).dialling) {
            steps.leave.push_back(each.channel_key);
        }
    }
    next_visit_.reset();
    visited_.reset();
}

void ContactPlan::visit_one(std::span<const Contact> others,
                            std::span<const Linked> links,
                            Instant now,
                            std::uint64_t random,
                            Steps& steps) {
    if (!next_visit_) next_visit_ = now + visit;
    if (now < *next_visit_) return;
    next_visit_ = now + visit;
    const auto is_visited = [&](const Contact& each) { return each.channel_key == visited_; };
    const auto last = std::ranges::find_if(others, is_visited);
    const bool others_stand_in = std::ranges::any_of(
        others, [&](const Contact& each) { return !is_visited(each) && is_held(each, links); });
    if (last != others.end() && others_stand_in &&
        (is_linked_by_us(*last, links) || entry(last->channel_key).dialling)) {
        steps.leave.push_back(last->channel_key);
    }
    std::vector<Contact> possible;
    std::ranges::copy_if(others, std::back_inserter(possible), [&](const Contact& each) {
        return !is_visited(each) && may_dial(each, links, now);
    });
    visited_.reset();
    if (possible.empty()) return;
    const Contact& drawn = possible[random % possible.size()];
    visited_ = drawn.channel_key;
    dial(drawn, steps);
}

void ContactPlan::wait(Entry& entry, bool refused, std::uint64_t random, Instant now) {
    entry.dialling = false;
    entry.refused = refused;
    entry.not_before = now + (refused ? timing_.refused_pause : entry.backoff.next(random));
}

void ContactPlan::on_linked(const ChannelPublicKey& key, Instant now) {
    Entry& known = entry(key);
    known.dialling = known.failed = false;
    known.linked_at = now;
}

void ContactPlan::on_failed(const ChannelPublicKey& key,
                            bool refused,
                            std::uint64_t random,
                            Instant now) {
    Entry& known = entry(key);
    known.failed = true;
    wait(known, refused, random, now);
}

void ContactPlan::on_lost(const ChannelPublicKey& key,
                          bool refused,
                          std::uint64_t random,
                          Instant now) {
    Entry& known = entry(key);
    // A link that ends as soon as it is made is no reason to try harder.
    if (now - known.linked_at >= 10 * timing_.first) known.backoff.reset();
    wait(known, refused, random, now);
}

void ContactPlan::on_left(const ChannelPublicKey& key) {
    entry(key).dialling = false;
}

}  // namespace countersign::protocol
