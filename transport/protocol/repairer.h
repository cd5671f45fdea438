#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>

#include "countersign/error.h"
#include "countersign/link.h"

#include "protocol/agenda.h"

namespace countersign::protocol {

/// The side whose records are damaged ("Repair", transport/README.md). Compares them with the
/// peer's at one batch, at which this store is held meanwhile, and fetches what differs.
class Repairer {
  public:
    /// `hold` is told at which batch the follower must stop; none: nowhere.
    Repairer(std::shared_ptr<LinkStore> store,
             Agenda& agenda,
             std::size_t window,
             std::function<void(std::optional<LogSeq>)> hold);

    void set_peer(const NodeId& peer) { peer_ = peer; }
    /// Begins where the store is damaged and the peer, whose head is at `peer_head`, may help.
    void consider(LogSeq peer_head, Instant now);
    /// The store's head has moved.
    void on_head();

    /// Both fail with errc::malformed where they are out of place.
    Result<void> on_buckets(wire::Buckets&& buckets);
    Result<void> on_page(CopyPage&& page);

    bool active() const noexcept { return phase_ != Phase::idle; }
    /// Whether pages that come are this one's.
    bool fetching() const noexcept { return phase_ == Phase::fetching; }

  private:
    enum class Phase : std::uint8_t {
        idle,
        asked,      ///< for the peer's buckets
        catching,   ///< up with the peer's moment
        examining,  ///< the records here, at that moment
        comparing,  ///< waiting for leaves
        fetching,   ///< pages come and are staged
        mending,
    };
    Result<void> on_leaves(const wire::Buckets& buckets);
    void examine();
    void on_examined(RecordSums mine);
    void fetch();
    void stage_next();
    void mend();
    /// Asks nothing more of this peer for `pause`.
    void end(milliseconds pause);

    std::shared_ptr<LinkStore> store_;
    Agenda& agenda_;
    std::size_t window_;
    std::function<void(std::optional<LogSeq>)> hold_;
    NodeId peer_;
    Phase phase_ = Phase::idle;
    Instant now_{};
    Instant not_before_{};
    LogSeq moment_{};
    std::vector<RecordSum> their_buckets_;
    RecordSums mine_;
    BucketSet asked_;          // of which leaves have not come yet
    std::size_t awaited_ = 0;  // so many
    LeafSet leaves_;           // that differ
    std::deque<CopyPage> pages_;
    std::optional<RecordKey> cursor_;
    std::size_t bytes_ = 0;
    std::uint64_t staged_ = 0;
    bool last_came_ = false;
    bool busy_ = false;
};

}  // namespace countersign::protocol
