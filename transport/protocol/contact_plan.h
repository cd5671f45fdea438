#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "countersign/link.h"
#include "countersign/links.h"
#include "countersign/time.h"

namespace countersign::protocol {

/// Decides whom to dial: the primary always; when that cannot be reached, the first other contact
/// that can, and for a minute each one more, drawn at random, until the primary is back. So what
/// some members lack goes on spreading wherever they can reach each other at all. A primary that
/// asks members dials all of them. Without I/O, clock or randomness.
class ContactPlan {
  public:
    struct Timing {
        milliseconds first;          ///< of the back-off
        milliseconds cap;            ///< of the back-off
        milliseconds refused_pause;  ///< before a contact is dialled that wanted no link
    };
    /// A link that holds, whichever side opened it.
    struct Linked {
        NodeId node;
        std::optional<ChannelPublicKey> dialled;  ///< none: the other side opened it
    };
    struct Steps {
        std::vector<Contact> dial;
        std::vector<ChannelPublicKey> leave;  ///< links and attempts that are not needed any more
    };

    /// How long one more than is needed is visited.
    static constexpr std::chrono::minutes visit{1};

    explicit ContactPlan(Timing timing);

    /// Takes the place of the list before; what is known of those that stay is kept, but whoever
    /// refused is asked again. Who has no address can be linked with, not dialled; that the primary
    /// has none comes out as a failure to dial it.
    void set(std::vector<Contact> contacts);
    /// What to do now. Whom it says to dial is being dialled until one of the calls below.
    /// `random`: 64 random bits.
    Steps step(std::span<const Linked> links, Instant now, std::uint64_t random);
    /// The attempt has led to a link that holds.
    void on_linked(const ChannelPublicKey& key, Instant now);
    /// No link could be made. `random`: 64 random bits.
    void on_failed(const ChannelPublicKey& key, bool refused, std::uint64_t random, Instant now);
    /// A dialled link that held has ended.
    void on_lost(const ChannelPublicKey& key, bool refused, std::uint64_t random, Instant now);
    /// The attempt was given up for no fault of the contact's.
    void on_left(const ChannelPublicKey& key);

  private:
    struct Entry {
        Backoff backoff;
        Instant not_before{};
        Instant linked_at{};
        bool dialling = false;
        bool failed = false;  // since it was last linked
        bool refused = false;
    };
    Entry& entry(const ChannelPublicKey& key);
    void wait(Entry& entry, bool refused, std::uint64_t random, Instant now);
    bool may_dial(const Contact& contact, std::span<const Linked> links, Instant now);
    bool is_held(const Contact& contact, std::span<const Linked> links);
    void dial(const Contact& contact, Steps& steps);
    void leave_all(std::span<const Contact> others, std::span<const Linked> links, Steps& steps);
    void visit_one(std::span<const Contact> others,
                   std::span<const Linked> links,
                   Instant now,
                   std::uint64_t random,
                   Steps& steps);

    Timing timing_;
    std::vector<Contact> contacts_;
    std::map<ChannelPublicKey, Entry> entries_;
    std::optional<Instant> next_visit_;  // none: nobody stands in for the primary
    std::optional<ChannelPublicKey> visited_;
};

}  // namespace countersign::protocol
