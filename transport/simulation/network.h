#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "countersign/error.h"
#include "countersign/ids.h"
#include "countersign/simulation.h"

#include "simulation/draw.h"
#include "simulation/schedule.h"
#include "simulation/trace.h"

namespace countersign::simulation {

/// Connections between machines: ordered streams of bytes that are late, cut, stalled or silent.
class Network {
  public:
    using Machine = std::size_t;  ///< in the order of `add_machine`
    static constexpr milliseconds connect_timeout{5'000};
    static constexpr milliseconds resend_time{200};

    /// One side of a stream.
    class User {
      public:
        virtual void on_bytes(BytesView bytes) = 0;
        virtual void on_sent(std::size_t bytes) = 0;
        /// The other side has closed it, or it broke. The last call.
        virtual void on_closed(const char* why) = 0;

      protected:
        ~User() = default;
    };
    struct End {
        std::uint64_t stream = 0;
        int side = 0;
    };
    using Accept = std::function<void(End)>;
    using Connected = std::move_only_function<void(Result<End>)>;

    /// What befalls streams beyond their routes.
    struct Mischief {
        double cut = 0;                      ///< share of streams cut after some number of bytes
        std::uint64_t cut_within = 200'000;  ///< of bytes
        double fragment = 0;                 ///< share of sends that arrive in pieces
        double stall = 0;      ///< share of such pieces after which the rest comes a second later
        double flip = 0;       ///< share of sends in which a bit is flipped on the way
        double misdirect = 0;  ///< share of connections that reach another machine
        double replay = 0;     ///< share of closed streams whose first bytes are sent again
    };
    /// Which of these have happened, and how often.
    struct Happened {
        std::uint64_t cuts = 0, fragments = 0, stalls = 0, flips = 0, misdirections = 0;
        std::uint64_t replays = 0, losses = 0, half_open = 0;
    };

    Network(Schedule& schedule, Trace& trace, Draw draw, Route route);

    Machine add_machine(std::string address);
    /// When the machine runs again, for those that are suspended; at once: now or before.
    void pause(Machine machine, Instant until) { machines_[machine].paused_until = until; }
    void listen(Machine machine, Accept accept) { machines_[machine].accept = std::move(accept); }
    /// The process is gone and its machine is not: streams break, and connections are refused.
    void hang_up(Machine machine);
    /// The machine is off: nobody is told.
    void fall_silent(Machine machine);
    void wake(Machine machine) { machines_[machine].is_on = true; }

    void connect(Machine from, const std::string& address, Connected connected);
    /// Who is told what happens on this side; before that, bytes wait.
    void attach(End end, User* user);
    void send(End end, Bytes bytes);
    /// After what was sent; nothing more is told on this side.
    void close(End end);

    void block(Machine from, Machine to, bool blocked);
    Route& route(Machine from, Machine to) { return machines_[from].routes[to]; }
    void reset_all();
    void set_mischief(const Mischief& mischief) { mischief_ = mischief; }

    const Happened& happened() const noexcept { return happened_; }
    std::uint64_t bytes_carried() const noexcept { return carried_; }
    /// Called with all bytes that travel, as whoever listens on the line sees them.
    void tap(std::function<void(BytesView)> listener) { tap_ = std::move(listener); }

  private:
    struct Piece {
        Bytes bytes;
        bool is_end = false;
    };
    struct Side {
        Machine machine = 0;
        User* user = nullptr;
        bool is_open = true;     // this side still listens
        bool is_silent = false;  // its machine went off: whoever speaks to it hears nothing
        // Of what this side sends.
        Instant line_free{};
        Instant last_arrival{};
        std::deque<Piece> waiting;                // arrived where nobody takes it yet, or held back
        std::optional<std::uint64_t> bytes_left;  // until the stream is cut
        Bytes beginning;                          // for replays
    };
    struct Stream {
        Side sides[2];
    };
    struct PerMachine {
        std::string address;
        Accept accept;
        bool is_on = true;
        Instant paused_until{};
        std::vector<Route> routes;
        std::vector<bool> blocked;
    };

    bool reaches(Machine from, Machine to) const { return !machines_[from].blocked[to]; }
    Instant::duration travel_time(const Route& route);
    void open(Machine from, Machine to, Connected connected);
    void transmit(std::uint64_t id, int side, Piece piece, Instant::duration pause);
    void arrive(std::uint64_t id, int side, Piece piece);
    void deliver(std::uint64_t id, int side);
    void break_stream(std::uint64_t id, const char* why);
    void end_side(Side& side, const char* why);
    void forget_if_over(std::uint64_t id);
    void replay(Machine from, Machine to, Bytes bytes);

    Schedule& schedule_;
    Trace& trace_;
    Draw draw_;
    Route route_;
    Mischief mischief_;
    Happened happened_;
    std::vector<PerMachine> machines_;
    std::map<std::uint64_t, Stream> streams_;
    std::uint64_t last_stream_ = 0;
    std::uint64_t carried_ = 0;
    std::function<void(BytesView)> tap_;
};

}  // namespace countersign::simulation
