#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "countersign/asio.h"
#include "countersign/link.h"

#include "asio/connection.h"
#include "asio/dial.h"
#include "asio/loop.h"
#include "asio/porter.h"
#include "asio/supply.h"
#include "protocol/contact_plan.h"

namespace countersign::node {

/// All links of one node: those that others open, and those that it dials. All calls on the strand.
class Station final : public Connection::Owner {
  public:
    using OnEvent = std::function<void(const NodeEvent&)>;

    /// `on_emptied` is called when the last connection has gone.
    Station(std::shared_ptr<Loop> loop,
            std::shared_ptr<Supply> supply,
            const NodeOptions& options,
            OnEvent on_event,
            std::function<void()> on_emptied);

    /// Someone has connected.
    void accept(tcp::socket socket);
    /// Head, memberships, designations or contacts have changed.
    void on_change();
    /// Dials and leaves whom it is time to.
    void act();
    /// Begins to end all links; nothing is accepted or dialled any more.
    void say_goodbye(const Error& reason);
    /// Ends all at once and lets go of the store.
    void drop();

    bool empty() const noexcept { return lines_.empty(); }
    /// Of the links whose other end is known.
    std::vector<LinkStatus> statuses() const;

  private:
    /// A connection and what is known about it.
    struct Line {
        std::shared_ptr<Connection> connection;
        std::optional<Source> source;             // of the one who connected
        std::optional<ChannelPublicKey> dialled;  // whom this side connected to
        std::string address;
        NodeId node;  // once connected
        bool connected = false;
    };

    void on_link_event(Connection& connection, const LinkEvent& event) override;
    void on_link_end(Connection& connection, const CloseLink& close) override;
    void on_stream_end(Connection& connection) override;
    void on_connected(Line& line, const LinkEvent& event);

    void dial(const Contact& contact);
    void on_dialled(const Contact& contact,
                    Result<tcp::socket> reached,
                    const std::string& address);
    void give_up(const Contact& contact, const std::string& address, Error why, bool refused);
    void leave(const ChannelPublicKey& key, const Error& reason);
    Result<Link> make_link(const Contact& contact);
    void open(tcp::socket socket, Link link, Line line);
    std::vector<std::shared_ptr<Connection>> connections() const;
    void act_soon();
    std::uint64_t draw();

    const std::shared_ptr<Loop> loop_;
    std::shared_ptr<Supply> supply_;
    const NodeOptions options_;
    const OnEvent on_event_;
    const std::function<void()> on_emptied_;
    const std::shared_ptr<LinkTable> table_ = std::make_shared<LinkTable>();
    Porter porter_;
    protocol::ContactPlan plan_;
    std::map<LinkTable::LinkId, Line> lines_;
    struct Attempt {
        std::shared_ptr<Dial> dial;
        Contact contact;
    };
    std::map<ChannelPublicKey, Attempt> attempts_;
    bool contacts_changed_ = true;
    bool acting_soon_ = false;
    bool stopping_ = false;
};

}  // namespace countersign::node
