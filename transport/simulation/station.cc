#include "simulation/station.h"

#include <algorithm>
#include <utility>
#include <variant>

namespace countersign::simulation {
namespace {

constexpr milliseconds look_interval{250};

}  // namespace

/// One link over one stream.
struct Station::Line final : Network::User, std::enable_shared_from_this<Line> {
    Line(Station& of, Network::End on, Link made) : station(of), end(on), link(std::move(made)) {}

    Station& station;
    const Network::End end;
    std::optional<Link> link;  // none: it has ended
    std::optional<ChannelPublicKey> dialled;
    std::optional<Instant> wake_at;
    NodeId node;
    bool connected = false;
    bool draining = false;

    void on_bytes(BytesView bytes) override {
        if (!link) return;
        link->on_bytes(bytes, station.ground_.now());
        station.drain(shared_from_this());
    }
    void on_sent(std::size_t bytes) override {
        if (!link) return;
        link->on_sent(bytes);
        station.drain(shared_from_this());
    }
    void on_closed(const char* why) override {
        if (!link) return;
        link->on_closed(Error(errc::link_closed, why));
        station.drain(shared_from_this());
    }
};

Station::Station(StationGround& ground,
                 Network& network,
                 Network::Machine machine,
                 Store& store,
                 Options options,
                 Draw draw)
    : ground_(ground),
      network_(network),
      machine_(machine),
      links_(store.links()),
      options_(std::move(options)),
      draw_(draw),
      plan_({.first = options_.backoff_first,
             .cap = options_.backoff_cap,
             .refused_pause = options_.refused_pause}) {}

Station::~Station() {
    links_.on_change({});
}

void Station::begin() {
    links_.on_change([this] {
        contacts_changed_ = true;
        if (!std::exchange(changing_soon_, true)) ground_.after({}, [this] { on_change(); });
    });
    network_.listen(machine_, [this](Network::End end) {
        if (stopping_) return;
        open(end, Link::answer(links_.store(), table_, options_.link, ground_.now()), {});
    });
    look_again();
}

void Station::look_again() {
    if (stopping_) return;
    act();
    ground_.after(look_interval, [this] { look_again(); });
}

void Station::on_change() {
    changing_soon_ = false;
    if (stopping_) return;
    const auto lines = lines_;
    for (const auto& line : lines) {
        if (!line->link) continue;
        line->link->on_commit(ground_.now());
        drain(line);
    }
    act_soon();
}

void Station::say_goodbye() {
    stopping_ = true;
    links_.on_change({});
    const auto lines = lines_;
    for (const auto& line : lines) close(*line, Error(errc::link_closed, "this node is stopping"));
}

std::vector<LinkStatus> Station::statuses() const {
    std::vector<LinkStatus> all;
    for (const auto& line : lines_) {
        if (line->link && line->connected) all.push_back(line->link->status());
    }
    return all;
}

// Links.

void Station::open(Network::End end, Link link, std::optional<ChannelPublicKey> dialled) {
    const auto line = std::make_shared<Line>(*this, end, std::move(link));
    line->dialled = dialled;
    lines_.push_back(line);
    network_.attach(end, line.get());
    drain(line);
}

void Station::drain(const std::shared_ptr<Line>& line) {
    if (line->draining) return;
    line->draining = true;
    while (line->link) {
        auto action = line->link->poll();
        if (!action) break;
        if (auto* send = std::get_if<SendBytes>(&*action)) {
            network_.send(line->end, std::move(send->bytes));
        } else if (auto* run = std::get_if<RunStore>(&*action)) {
            auto task = std::make_shared<RunStore>(std::move(*run));
            ground_.run_blocking([this, task, weak = std::weak_ptr(line)] {
                task->task();
                const auto kept = weak.lock();
                if (!kept || !kept->link) return;
                kept->link->on_done(task->id, ground_.now());
                drain(kept);
            });
        } else if (auto* event = std::get_if<LinkEvent>(&*action)) {
            on_link_event(*line, *event);
        } else if (auto* wake = std::get_if<WakeLink>(&*action)) {
            line->wake_at = wake->at;
            const auto wait = std::max(wake->at - ground_.now().monotonic, Instant::duration{});
            ground_.after(wait, [this, at = wake->at, weak = std::weak_ptr(line)] {
                const auto kept = weak.lock();
                if (!kept || !kept->link || kept->wake_at != at) return;
                kept->wake_at.reset();
                kept->link->on_time(ground_.now());
                drain(kept);
            });
        } else if (auto* close = std::get_if<CloseLink>(&*action)) {
            line->link.reset();
            on_link_end(*line, *close);
        }
    }
    line->draining = false;
}

void Station::on_link_event(Line& line, const LinkEvent& event) {
    ground_.note(std::string("link ") + countersign::name(event.kind));
    if (event.kind == LinkEvent::Kind::joined) contacts_changed_ = true;
    const bool is_proved = event.seq != LogSeq{};
    if (event.kind == LinkEvent::Kind::removed && is_proved) ground_.on_removed();
    if (event.kind != LinkEvent::Kind::connected) return;
    line.node = event.peer;
    line.connected = true;
    if (line.dialled) plan_.on_linked(*line.dialled, ground_.now().monotonic);
    if (event.replaces) {
        const auto lines = lines_;
        for (const auto& other : lines) {
            if (!other->link || other->link->id() != *event.replaces) continue;
            close(*other, Error(errc::link_replaced, "a newer link of these two nodes is open"));
        }
    }
    act_soon();
}

void Station::on_link_end(Line& line, const CloseLink& close) {
    ground_.note(std::string("link ended: ") + countersign::name(close.reason.code()));
    network_.close(line.end);
    if (line.dialled && line.connected) {
        const bool wanted = close.reconnect || close.reason.code() == errc::link_replaced;
        plan_.on_lost(*line.dialled, !wanted, draw_.next(), ground_.now().monotonic);
    } else if (line.dialled) {
        const bool refused = !close.reconnect && close.reason.code() != errc::link_replaced;
        plan_.on_failed(*line.dialled, refused, draw_.next(), ground_.now().monotonic);
    }
    act_soon();
    // Whoever called may still be inside the line.
    ground_.after({}, [this, gone = &line] {
        std::erase_if(lines_, [&](const auto& each) { return each.get() == gone; });
    });
}

void Station::close(Line& line, const Error& reason) {
    if (!line.link) return;
    line.link->close(reason, ground_.now());
    drain(line.shared_from_this());
}

// Dialling.

void Station::act_soon() {
    if (std::exchange(acting_soon_, true)) return;
    ground_.after({}, [this] {
        acting_soon_ = false;
        act();
    });
}

void Station::act() {
    if (stopping_) return;
    if (std::exchange(contacts_changed_, false)) plan_.set(links_.contacts());
    std::vector<protocol::ContactPlan::Linked> linked;
    for (const auto& line : lines_) {
        if (line->connected && line->link) linked.push_back({line->node, line->dialled});
    }
    const auto steps = plan_.step(linked, ground_.now().monotonic, draw_.next());
    for (const auto& key : steps.leave) {
        plan_.on_left(key);
        const auto lines = lines_;
        for (const auto& line : lines) {
            if (line->dialled != key) continue;
            close(*line, Error(errc::link_closed, "this node has other links"));
        }
    }
    for (const auto& contact : steps.dial) dial(contact);
}

void Station::dial(const Contact& contact) {
    if (contact.addresses.empty()) {
        plan_.on_failed(contact.channel_key, false, draw_.next(), ground_.now().monotonic);
        return;
    }
    dial_next(contact, 0);
}

void Station::dial_next(const Contact& contact, std::size_t address) {
    network_.connect(
        machine_,
        contact.addresses[address],
        [this, &network = network_, contact, address, alive = std::weak_ptr(table_)](
            Result<Network::End> end) {
            if (alive.expired()) {
                if (end) network.close(*end);
                return;
            }
            if (!end && address + 1 < contact.addresses.size()) {
                return dial_next(contact, address + 1);
            }
            const Now now = ground_.now();
            if (!end || stopping_) {
                if (end) network_.close(*end);
                plan_.on_failed(contact.channel_key, false, draw_.next(), now.monotonic);
                return;
            }
            auto invited = links_.invitation();
            auto link =
                invited
                    ? Link::join(links_.store(),
                                 table_,
                                 contact.channel_key,
                                 std::move(*invited),
                                 options_.link,
                                 now)
                    : Link::dial(links_.store(), table_, contact.channel_key, options_.link, now);
            if (!link) {
                network_.close(*end);
                const bool refused = link.error() == errc::not_a_member;
                plan_.on_failed(contact.channel_key, refused, draw_.next(), now.monotonic);
                return;
            }
            open(*end, std::move(*link), contact.channel_key);
        });
}

}  // namespace countersign::simulation
