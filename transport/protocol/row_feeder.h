#pragma once

#include <cstdint>
#include <memory>

#include "countersign/error.h"
#include "countersign/ids.h"
#include "countersign/link.h"

#include "protocol/agenda.h"
#include "protocol/flow.h"

namespace countersign::protocol {

/// The side of a link that passes rows of attempts on, this node's own and others', so that they
/// spread in any topology that is connected ("Rows of attempts", transport/README.md). Each end of
/// a link has one. Keeps what the peer holds and the sizes of what is under way, never the rows.
class RowFeeder {
  public:
    RowFeeder(std::shared_ptr<LinkStore> store, Agenda& agenda);

    void set_peer(const NodeId& peer) { peer_ = peer; }
    /// The peer's vector, in place of what was known of it.
    void on_holds(RowVector vector);
    /// Rows came from the peer, so it has them.
    void peer_sent(const RowRun& run);
    /// Errors: errc::malformed.
    Result<void> on_stored(std::uint64_t messages);
    /// Passes on what the store holds now, as far as the window allows.
    void on_change() { pump(); }

    std::size_t bytes_in_flight() const noexcept { return in_flight_.bytes(); }

  private:
    bool has_news(const RowVector& held) const;
    RowVector asked_for(const RowVector& held) const;
    void pump();
    void on_read(RowPage page);

    std::shared_ptr<LinkStore> store_;
    Agenda& agenda_;
    NodeId peer_;
    RowVector peer_has_;  ///< by its word, and by rows that went either way
    RowVector read_to_;   ///< there may be no rows any more between the one and the other
    InFlight in_flight_;
    std::uint64_t sent_ = 0;
    std::uint64_t stored_ = 0;
    std::uint64_t vectors_ = 0;  // that the peer has told
    bool is_first_ = false;      // nothing has been read since it told one
    bool said_all_ = false;
    bool reading_ = false;
};

}  // namespace countersign::protocol
