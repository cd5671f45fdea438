#include "simulation/network.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace countersign::simulation {
namespace {

using std::chrono::duration_cast;
using std::chrono::microseconds;
using std::chrono::nanoseconds;

constexpr std::size_t replayed_bytes = 4096;
constexpr int most_losses = 6;
constexpr int most_pieces = 5;

}  // namespace

Network::Network(Schedule& schedule, Trace& trace, Draw draw, Route route)
    : schedule_(schedule), trace_(trace), draw_(draw), route_(route) {}

Network::Machine Network::add_machine(std::string address) {
    for (auto& each : machines_) {
        each.routes.push_back(route_);
        each.blocked.push_back(false);
    }
    machines_.push_back({.address = std::move(address),
                         .accept = {},
                         .routes = std::vector(machines_.size() + 1, route_),
                         .blocked = std::vector<bool>(machines_.size() + 1, false)});
    return machines_.size() - 1;
}

// Opening.

Instant::duration Network::travel_time(const Route& route) {
    Instant::duration time = route.latency;
    time += microseconds(draw_.below(static_cast<std::uint64_t>(route.jitter.count()) * 1000 + 1));
    for (int lost = 0; lost < most_losses && draw_.chance(route.loss); ++lost) {
        time += resend_time * (1 << lost);
        ++happened_.losses;
    }
    return time;
}

void Network::connect(Machine from, const std::string& address, Connected connected) {
    auto found = std::ranges::find(machines_, address, &PerMachine::address);
    if (found == machines_.end()) {
        return connected(Error(errc::name_not_resolved, "no machine is called " + address));
    }
    auto to = static_cast<Machine>(found - machines_.begin());
    if (draw_.chance(mischief_.misdirect)) {
        const Machine other = draw_.below(machines_.size());
        if (other != to) ++happened_.misdirections;
        to = other;
    }
    const bool silent = to == from || !reaches(from, to) || !reaches(to, from) ||
                        !machines_[to].is_on || machines_[to].paused_until > schedule_.now();
    if (silent) {
        schedule_.after(connect_timeout, [connected = std::move(connected), address]() mutable {
            connected(Error(errc::unreachable, address + " does not answer"));
        });
        return;
    }
    const auto there = travel_time(route(from, to));
    schedule_.after(there, [this, from, to, connected = std::move(connected)]() mutable {
        open(from, to, std::move(connected));
    });
}

void Network::open(Machine from, Machine to, Connected connected) {
    const auto back = travel_time(route(to, from));
    if (!machines_[to].accept) {
        schedule_.after(back, [connected = std::move(connected)]() mutable {
            connected(Error(errc::unreachable, "the connection was refused"));
        });
        return;
    }
    const std::uint64_t id = ++last_stream_;
    Stream& stream = streams_[id];
    stream.sides[0].machine = from;
    stream.sides[1].machine = to;
    for (auto& side : stream.sides) {
        if (draw_.chance(mischief_.cut)) side.bytes_left = draw_.below(mischief_.cut_within);
    }
    machines_[to].accept({id, 1});
    schedule_.after(back,
                    [id, connected = std::move(connected)]() mutable { connected(End{id, 0}); });
}

void Network::attach(End end, User* user) {
    const auto found = streams_.find(end.stream);
    if (found == streams_.end()) {
        schedule_.after({}, [user] { user->on_closed("the connection broke"); });
        return;
    }
    found->second.sides[end.side].user = user;
    schedule_.after({}, [this, id = end.stream, side = 1 - end.side] { deliver(id, side); });
}

// Bytes.

