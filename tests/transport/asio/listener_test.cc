#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <optional>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "asio/address.h"
#include "transport/asio/fake_node.h"

using namespace countersign;
using namespace countersign::testing;
using boost::asio::ip::tcp;

namespace {

/// Somebody who connects and says nothing, or nonsense.
struct Stranger {
    Stranger(boost::asio::io_context& context, std::uint16_t port) : io(context), socket(context) {
        socket.connect({boost::asio::ip::address_v4::loopback(), port});
        wait();
    }
    void wait() {
        socket.async_read_some(boost::asio::buffer(into),
                               [this](boost::system::error_code error, std::size_t size) {
                                   heard += size;
                                   hung_up = static_cast<bool>(error);
                                   if (!error) wait();
                               });
    }
    boost::asio::io_context& io;
    tcp::socket socket;
    std::array<char, 1000> into{};
    std::size_t heard = 0;
    bool hung_up = false;
};

struct Open {
    Open() { hq.store->found_pool(); }
    ~Open() { hq.service.reset(); }
    std::unique_ptr<Stranger> stranger() { return std::make_unique<Stranger>(io, hq.port); }

    boost::asio::io_context io;
    FakeNode hq{io, 1, "hq"};
};

errc listening_fails(Endpoint endpoint) {
    boost::asio::io_context io;
    FakeNode site(io, 4, "site");
    site.options.listen = {std::move(endpoint)};
    const auto started = site.start(false);
    REQUIRE_FALSE(started);
    CHECK_FALSE(started.error().detail().empty());
    CHECK_FALSE(site.supply->served);
    return started.error().code();
}

}  // namespace

TEST_CASE("node: a port that is taken: says so, and can be started once it is free") {
    Open open;
    REQUIRE(open.hq.start());
    CHECK(listening_fails({"127.0.0.1", open.hq.port}) == errc::address_in_use);
    FakeNode other(open.io, 2, "other");
    other.port = open.hq.port;
    REQUIRE_FALSE(other.start());
    open.hq.stop();
    CHECK(other.service->start());
}

TEST_CASE("node: addresses that cannot be listened on: each its own error") {
    CHECK(listening_fails({"203.0.113.1", 0}) == errc::invalid_argument);
    CHECK(listening_fails({"nowhere.invalid", 0}) == errc::name_not_resolved);
}

TEST_CASE("node: a name, an IPv6 address and all addresses: are listened on") {
    boost::asio::io_context io;
    for (const char* host : {"localhost", ""}) {
        FakeNode site(io, 4, "site");
        site.options.listen = {{host, 0}};
        REQUIRE(site.start(false));
        const auto port = site.service->port();
        REQUIRE(port != 0);
        tcp::socket socket(io);
        boost::system::error_code error;
        socket.connect({boost::asio::ip::address_v4::loopback(), port}, error);
        CHECK_FALSE(error);
    }
}

TEST_CASE("node: options out of range: are refused by name") {
    boost::asio::io_context io;
    const auto refused = [&](const char* name, const std::function<void(NodeOptions&)>& change) {
        CAPTURE(name);
        FakeNode site(io, 4, "site");
        change(site.options);
        const auto started = site.start();
        REQUIRE_FALSE(started);
        CHECK(started.error() == errc::invalid_argument);
        CHECK(started.error().detail().find(name) != std::string::npos);
        CHECK_FALSE(site.supply->served);
    };
    constexpr milliseconds none{0};
    refused("look_interval", [](auto& options) { options.look_interval = milliseconds{51}; });
    refused("backoff_cap", [](auto& options) { options.backoff_cap = milliseconds{1}; });
    refused("connect_timeout", [&](auto& options) { options.connect_timeout = none; });
    refused("silence_limit", [&](auto& options) { options.link.silence_limit = none; });
    refused("deadlines", [&](auto& options) { options.link.greeting_deadline = none; });
    refused("handshakes", [](auto& options) { options.handshakes = 0; });
    refused("blocking_threads", [](auto& options) {
        options.run_blocking = nullptr;
        options.blocking_threads = 0;
    });
}

TEST_CASE("node: strangers who say nothing: few per source, and only until the deadline") {
    Open open;
    open.hq.options.handshakes_per_source = 2;
    open.hq.options.link.handshake_deadline = milliseconds{150};
    REQUIRE(open.hq.start());
    const auto first = open.stranger();
    const auto second = open.stranger();
    run_for(open.io, milliseconds{20});
    const auto third = open.stranger();
    REQUIRE(run_until(open.io, [&] { return third->hung_up; }));
    CHECK_FALSE(first->hung_up);
    REQUIRE(run_until(open.io, [&] { return first->hung_up && second->hung_up; }));
    CHECK(first->heard == 0);
    const auto fourth = open.stranger();
    run_for(open.io, milliseconds{50});
    CHECK_FALSE(fourth->hung_up);
    CHECK(open.hq.events.empty());  // strangers do not fill the log
}

TEST_CASE("node: a stranger who talks nonsense: is hung up on without a byte") {
    Open open;
    REQUIRE(open.hq.start());
    const auto stranger = open.stranger();
    boost::asio::write(stranger->socket, boost::asio::buffer("GET / HTTP/1.1\r\n\r\n"));
    REQUIRE(run_until(open.io, [&] { return stranger->hung_up; }));
    CHECK(stranger->heard == 0);
}

TEST_CASE("node: more connections than allowed: the last is hung up on") {
    Open open;
    open.hq.options.connections = 1;
    REQUIRE(open.hq.start());
    const auto first = open.stranger();
    const auto second = open.stranger();
    REQUIRE(run_until(open.io, [&] { return second->hung_up; }));
    CHECK_FALSE(first->hung_up);
}

TEST_CASE("addresses: host:port and [IPv6]:port are read, all else is refused") {
    using node::parse_address;
    const auto name = parse_address("hq.example:7700");
    REQUIRE(name);
    CHECK(name->host == "hq.example");
    CHECK(name->port == 7700);
    const auto v6 = parse_address("[2001:db8::1]:65535");
    REQUIRE(v6);
    CHECK(v6->host == "2001:db8::1");
    CHECK(to_string(*v6) == "[2001:db8::1]:65535");
    for (const char* bad :
         {"", "hq", "hq:", ":7700", "hq:0", "hq:65536", "hq:77x", "2001:db8::1:7700", "[]:1"}) {
        CAPTURE(bad);
        CHECK_FALSE(parse_address(bad));
    }
}
