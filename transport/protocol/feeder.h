#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "countersign/error.h"
#include "countersign/ids.h"
#include "countersign/link.h"

#include "protocol/agenda.h"
#include "protocol/flow.h"

namespace countersign::protocol {

/// The side that sends batches, once asked to ("Catching up", transport/README.md). Keeps a cursor
/// and the sizes of what is under way, never the batches. Parts of one conversation outlive no
/// agenda, and are not moved.
class Feeder {
  public:
    Feeder(std::shared_ptr<LinkStore> store, Agenda& agenda, std::size_t frame_bytes);

    void set_window(std::size_t window) { in_flight_.set_window(window); }
    void on_follow(LogSeq after);
    void stop() noexcept { active_ = false; }
    /// Sends what has been committed since, as far as the window allows.
    void on_commit() { pump(); }
    void on_ack(LogSeq seq);

    bool active() const noexcept { return active_; }
    LogSeq cursor() const noexcept { return cursor_; }
    std::size_t bytes_in_flight() const noexcept { return in_flight_.bytes(); }

  private:
    std::size_t budget() const;
    void pump();
    void read();
    void on_read(LogSeq after, BatchRun run);
    /// False when the window is full.
    bool send(std::vector<SharedBatch> batches);

    std::shared_ptr<LinkStore> store_;
    Agenda& agenda_;
    std::size_t frame_bytes_;
    InFlight in_flight_;
    LogSeq cursor_{};  // the last batch sent
    bool active_ = false;
    bool reading_ = false;
};

}  // namespace countersign::protocol