void Network::send(End end, Bytes bytes) {
    const auto found = streams_.find(end.stream);
    if (found == streams_.end() || bytes.empty()) return;
    Side& side = found->second.sides[end.side];
    if (!side.is_open) return;
    if (tap_) tap_(bytes);
    trace_.mark(end.stream * 2 + static_cast<std::uint64_t>(end.side));
    trace_.mark(bytes);
    if (mischief_.replay > 0 && side.beginning.size() < replayed_bytes) {
        side.beginning.insert(side.beginning.end(), bytes.begin(), bytes.end());
    }
    if (draw_.chance(mischief_.flip)) {
        auto& bent = bytes[draw_.below(bytes.size())];
        bent ^= std::byte(1 << draw_.below(8));
        ++happened_.flips;
    }
    std::size_t pieces = 1;
    if (draw_.chance(mischief_.fragment)) {
        pieces = 1 + draw_.below(most_pieces);
        ++happened_.fragments;
    }
    Instant::duration pause{};
    for (std::size_t from = 0; from < bytes.size();) {
        const std::size_t rest = bytes.size() - from;
        const std::size_t size = pieces > 1 ? 1 + draw_.below(rest) : rest;
        const auto begin = bytes.begin() + static_cast<std::ptrdiff_t>(from);
        transmit(end.stream,
                 end.side,
                 {.bytes = Bytes(begin, begin + static_cast<std::ptrdiff_t>(size))},
                 pause);
        from += size;
        if (pieces > 1) --pieces;
        if (from < bytes.size() && draw_.chance(mischief_.stall)) {
            pause = std::chrono::seconds{1};
            ++happened_.stalls;
        }
    }
}

