#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "countersign/error.h"
#include "countersign/link.h"

#include "protocol/agenda.h"
#include "protocol/flow.h"

namespace countersign::protocol {

/// The side that another is repaired from ("Repair", transport/README.md): all it says is of one
/// snapshot, which it keeps until the other side ends it, or for a limited time.
class RepairFeeder {
  public:
    RepairFeeder(std::shared_ptr<LinkStore> store,
                 Agenda& agenda,
                 std::size_t page_bytes,
                 milliseconds deadline);

    void set_window(std::size_t window) { in_flight_.set_window(window); }
    /// Errors: errc::malformed (out of order).
    Result<void> on_repair(wire::Repair&& repair, Instant now);
    /// Errors: errc::malformed (pages that were not sent).
    Result<void> on_staged(std::uint64_t pages);
    /// Lets go of a snapshot that was kept for too long. Errors: errc::timed_out.
    Result<void> on_time(Instant now);

    /// Whether pages acknowledged are this one's.
    bool feeding() const noexcept { return leaves_.has_value(); }
    std::size_t bytes_in_flight() const noexcept { return in_flight_.bytes(); }

  private:
    Result<void> on(wire::Repair::Begin&& begin);
    Result<void> on(wire::Repair::Compare&& compare);
    Result<void> on(wire::Repair::Fetch&& fetch);
    Result<void> on(wire::Repair::End&& end);
    void say_buckets(std::shared_ptr<RepairSource> source);
    void pump();
    void on_page(CopyPage page);

    std::shared_ptr<LinkStore> store_;
    Agenda& agenda_;
    std::size_t page_bytes_;
    milliseconds deadline_;
    Instant now_{};
    std::optional<Instant> give_up_at_;  // a repair is under way
    std::shared_ptr<RepairSource> source_;
    bool opening_ = false;
    bool compared_ = false;
    std::optional<LeafSet> leaves_;
    std::optional<RecordKey> after_;
    InFlight in_flight_;
    std::uint64_t pages_ = 0;
    std::uint64_t staged_ = 0;
    bool more_ = false;
    bool reading_ = false;
};

}  // namespace countersign::protocol
