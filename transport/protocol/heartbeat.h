#pragma once

#include <cstdint>
#include <optional>

#include "countersign/error.h"
#include "countersign/time.h"

namespace countersign::protocol {

/// Knows whether the peer is alive: any byte of it says so, and pings make sure that some come. At
/// most one ping is unanswered, so a slow stream does not fill with them.
class Heartbeat {
  public:
    Heartbeat(milliseconds ping_interval, milliseconds silence_limit, Instant now);

    void on_heard(Instant now) noexcept { heard_ = now; }
    /// The number of a ping that should be sent now.
    std::optional<std::uint64_t> ping_due(Instant now);
    /// Errors: errc::malformed (answers no ping).
    Result<void> on_pong(std::uint64_t number, Instant now);
    bool silent(Instant now) const noexcept { return now >= heard_ + silence_limit_; }
    Instant deadline() const noexcept;
    milliseconds round_trip() const noexcept { return round_trip_; }

  private:
    milliseconds ping_interval_;
    milliseconds silence_limit_;
    Instant heard_;
    Instant pinged_;
    std::uint64_t number_ = 0;
    bool waiting_ = false;
    milliseconds round_trip_{};
};

}  // namespace countersign::protocol