void Network::transmit(std::uint64_t id, int side, Piece piece, Instant::duration pause) {
    Stream& stream = streams_.at(id);
    Side& sender = stream.sides[side];
    const Route& way = route(sender.machine, stream.sides[1 - side].machine);
    Instant leaves = std::max(schedule_.now(), sender.line_free);
    if (way.bytes_per_second > 0) {
        leaves += nanoseconds(piece.bytes.size() * 1'000'000'000 / way.bytes_per_second);
    }
    sender.line_free = leaves;
    const Instant arrives = std::max(leaves + travel_time(way) + pause, sender.last_arrival);
    sender.last_arrival = arrives;
    if (!piece.is_end) {
        schedule_.at(leaves, [this, id, side, size = piece.bytes.size()] {
            const auto found = streams_.find(id);
            if (found == streams_.end()) return;
            Side& from = found->second.sides[side];
            if (from.is_open && from.user) from.user->on_sent(size);
        });
    }
    schedule_.at(arrives, [this, id, side, piece = std::move(piece)]() mutable {
        arrive(id, side, std::move(piece));
    });
}

void Network::arrive(std::uint64_t id, int side, Piece piece) {
    const auto found = streams_.find(id);
    if (found == streams_.end()) return;
    found->second.sides[side].waiting.push_back(std::move(piece));
    deliver(id, side);
}

/// Gives what `side` has sent to the other side, as far as that can take it.
void Network::deliver(std::uint64_t id, int side) {
    for (;;) {
        const auto found = streams_.find(id);
        if (found == streams_.end()) return;
        Side& sender = found->second.sides[side];
        Side& receiver = found->second.sides[1 - side];
        if (sender.waiting.empty()) return;
        if (!reaches(sender.machine, receiver.machine)) return;
        if (receiver.is_silent) {
            sender.waiting.clear();
            if (machines_[receiver.machine].is_on) return break_stream(id, "the connection broke");
            ++happened_.half_open;
            return;
        }
        const Instant runs = machines_[receiver.machine].paused_until;
        if (runs > schedule_.now()) {
            schedule_.at(runs, [this, id, side] { deliver(id, side); });
            return;
        }
        if (!receiver.is_open) {
            sender.waiting.clear();
            return forget_if_over(id);
        }
        if (!receiver.user) return;
        Piece piece = std::move(sender.waiting.front());
        sender.waiting.pop_front();
        if (piece.is_end) {
            end_side(receiver, "the other side closed the connection");
            return forget_if_over(id);
        }
        if (sender.bytes_left) {
            const auto size = std::min<std::uint64_t>(*sender.bytes_left, piece.bytes.size());
            *sender.bytes_left -= size;
            piece.bytes.resize(size);
        }
        carried_ += piece.bytes.size();
        const bool is_cut = sender.bytes_left == 0;
        if (!piece.bytes.empty()) receiver.user->on_bytes(piece.bytes);
        if (is_cut) {
            ++happened_.cuts;
            return break_stream(id, "the connection broke");
        }
    }
}

// Ending.

void Network::close(End end) {
    const auto found = streams_.find(end.stream);
    if (found == streams_.end()) return;
    Side& side = found->second.sides[end.side];
    if (!side.is_open) return;
    transmit(end.stream, end.side, {.bytes = {}, .is_end = true}, {});
    if (draw_.chance(mischief_.replay) && !side.beginning.empty()) {
        replay(side.machine, found->second.sides[1 - end.side].machine, side.beginning);
    }
    side.is_open = false;
    side.user = nullptr;
    forget_if_over(end.stream);
}

void Network::end_side(Side& side, const char* why) {
    User* const user = std::exchange(side.user, nullptr);
    side.is_open = false;
    if (user) user->on_closed(why);
}

void Network::forget_if_over(std::uint64_t id) {
    const auto found = streams_.find(id);
    if (found == streams_.end()) return;
    if (std::ranges::none_of(found->second.sides, &Side::is_open)) streams_.erase(found);
}

void Network::break_stream(std::uint64_t id, const char* why) {
    const auto found = streams_.find(id);
    if (found == streams_.end()) return;
    auto node = streams_.extract(found);
    for (auto& side : node.mapped().sides) end_side(side, why);
}

void Network::hang_up(Machine machine) {
    machines_[machine].accept = {};
    std::vector<std::uint64_t> ids;
    for (auto& [id, stream] : streams_) {
        for (auto& side : stream.sides) {
            if (side.machine != machine) continue;
            side.user = nullptr;
            ids.push_back(id);
        }
    }
    for (const auto id : ids) {
        const auto found = streams_.find(id);
        if (found == streams_.end()) continue;
        const auto& sides = found->second.sides;
        const auto other = sides[0].machine == machine ? sides[1].machine : sides[0].machine;
        if (reaches(machine, other)) {
            break_stream(id, "the other side's process ended");
        } else {
            for (auto& side : found->second.sides) {
                if (side.machine == machine) side.is_silent = true;
            }
        }
    }
}

void Network::fall_silent(Machine machine) {
    machines_[machine].is_on = false;
    machines_[machine].accept = {};
    for (auto& [id, stream] : streams_) {
        for (auto& side : stream.sides) {
            if (side.machine != machine) continue;
            side.user = nullptr;
            side.is_silent = true;
        }
    }
    std::erase_if(streams_, [](const auto& each) {
        return each.second.sides[0].is_silent && each.second.sides[1].is_silent;
    });
}

void Network::reset_all() {
    std::vector<std::uint64_t> ids;
    for (const auto& [id, stream] : streams_) ids.push_back(id);
    for (const auto id : ids) break_stream(id, "the connection was reset");
}

void Network::block(Machine from, Machine to, bool blocked) {
    machines_[from].blocked[to] = blocked;
    if (blocked) return;
    for (const auto& [id, stream] : streams_) {
        for (int side = 0; side < 2; ++side) {
            if (stream.sides[side].machine != from || stream.sides[1 - side].machine != to)
                continue;
            schedule_.after(travel_time(route(from, to)),
                            [this, id = id, side] { deliver(id, side); });
        }
    }
}

void Network::replay(Machine from, Machine to, Bytes bytes) {
    ++happened_.replays;
    struct Replayer final : User {
        void on_bytes(BytesView) override {}
        void on_sent(std::size_t) override {}
        void on_closed(const char*) override {}
    };
    static Replayer nobody;
    open(from, to, [this, bytes = std::move(bytes)](Result<End> end) mutable {
        if (!end || !streams_.contains(end->stream)) return;
        attach(*end, &nobody);
        send(*end, std::move(bytes));
        schedule_.after(std::chrono::seconds{20}, [this, end = *end] { close(end); });
    });
}

}  // namespace countersign::simulation
