// For applications that have an event loop of their own: a primary and a replica of it, driven by
// one loop around poll(2), with plain sockets and without Boost.
#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <countersign/store.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace cs = countersign;
using namespace std::chrono_literals;

const auto environment = cs::system_environment();

class Descriptor {
  public:
    explicit Descriptor(int number = -1) : number_(number) {}
    Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
    Descriptor& operator=(Descriptor&&) = delete;
    ~Descriptor() {
        if (number_ >= 0) ::close(number_);
    }
    int number() const { return number_; }

  private:
    int number_;
};

/// A store, and what all its links share.
struct Node {
    explicit Node(cs::Store opened) : store(std::move(opened)) {
        // From any thread: a loop that sleeps longer than this one would be woken here.
        store.links().on_change([this] { changed = true; });
    }
    ~Node() { store.links().on_change({}); }

    cs::Store store;
    std::shared_ptr<cs::LinkTable> table = std::make_shared<cs::LinkTable>();
    std::unique_ptr<cs::FileLock> served;  // until it goes, no other process keeps these links
    std::atomic<bool> changed = false;
    cs::Instant due{};
};

/// One link over one socket.
struct Wire {
    Node* node;
    Descriptor socket;
    cs::Link link;
    cs::Bytes outgoing = {};
    std::optional<cs::Instant> wake = {};
    bool ended = false;
};

class Loop {
  public:
    void add(Node& node) { nodes_.push_back(&node); }
    void answer(Node& node, Descriptor socket) {
        auto link =
            cs::Link::answer(node.store.links().store(), node.table, options_, environment->now());
        wires_.push_back({&node, std::move(socket), std::move(link)});
    }
    cs::Result<void> dial(Node& node, Descriptor socket, const cs::Contact& whom) {
        auto links = node.store.links();
        const cs::Now now = environment->now();
        auto invited = links.invitation();
        auto link =
            invited ? cs::Link::join(links.store(),
                                     node.table,
                                     whom.channel_key,
                                     std::move(*invited),
                                     options_,
                                     now)
                    : cs::Link::dial(links.store(), node.table, whom.channel_key, options_, now);
        if (!link) return link.error();
        wires_.push_back({&node, std::move(socket), std::move(*link)});
        return {};
    }
    void close_all(const cs::Error& reason) {
        for (auto& wire : wires_) wire.link.close(reason, environment->now());
    }
    bool empty() const { return wires_.empty(); }

    /// One turn: waits for something to happen, at most 50 ms, and deals with it.
    void turn() {
        for (auto& wire : wires_) act(wire);
        std::erase_if(wires_, [](const Wire& wire) { return wire.ended && wire.outgoing.empty(); });
        std::vector<pollfd> polled;
        auto patience = std::chrono::duration_cast<cs::milliseconds>(50ms);
        for (const auto& wire : wires_) {
            const short events = wire.outgoing.empty() ? POLLIN : POLLIN | POLLOUT;
            polled.push_back({wire.socket.number(), events, 0});
            if (wire.wake) patience = std::clamp(until(*wire.wake), cs::milliseconds{0}, patience);
        }
        ::poll(polled.data(), polled.size(), static_cast<int>(patience.count()));
        auto each = polled.begin();
        for (auto& wire : wires_) {
            if (each->revents & POLLOUT) write(wire);
            if (each->revents & (POLLIN | POLLHUP | POLLERR)) read(wire);
            ++each;
            if (!wire.wake || environment->now().monotonic < *wire.wake) continue;
            wire.wake.reset();
            wire.link.on_time(environment->now());
        }
        for (Node* node : nodes_) look_after(*node);
    }

  private:
    static cs::milliseconds until(cs::Instant at) {
        return std::chrono::ceil<cs::milliseconds>(at - environment->now().monotonic);
    }

    void look_after(Node& node) {
        (void)node.store.links()
            .look();  // has another process written? An error will pass, or come again.
        if (node.due <= environment->now().monotonic) node.due = node.store.run_due();
        if (!node.changed.exchange(false)) return;
        for (auto& wire : wires_) {
            if (wire.node == &node) wire.link.on_commit(environment->now());
        }
    }

