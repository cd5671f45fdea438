#include "protocol/heartbeat.h"

#include <algorithm>

namespace countersign::protocol {

Heartbeat::Heartbeat(milliseconds ping_interval, milliseconds silence_limit, Instant now)
    : ping_interval_(ping_interval), silence_limit_(silence_limit), heard_(now), pinged_(now) {}

std::optional<std::uint64_t> Heartbeat::ping_due(Instant now) {
    if (waiting_ || now < pinged_ + ping_interval_) return std::nullopt;
    waiting_ = true;
    pinged_ = now;
    return ++number_;
}

Result<void> Heartbeat::on_pong(std::uint64_t number, Instant now) {
    if (!waiting_ || number != number_) {
        return Error(errc::malformed, "a pong came that answers no ping");
    }
    waiting_ = false;
    round_trip_ = std::chrono::duration_cast<milliseconds>(now - pinged_);
    return {};
}

Instant Heartbeat::deadline() const noexcept {
    const Instant silence = heard_ + silence_limit_;
    return waiting_ ? silence : std::min<Instant>(silence, pinged_ + ping_interval_);
}

}  // namespace countersign::protocol
