#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>

#include "countersign/time.h"

namespace countersign::node {

/// Where a connection comes from: an IPv4 address mapped into IPv6, or the /64 of an IPv6 one.
using Source = std::array<unsigned char, 16>;

/// Says which connections are let in at all. A handshake costs a stranger nothing and this side
/// some Diffie-Hellman, so until one has succeeded its source may have few of them. Its own memory
/// is bounded too.
class Porter {
  public:
    struct Limits {
        std::size_t connections;  ///< in all
        std::size_t handshakes;   ///< connections that have proved nothing yet
        std::size_t handshakes_per_source;
        std::size_t attempts_per_source;  ///< within `window`
        milliseconds window;
    };
    static constexpr std::size_t sources_limit = 4096;

    explicit Porter(Limits limits) : limits_(limits) {}

    /// True: the connection counts until `leave`.
    bool admit(const Source& source, Instant now);
    /// The peer has proved who it is.
    void prove(const Source& source) noexcept;
    void leave(const Source& source, bool proved) noexcept;

  private:
    struct Known {
        std::size_t handshakes = 0;
        std::size_t attempts = 0;
        Instant window_began{};
    };
    void forget_idle(Instant now);

    Limits limits_;
    std::size_t connections_ = 0;
    std::size_t handshakes_ = 0;
    std::map<Source, Known> sources_;
    Instant forgot_at_{};
};

}  // namespace countersign::node