    void read(Wire& wire) {
        std::byte bytes[65'536];
        const auto size = ::recv(wire.socket.number(), bytes, sizeof bytes, MSG_DONTWAIT);
        if (size > 0) {
            const cs::BytesView came(bytes, static_cast<std::size_t>(size));
            return wire.link.on_bytes(came, environment->now());
        }
        if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
        wire.link.on_closed(cs::Error(cs::errc::link_closed, "the connection ended"));
        wire.outgoing.clear();
    }

    void write(Wire& wire) {
        const auto size = ::send(wire.socket.number(),
                                 wire.outgoing.data(),
                                 wire.outgoing.size(),
                                 MSG_DONTWAIT | MSG_NOSIGNAL);
        if (size < 0) return;  // what is wrong, reading tells
        wire.outgoing.erase(wire.outgoing.begin(), wire.outgoing.begin() + size);
        wire.link.on_sent(static_cast<std::size_t>(size));
    }

    void act(Wire& wire) {
        while (auto action = wire.link.poll()) {
            if (auto* send = std::get_if<cs::SendBytes>(&*action)) {
                wire.outgoing.insert(wire.outgoing.end(), send->bytes.begin(), send->bytes.end());
            } else if (auto* run = std::get_if<cs::RunStore>(&*action)) {
                run->task();  // may wait for the disk: busy loops give it to a thread
                wire.link.on_done(run->id, environment->now());
            } else if (auto* wake_up = std::get_if<cs::WakeLink>(&*action)) {
                wire.wake = wake_up->at;
            } else if (auto* event = std::get_if<cs::LinkEvent>(&*action)) {
                std::printf("a link: %s\n", cs::name(event->kind));
                for (auto& other : wires_) {
                    if (other.node != wire.node || other.link.id() != event->replaces) continue;
                    other.link.close(cs::errc::link_replaced, environment->now());
                }
            } else {
                wire.ended = true;  // dial again after a Backoff, if CloseLink::reconnect says so
            }
        }
    }

    const cs::LinkOptions options_;
    std::vector<Node*> nodes_;
    std::list<Wire> wires_;
};

Descriptor listen_on_loopback(std::string& address) {
    Descriptor listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof at;
    auto* name = reinterpret_cast<sockaddr*>(&at);
    const bool listens = ::bind(listener.number(), name, size) == 0 &&
                         ::listen(listener.number(), 16) == 0 &&
                         ::getsockname(listener.number(), name, &size) == 0;
    if (!listens) return Descriptor();
    address = "127.0.0.1:" + std::to_string(ntohs(at.sin_port));
    return listener;
}

Descriptor connect_to(const std::string& address) {
    const auto colon = address.rfind(':');
    addrinfo* found = nullptr;
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    const std::string port = address.substr(colon + 1);
    if (::getaddrinfo(address.substr(0, colon).c_str(), port.c_str(), &hints, &found) != 0) {
        return Descriptor();
    }
    Descriptor socket(::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const int failed = ::connect(socket.number(), found->ai_addr, found->ai_addrlen);
    ::freeaddrinfo(found);
    return failed ? Descriptor() : std::move(socket);
}

cs::Result<void> run(const std::string& directory) {
    const auto key = cs::key_file(directory + "/key");
    if (auto made = cs::make_key_file(directory + "/key", *environment); !made) return made;
    auto created =
        cs::Store::create({.directory = directory + "/hq", .node_name = "hq", .key_provider = key});
    if (!created) return created.error();
    Node hq(std::move(*created));
    auto served = hq.store.links().serve();
    if (!served) return served.error();
    hq.served = std::move(*served);

    std::string address;
    const Descriptor listener = listen_on_loopback(address);
    const auto invitation = hq.store.nodes().invite({.name = "branch", .addresses = {address}});
    if (!invitation) return invitation.error();

    auto joining =
        cs::Store::join({.directory = directory + "/branch", .key_provider = key}, *invitation);
    if (!joining) return joining.error();
    Node branch(std::move(*joining));
    if (served = branch.store.links().serve(); !served) return served.error();
    branch.served = std::move(*served);

    Loop loop;
    loop.add(hq);
    loop.add(branch);
    const cs::Contact whom = branch.store.links().contacts().at(0);
    Descriptor socket = connect_to(whom.addresses.at(0));
    if (socket.number() < 0) return cs::errc::unreachable;
    if (auto dialled = loop.dial(branch, std::move(socket), whom); !dialled) return dialled;
    loop.answer(hq, Descriptor(::accept(listener.number(), nullptr, nullptr)));

    while (branch.store.stage() != cs::Stage::ready && !loop.empty()) loop.turn();
    auto alice = hq.store.users().create(
        {.login = "alice", .password = cs::Secret("correct horse battery")});
    if (!alice) return alice.error();
    while (!branch.store.users().find("alice") && !loop.empty()) loop.turn();
    const auto who = branch.store.authenticate(
        {.login = "alice", .password = cs::Secret("correct horse battery")});
    if (!who) return who.error();
    std::printf("alice, at the branch: %s\n", cs::name(who->verdict));

    loop.close_all(cs::Error(cs::errc::link_closed, "that is all"));
    while (!loop.empty()) loop.turn();
    return {};
}

int main(int argc, char** argv) {
    if (argc != 2) return std::fprintf(stderr, "usage: own_event_loop DIRECTORY\n"), 2;
    const auto outcome = run(argv[1]);
    if (!outcome) std::fprintf(stderr, "%s\n", outcome.error().message().c_str());
    return outcome ? 0 : 1;
}
