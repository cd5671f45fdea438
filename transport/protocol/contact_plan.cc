#include "protocol/contact_plan.h"

#include <algorithm>
#include <utility>

namespace countersign::protocol {
namespace {

bool is_linked(const Contact& contact, std::span<const ContactPlan::Linked> links) {
    return std::ranges::any_of(links, [&](const auto& link) {
        return link.dialled == contact.channel_key ||
               (contact.node != NodeId{} && link.node == contact.node);
    });
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

ContactPlan::Steps ContactPlan::step(std::span<const Linked> links, Instant now) {
    Steps steps;
    const auto dial = [&](const Contact& contact) {
        entry(contact.channel_key).dialling = true;
        steps.dial.push_back(contact);
    };
    std::span<const Contact> others(contacts_);
    for (const Contact& each : contacts_) {
        if (each.is_asked && may_dial(each, links, now)) dial(each);
    }
    if (!contacts_.empty() && contacts_.front().is_primary) {
        const Contact& primary = contacts_.front();
        others = others.subspan(1);
        if (may_dial(primary, links, now)) dial(primary);
        if (is_linked(primary, links)) {
            for (const Contact& each : others) {
                const bool by_us = std::ranges::any_of(
                    links, [&](const Linked& link) { return link.dialled == each.channel_key; });
                if (by_us || entry(each.channel_key).dialling) {
                    steps.leave.push_back(each.channel_key);
                }
            }
            return steps;
        }
        if (!entry(primary.channel_key).failed) return steps;
    }
    const bool one_is_enough = std::ranges::any_of(others, [&](const Contact& each) {
        return entry(each.channel_key).dialling || is_linked(each, links);
    });
    if (one_is_enough) return steps;
    const auto first = std::ranges::find_if(
        others, [&](const Contact& each) { return may_dial(each, links, now); });
    if (first != others.end()) dial(*first);
    return steps;
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
