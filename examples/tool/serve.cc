// join, serve: what keeps a node in agreement with the others.
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>

#include <countersign/asio.h>

#include "commands.h"
#include "terminal.h"

namespace tool {
namespace {

namespace asio = boost::asio;

cs::UnixTime wall_time() {
    return std::chrono::floor<cs::milliseconds>(std::chrono::system_clock::now());
}

/// Prints what a node and its store tell, each as a line.
class Journal {
  public:
    explicit Journal(Session& session) : session_(&session) {}

    void add(const cs::Event& event) {
        Json line{{"event", cs::name(event.kind)}, {"time", time_text(event.time)}};
        line["detail"] = event.detail;
        print(line, event.detail);
    }

    /// `store` knows the names of nodes.
    void add(const cs::NodeEvent& event, cs::Store& store) {
        const char* kind = event.link ? cs::name(event.link->kind) : cs::name(event.kind);
        Json line{{"event", kind}, {"time", time_text(wall_time())}};
        std::string text;
        const cs::NodeId& node = event.link ? event.link->peer : event.node;
        if (node != cs::NodeId{}) {
            const std::string name = name_of(node, store);
            line["name"] = name;
            line["node"] = cs::to_string(node);
            text = name;
        }
        if (!event.address.empty()) {
            line["address"] = event.address;
            text += text.empty() ? event.address : " at " + event.address;
        }
        if (event.link) {
            line["seq"] = cs::value(event.link->seq);
            text += ", seq " + std::to_string(cs::value(event.link->seq));
        }
        if (event.reason) {
            line["reason"] = {{"error", cs::name(event.reason->code())},
                              {"message", event.reason->message()}};
            line["retries"] = event.retries;
            text += ": " + printable(event.reason->message());
        }
        print(line, text);
    }

  private:
    void print(const Json& line, const std::string& text) {
        session_->output.show(line,
                              line["time"].get<std::string>() + "  " +
                                  line["event"].get<std::string>() + "  " + text);
    }

    std::string name_of(const cs::NodeId& node, cs::Store& store) {
        if (!names_.contains(node)) {
            const auto members = store.nodes().list();
            if (!members) return {};
            for (const auto& member : *members) names_[member.id] = member.name;
        }
        return names_[node];
    }

