#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "countersign/error.h"
#include "countersign/link.h"

#include "protocol/agenda.h"
#include "protocol/flow.h"

namespace countersign::protocol {

/// The side that sends records ("Copying", transport/README.md). Each page is a read of its own, so
/// writers go on; retention keeps the batches from the first page's moment on.
class CopyFeeder {
  public:
    CopyFeeder(std::shared_ptr<LinkStore> store, Agenda& agenda, std::size_t page_bytes);

    void set_peer(const NodeId& peer) { peer_ = peer; }
    void set_window(std::size_t window) { in_flight_.set_window(window); }
    void on_request(const wire::CopyRequest& request);
    /// Errors: errc::malformed (pages that were not sent).
    Result<void> on_staged(std::uint64_t pages);
    void stop() noexcept { ++request_; }
    std::size_t bytes_in_flight() const noexcept { return in_flight_.bytes(); }

  private:
    void pump();
    void on_page(CopyPage page);

    std::shared_ptr<LinkStore> store_;
    Agenda& agenda_;
    std::size_t page_bytes_;
    NodeId peer_;
    InFlight in_flight_;
    std::uint64_t request_ = 0;  // which request the answers of tasks belong to
    std::optional<RecordKey> after_;
    LogSeq held_{};
    std::uint64_t pages_ = 0;
    std::uint64_t staged_ = 0;
    bool more_ = false;
    bool reading_ = false;
};

}  // namespace countersign::protocol
