#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "countersign/link.h"
#include "countersign/links.h"
#include "countersign/store.h"

#include "protocol/contact_plan.h"
#include "simulation/draw.h"
#include "simulation/network.h"

namespace countersign::simulation {

/// What a Station needs of the machine that it runs on.
class StationGround {
  public:
    virtual Now now() = 0;
    /// Does this after some time, unless the process has ended by then.
    virtual void after(Instant::duration time, Schedule::Task task) = 0;
    /// For tasks that may block.
    virtual void run_blocking(std::function<void()> task) = 0;
    virtual void note(std::string what) = 0;
    /// This node has been shown the batch that removed it.
    virtual void on_removed() = 0;

  protected:
    ~StationGround() = default;
};

/// The links of one process: what Node (asio.h) does over sockets, over a simulated Network.
class Station {
  public:
    struct Options {
        LinkOptions link;
        milliseconds backoff_first{500};
        milliseconds backoff_cap{30'000};
        milliseconds refused_pause{300'000};
    };
    Station(StationGround& ground,
            Network& network,
            Network::Machine machine,
            Store& store,
            Options options,
            Draw draw);
    Station(const Station&) = delete;
    /// Nothing is said any more.
    ~Station();

    void begin();
    /// Takes leave on all links.
    void say_goodbye();
    std::vector<LinkStatus> statuses() const;

  private:
    struct Line;
    /// Head, memberships or contacts have changed.
    void on_change();
    void act();
    void act_soon();
    void look_again();
    void dial(const Contact& contact);
    void dial_next(const Contact& contact, std::size_t address);
    void open(Network::End end, Link link, std::optional<ChannelPublicKey> dialled);
    void drain(const std::shared_ptr<Line>& line);
    void on_link_event(Line& line, const LinkEvent& event);
    void on_link_end(Line& line, const CloseLink& close);
    void close(Line& line, const Error& reason);

    StationGround& ground_;
    Network& network_;
    const Network::Machine machine_;
    Links links_;
    const Options options_;
    Draw draw_;
    const std::shared_ptr<LinkTable> table_ = std::make_shared<LinkTable>();
    protocol::ContactPlan plan_;
    std::vector<std::shared_ptr<Line>> lines_;
    bool contacts_changed_ = true;
    bool acting_soon_ = false;
    bool changing_soon_ = false;
    bool stopping_ = false;
};

}  // namespace countersign::simulation