    Session* session_;
    std::map<cs::NodeId, std::string> names_;
};

/// HOST:PORT; [ADDRESS]:PORT; :PORT for every address of the machine.
cs::Result<cs::Endpoint> to_endpoint(const std::string& text) {
    const auto colon = text.rfind(':');
    const std::string digits = colon == std::string::npos ? "" : text.substr(colon + 1);
    const bool number = !digits.empty() && digits.size() <= 5 &&
                        digits.find_first_not_of("0123456789") == std::string::npos;
    if (!number || std::stoul(digits) > 65'535) {
        return cs::Error(cs::errc::invalid_argument,
                         "--listen " + printable(text) + ": give HOST:PORT, as 0.0.0.0:7700");
    }
    std::string host = text.substr(0, colon);
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    return cs::Endpoint{.host = std::move(host),
                        .port = static_cast<std::uint16_t>(std::stoul(digits))};
}

void announce(Session& session, const cs::Status& status, const Serve& serve, std::uint16_t port) {
    Json line{{"event", "serving"}, {"time", time_text(wall_time())}};
    line["name"] = status.name;
    line["node"] = cs::to_string(status.node);
    line["role"] = status.is_primary ? "primary" : "replica";
    line["listen"] = serve.listen;
    line["port"] = port == 0 ? Json() : Json(port);
    std::string text = time_text(wall_time()) + "  serving  " + status.name;
    for (const auto& address : serve.listen) text += ", " + address;
    if (port != 0) text += ", port " + std::to_string(port);
    session.output.show(line, text);
}

}  // namespace

Outcome run(const Serve& serve, Session& session) {
    cs::NodeOptions how;
    for (const auto& address : serve.listen) {
        auto endpoint = to_endpoint(address);
        if (!endpoint) return endpoint.error();
        how.listen.push_back(std::move(*endpoint));
    }
    if (serve.backoff_cap) how.backoff_cap = *serve.backoff_cap;
    how.backoff_first = std::min(how.backoff_first, how.backoff_cap);
    // Whoever reads the lines may go; the links stay.
    std::signal(SIGPIPE, SIG_IGN);

    Journal journal(session);
    cs::Options options;
    options.on_event = [&journal](const cs::Event& event) { journal.add(event); };
    auto store = session.open(serve.at, std::move(options));
    if (!store) return store.error();
    if (store->stage() == cs::Stage::removed) {
        return cs::Error(cs::errc::not_a_member,
                         "this node was removed from the pool and has no links to keep; to come "
                         "back, join in a new directory");
    }
    how.on_event = [&](const cs::NodeEvent& event) { journal.add(event, *store); };

    asio::io_context context(1);
    cs::Node node(context.get_executor(), *store, std::move(how));
    asio::signal_set signals(context, SIGINT, SIGTERM);
    if (auto started = node.start(); !started) return started.error();
    const auto status = store->status();
    if (!status) return status.error();
    announce(session, *status, serve, node.port());

    signals.async_wait([&](const boost::system::error_code& failure, int) {
        if (failure) return;
        signals.clear();  // a second one ends the process at once
        node.async_stop([] {});
    });
    context.run();
    session.output.show({{"event", "stopped"}, {"time", time_text(wall_time())}},
                        time_text(wall_time()) + "  stopped");
    return Exit::done;
}

Outcome run(const Join& join, Session& session) {
    const std::string directory = plain_directory(join.at.directory);
    std::optional<cs::Secret> invitation;
    if (join.invitation != "-") invitation = cs::Secret(join.invitation);
    auto key = NewKey::make(session, join.at.key, directory + ".key", "passphrase");
    if (!key) return key.error();
    if (!invitation) {
        auto line = session.input.line("invitation");
        if (!line) return line.error();
        invitation = std::move(*line);
    }

    ProgressBar bar("joining");
    cs::JoinOptions how;
    if (join.deadline) how.deadline = *join.deadline;
    how.on_progress = [&](const cs::JoinProgress& progress) {
        const bool copying = progress.kind == cs::JoinProgress::Kind::copying;
        bar.show(0,
                 0,
                 copying ? std::to_string(progress.records) + " records copied"
                         : cs::name(progress.kind));
    };
    asio::io_context context(1);
    asio::cancellation_signal cancel;
    asio::signal_set signals(context, SIGINT, SIGTERM);
    signals.async_wait([&](const boost::system::error_code& failure, int) {
        if (!failure) cancel.emit(asio::cancellation_type::terminal);
    });
    std::optional<cs::Result<cs::Store>> joined;
    cs::join(context.get_executor(),
             {.directory = directory, .key_provider = key->provider(), .addresses = join.addresses},
             *invitation,
             std::move(how),
             asio::bind_cancellation_slot(cancel.slot(), [&](cs::Result<cs::Store> store) {
                 joined.emplace(std::move(store));
                 signals.cancel();
             }));
    context.run();
    // What was made there opens with this key alone, and the next attempt goes on with it.
    std::error_code ignored;
    if (std::filesystem::exists(directory, ignored)) key->keep();
    if (!*joined) return joined->error();

    const auto status = (*joined)->status();
    if (!status) return status.error();
    session.output.show({{"pool", cs::to_string(status->pool)},
                         {"node", cs::to_string(status->node)},
                         {"name", status->name},
                         {"primary", status->primary_name},
                         {"directory", directory},
                         {"key_file", key->file().empty() ? Json() : Json(key->file())},
                         {"epoch", cs::value(status->epoch)},
                         {"seq", cs::value(status->seq)},
                         {"digest", status->digest},
                         {"users", status->users}},
                        "joined as " + status->name + ": " + std::to_string(status->users) +
                            " users, proved at seq " + std::to_string(cs::value(status->seq)) +
                            "; 'countersign serve' keeps it in agreement from now on");
    return Exit::done;
}

}  // namespace tool
