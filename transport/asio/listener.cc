#include "asio/listener.h"

#include <boost/asio/ip/v6_only.hpp>
#include <chrono>
#include <string>
#include <utility>

#include "asio/address.h"

namespace countersign::node {
namespace {

using boost::system::error_code;

/// After an accept that failed: most often no descriptors are left, and trying on would only burn
/// the processor.
constexpr std::chrono::milliseconds accept_pause{100};

std::string text_of(const tcp::endpoint& endpoint) {
    return to_string(HostPort{.host = endpoint.address().to_string(), .port = endpoint.port()});
}

Error cannot_listen(const tcp::endpoint& at, error_code error) {
    const std::string where = text_of(at);
    if (error == asio::error::address_in_use) {
        return Error(errc::address_in_use,
                     "another program listens on " + where + "; choose another port, or stop it");
    }
    if (error == asio::error::access_denied) {
        return Error(errc::invalid_argument,
                     "this user may not listen on " + where + "; choose a port from 1024 on");
    }
    if (error == boost::system::errc::address_not_available ||
        error == asio::error::address_family_not_supported) {
        return Error(errc::invalid_argument,
                     where + " is no address of this machine; listen on one that is");
    }
    return Error(errc::io_error, "listening on " + where + " failed (" + error.message() + ")");
}

}  // namespace

Listener::Listener(std::shared_ptr<Loop> loop, OnAccepted on_accepted, OnFailed on_failed)
    : loop_(std::move(loop)),
      on_accepted_(std::move(on_accepted)),
      on_failed_(std::move(on_failed)) {}

Result<std::vector<tcp::endpoint>> Listener::resolve(const Endpoint& endpoint) {
    std::vector<tcp::endpoint> found;
    error_code error;
    if (endpoint.host.empty()) {
        tcp::acceptor probe(loop_->strand());
        probe.open(tcp::v6(), error);
        const bool has_v6 = !error;
        found.emplace_back(has_v6 ? tcp::v6() : tcp::v4(), endpoint.port);
        return found;
    }
    const auto numeric = asio::ip::make_address(endpoint.host, error);
    if (!error) {
        found.emplace_back(numeric, endpoint.port);
        return found;
    }
    tcp::resolver resolver(loop_->strand());
    const auto results = resolver.resolve(
        endpoint.host, std::to_string(endpoint.port), tcp::resolver::passive, error);
    for (const auto& each : results) found.push_back(each.endpoint());
    if (found.empty()) {
        return Error(errc::name_not_resolved,
                     "the name " + endpoint.host + " to listen on has no address; check it");
    }
    return found;
}

Result<void> Listener::open_one(const tcp::endpoint& at) {
    auto door = std::make_shared<Door>(
        Door{tcp::acceptor(loop_->strand()), asio::steady_timer(loop_->strand())});
    error_code error;
    error_code ignored;
    auto& acceptor = door->acceptor;
    acceptor.open(at.protocol(), error);
    if (error) return cannot_listen(at, error);
    acceptor.set_option(tcp::acceptor::reuse_address(true), ignored);
    if (at.protocol() == tcp::v6()) {
        const bool everything = at.address().is_unspecified();
        acceptor.set_option(asio::ip::v6_only(!everything), ignored);
    }
    acceptor.bind(at, error);
    if (error) return cannot_listen(at, error);
    acceptor.listen(tcp::acceptor::max_listen_connections, error);
    if (error) return cannot_listen(at, error);
    if (port_ == 0) port_ = acceptor.local_endpoint(ignored).port();
    doors_.push_back(std::move(door));
    return {};
}

Result<void> Listener::open(const std::vector<Endpoint>& endpoints) {
    for (const Endpoint& each : endpoints) {
        const auto found = resolve(each);
        if (!found) {
            close();
            return found.error();
        }
        std::uint16_t port = each.port;
        for (tcp::endpoint at : *found) {
            at.port(port);
            const auto opened = open_one(at);
            if (!opened) {
                close();
                return opened;
            }
            // All addresses of one name listen on one port.
            error_code ignored;
            port = doors_.back()->acceptor.local_endpoint(ignored).port();
        }
    }
    return {};
}

void Listener::start() {
    for (const auto& door : doors_) accept(door);
}

void Listener::close() {
    error_code ignored;
    for (const auto& door : doors_) {
        door->acceptor.close(ignored);
        door->pause.cancel();
    }
    doors_.clear();
    port_ = 0;
}

void Listener::accept(const std::shared_ptr<Door>& door) {
    door->acceptor.async_accept(
        loop_->strand(), loop_->guarded([this, door](error_code error, auto socket) {
            if (!door->acceptor.is_open()) return;
            if (!error) {
                on_accepted_(std::move(socket));
                return accept(door);
            }
            on_failed_(Error(errc::io_error,
                             "a connection could not be accepted (" + error.message() + ")"));
            door->pause.expires_after(accept_pause);
            door->pause.async_wait(loop_->guarded([this, door](error_code cut) {
                if (!cut && door->acceptor.is_open()) accept(door);
            }));
        }));
}

}  // namespace countersign::node
