#include "asio/porter.h"

#include <cassert>

namespace countersign::node {

bool Porter::admit(const Source& source, Instant now) {
    if (connections_ >= limits_.connections || handshakes_ >= limits_.handshakes) return false;
    auto found = sources_.find(source);
    if (found == sources_.end()) {
        if (sources_.size() >= sources_limit) forget_idle(now);
        if (sources_.size() >= sources_limit) return false;
        found = sources_.emplace(source, Known{.window_began = now}).first;
    }
    Known& known = found->second;
    if (known.window_began + limits_.window <= now) {
        known.window_began = now;
        known.attempts = 0;
    }
    if (known.handshakes >= limits_.handshakes_per_source) return false;
    if (known.attempts >= limits_.attempts_per_source) return false;
    ++known.attempts;
    ++known.handshakes;
    ++handshakes_;
    ++connections_;
    return true;
}

/// At most once within a window: a flood from many sources must not make each refusal costly.
void Porter::forget_idle(Instant now) {
    if (forgot_at_ != Instant{} && forgot_at_ + limits_.window > now) return;
    forgot_at_ = now;
    std::erase_if(sources_, [&](const auto& each) {
        return each.second.handshakes == 0 && each.second.window_began + limits_.window <= now;
    });
}

void Porter::prove(const Source& source) noexcept {
    const auto found = sources_.find(source);
    assert(found != sources_.end() && found->second.handshakes > 0);
    --found->second.handshakes;
    // Who belongs here may come back as often as links break.
    if (found->second.attempts > 0) --found->second.attempts;
    --handshakes_;
}

void Porter::leave(const Source& source, bool proved) noexcept {
    if (!proved) {
        const auto found = sources_.find(source);
        assert(found != sources_.end() && found->second.handshakes > 0);
        --found->second.handshakes;
        --handshakes_;
    }
    --connections_;
}

}  // namespace countersign::node
