#include "asio/station.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <chrono>
#include <span>
#include <utility>

namespace countersign::node {
namespace {

using boost::system::error_code;

constexpr std::chrono::minutes porters_window{1};

Source source_of(const asio::ip::address& address) {
    const auto v6 = address.is_v6()
                        ? address.to_v6()
                        : asio::ip::make_address_v6(asio::ip::v4_mapped, address.to_v4());
    Source source = v6.to_bytes();
    // Who has one IPv6 address has all of its /64.
    if (!v6.is_v4_mapped())
        std::fill(source.begin() + 8, source.end(), static_cast<unsigned char>(0));
    return source;
}

}  // namespace

Station::Station(std::shared_ptr<Loop> loop,
                 std::shared_ptr<Supply> supply,
                 const NodeOptions& options,
                 OnEvent on_event,
                 std::function<void()> on_emptied)
    : loop_(std::move(loop)),
      supply_(std::move(supply)),
      options_(options),
      on_event_(std::move(on_event)),
      on_emptied_(std::move(on_emptied)),
      porter_({.connections = options.connections,
               .handshakes = options.handshakes,
               .handshakes_per_source = options.handshakes_per_source,
               .attempts_per_source = options.failed_handshakes_per_minute,
               .window = porters_window}),
      plan_({.first = options.backoff_first,
             .cap = options.backoff_cap,
             .refused_pause = options.refused_pause}) {}

std::vector<std::shared_ptr<Connection>> Station::connections() const {
    std::vector<std::shared_ptr<Connection>> all;
    for (const auto& [id, line] : lines_) all.push_back(line.connection);
    return all;
}

void Station::on_change() {
    if (stopping_) return;
    contacts_changed_ = true;
    for (const auto& each : connections()) each->on_commit();
}

std::vector<LinkStatus> Station::statuses() const {
    std::vector<LinkStatus> all;
    for (const auto& [id, line] : lines_) {
        auto status = line.connection->status();
        if (status && (line.dialled || status->peer != NodeId{})) all.push_back(std::move(*status));
    }
    return all;
}

std::uint64_t Station::draw() {
    std::uint64_t drawn = 0;
    supply_->store()->random(std::as_writable_bytes(std::span(&drawn, 1)));
    return drawn;
}

// Connections.

void Station::accept(tcp::socket socket) {
    error_code error;
    const auto remote = socket.remote_endpoint(error);
    if (stopping_ || error) return;
    const Source source = source_of(remote.address());
    const Now now = loop_->now();
    if (!porter_.admit(source, now.monotonic)) return;
    Line line{.source = source,
              .address =
                  to_string(HostPort{.host = remote.address().to_string(), .port = remote.port()})};
    open(std::move(socket),
         Link::answer(supply_->store(), table_, options_.link, now),
         std::move(line));
}

void Station::open(tcp::socket socket, Link link, Line line) {
    const auto connection = std::make_shared<Connection>(
        loop_, *this, std::move(socket), std::move(link), options_.linger);
    line.connection = connection;
    lines_.emplace(connection->id(), std::move(line));
    connection->start();
}

void Station::on_link_event(Connection& connection, const LinkEvent& event) {
    Line& line = lines_.at(connection.id());
    const std::string address = line.address;
    if (event.kind == LinkEvent::Kind::connected) on_connected(line, event);
    if (event.kind == LinkEvent::Kind::joined) contacts_changed_ = true;
    on_event_({.kind = NodeEvent::Kind::link,
               .node = event.peer,
               .address = address,
               .link = event,
               .reason = std::nullopt});
}

void Station::on_connected(Line& line, const LinkEvent& event) {
    line.node = event.peer;
    line.connected = true;
    if (line.source) porter_.prove(*line.source);
    if (line.dialled) {
        plan_.on_linked(*line.dialled, loop_->now().monotonic);
        attempts_.erase(*line.dialled);
    }
    if (event.replaces) {
        const auto replaced = lines_.find(*event.replaces);
        if (replaced != lines_.end()) {
            const auto old = replaced->second.connection;
            old->close(Error(errc::link_replaced, "a newer link of these two nodes is open"));
        }
    }
    act_soon();
}

void Station::on_link_end(Connection& connection, const CloseLink& close) {
    const Line line = lines_.at(connection.id());
    if (line.connected) {
        const bool wanted = close.reconnect || close.reason.code() == errc::link_replaced;
        if (line.dialled) {
            plan_.on_lost(*line.dialled, !wanted, draw(), loop_->now().monotonic);
        }
        on_event_({.kind = NodeEvent::Kind::link_ended,
                   .node = line.node,
                   .address = line.address,
                   .link = std::nullopt,
                   .reason = close.reason,
                   .retries = close.reconnect});
    } else if (line.dialled) {
        const auto attempt = attempts_.find(*line.dialled);
        if (attempt == attempts_.end()) return;
        if (!close.reconnect) {
            const Contact contact = attempt->second.contact;
            const bool refused = close.reason.code() != errc::link_replaced;
            return give_up(contact, line.address, close.reason, refused);
        }
        const auto dial = attempt->second.dial;
        dial->next(close.reason);
    }
    act_soon();
}

void Station::on_stream_end(Connection& connection) {
    const auto found = lines_.find(connection.id());
    assert(found != lines_.end());
    const Line line = std::move(found->second);
    lines_.erase(found);
    if (line.source) porter_.leave(*line.source, line.connected);
    if (lines_.empty()) on_emptied_();
}

// Dialling.

void Station::act_soon() {
    if (acting_soon_ || stopping_) return;
    acting_soon_ = true;
    loop_->post([this] {
        acting_soon_ = false;
        act();
    });
}

void Station::act() {
    if (stopping_) return;
    if (std::exchange(contacts_changed_, false)) plan_.set(supply_->contacts());
    std::vector<protocol::ContactPlan::Linked> links;
    for (const auto& [id, line] : lines_) {
        if (line.connected && line.connection->status()) links.push_back({line.node, line.dialled});
    }
    const auto steps = plan_.step(links, loop_->now().monotonic, draw());
    for (const auto& key : steps.leave) {
        leave(key, Error(errc::link_closed, "this node has other links"));
    }
    for (const auto& contact : steps.dial) dial(contact);
}

void Station::leave(const ChannelPublicKey& key, const Error& reason) {
    const auto attempt = attempts_.find(key);
    if (attempt != attempts_.end()) {
        attempt->second.dial->cancel();
        attempts_.erase(attempt);
    }
    plan_.on_left(key);
    for (const auto& connection : connections()) {
        const auto line = lines_.find(connection->id());
        if (line != lines_.end() && line->second.dialled == key) connection->close(reason);
    }
}

void Station::dial(const Contact& contact) {
    const auto dial = std::make_shared<Dial>(
        loop_,
        contact.addresses,
        options_.connect_timeout,
        [this, contact](Result<tcp::socket> reached, const std::string& address) {
            on_dialled(contact, std::move(reached), address);
        });
    attempts_[contact.channel_key] = {dial, contact};
    dial->next();
}

void Station::on_dialled(const Contact& contact,
                         Result<tcp::socket> reached,
                         const std::string& address) {
    if (!reached) return give_up(contact, address, reached.error(), false);
    auto link = make_link(contact);
    if (!link) {
        const bool refused = link.error() == errc::not_a_member;
        return give_up(contact, address, link.error(), refused);
    }
    open(std::move(*reached),
         std::move(*link),
         {.source = std::nullopt, .dialled = contact.channel_key, .address = address});
}

void Station::give_up(const Contact& contact, const std::string& address, Error why, bool refused) {
    const auto attempt = attempts_.find(contact.channel_key);
    if (attempt != attempts_.end()) {
        const auto dial = attempt->second.dial;
        attempts_.erase(attempt);
        dial->cancel();
    }
    plan_.on_failed(contact.channel_key, refused, draw(), loop_->now().monotonic);
    act_soon();
    on_event_({.kind = NodeEvent::Kind::dial_failed,
               .node = contact.node,
               .address = address,
               .link = std::nullopt,
               .reason = std::move(why),
               .retries = !refused});
}

Result<Link> Station::make_link(const Contact& contact) {
    const Now now = loop_->now();
    if (auto invited = supply_->invitation()) {
        return Link::join(
            supply_->store(), table_, contact.channel_key, std::move(*invited), options_.link, now);
    }
    return Link::dial(supply_->store(), table_, contact.channel_key, options_.link, now);
}

// The end.

void Station::say_goodbye(const Error& reason) {
    stopping_ = true;
    for (const auto& [key, attempt] : attempts_) attempt.dial->cancel();
    attempts_.clear();
    for (const auto& each : connections()) each->close(reason);
}

void Station::drop() {
    stopping_ = true;
    for (const auto& [key, attempt] : attempts_) attempt.dial->cancel();
    attempts_.clear();
    for (const auto& [id, line] : lines_) line.connection->drop();
    lines_.clear();
    supply_.reset();
}

}  // namespace countersign::node
