#pragma once

#include <chrono>

namespace countersign {

using std::chrono::milliseconds;

/// Wall-clock time, in milliseconds since 1970-01-01T00:00:00Z, leap seconds not counted.
using UnixTime = std::chrono::sys_time<milliseconds>;

/// A clock that never goes back and counts while the machine sleeps. Its epoch means nothing.
struct MonotonicClock {
    using duration = std::chrono::nanoseconds;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = std::chrono::time_point<MonotonicClock>;
    static constexpr bool is_steady = true;
};
using Instant = MonotonicClock::time_point;

/// Both clocks, read together at the beginning of a step.
struct Now {
    UnixTime wall;
    Instant monotonic;
};

}  // namespace countersign
