#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "countersign/error.h"
#include "countersign/ids.h"
#include "countersign/link.h"

#include "protocol/agenda.h"
#include "protocol/copy_receiver.h"
#include "protocol/intake.h"

namespace countersign::protocol {

/// The side that receives batches ("Catching up", transport/README.md), and what decides that a
/// copy is needed. Acknowledges a batch only once the store has said that it is on disk. All that
/// come while one transaction is under way share the next.
class Follower {
  public:
    /// `stored` is called whenever the store's head may have moved.
    Follower(std::shared_ptr<LinkStore> store,
             Agenda& agenda,
             std::size_t window,
             std::function<void()> stored);

    /// Asks the peer for what this node lacks. Once.
    void start(const NodeId& peer);
    bool started() const noexcept { return phase_ != Phase::idle; }
    bool copying() const noexcept { return copy_.active(); }
    std::uint64_t copied() const noexcept { return copy_.records(); }

    Result<void> on_batches(std::vector<SharedBatch> batches);
    Result<void> on_gone();
    Result<void> on_page(CopyPage page);
    /// Stores no batch beyond `seq` until told otherwise; none: all.
    void hold(std::optional<LogSeq> seq);
    /// Where the peer's log stands, as it last said.
    void on_peer_head(LogSeq seq);

  private:
    enum class Phase : std::uint8_t { idle, deciding, following, copying };
    void decide(const CopyState& state);
    void begin_copy();
    void accept_next();
    void on_stored(const LogHead& head);
    void on_copied();
    void tell(LinkEvent::Kind kind);

    std::shared_ptr<LinkStore> store_;
    Agenda& agenda_;
    Intake intake_;
    CopyReceiver copy_;
    std::function<void()> stored_;
    NodeId peer_;
    LogSeq peer_head_{};
    std::optional<LogSeq> held_at_;
    Phase phase_ = Phase::idle;
    bool busy_ = false;
    bool caught_up_ = false;
};

}  // namespace countersign::protocol
