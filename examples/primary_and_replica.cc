// A pool of two nodes in one process: the replica joins over a socket, signs people in by itself,
// and has what changes at the primary.
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <cstdio>
#include <exception>
#include <string>

#include <countersign/asio.h>

namespace asio = boost::asio;
namespace cs = countersign;
using namespace std::chrono_literals;

cs::Result<void> add_user(cs::Store& store, const char* login) {
    auto user =
        store.users().create({.login = login, .password = cs::Secret("correct horse battery")});
    if (!user) return user.error();
    return {};
}

asio::awaitable<cs::Result<void>> run(asio::any_io_executor executor, std::string directory) {
    const auto key = cs::key_file(directory + "/key");
    if (auto made = cs::make_key_file(directory + "/key", *cs::system_environment()); !made) {
        co_return made;
    }

    // The primary: makes the pool, listens, and invites.
    auto hq =
        cs::Store::create({.directory = directory + "/hq", .node_name = "hq", .key_provider = key});
    if (!hq) co_return hq.error();
    if (auto added = add_user(*hq, "alice"); !added) co_return added;
    cs::Node hq_node(executor, *hq, {.listen = {{"127.0.0.1", 0}}});
    if (auto started = hq_node.start(); !started) co_return started;
    auto invitation = hq->nodes().invite(
        {.name = "branch", .addresses = {"127.0.0.1:" + std::to_string(hq_node.port())}});
    if (!invitation) co_return invitation.error();

    // The replica: elsewhere, in real life.
    const cs::Options options{.directory = directory + "/branch", .key_provider = key};
    auto branch = co_await cs::join(executor, options, *invitation, asio::use_awaitable);
    if (!branch) co_return branch.error();
    cs::Node branch_node(executor, *branch);
    if (auto started = branch_node.start(); !started) co_return started;
    const auto who =
        branch->authenticate({.login = "alice", .password = cs::Secret("correct horse battery")});
    if (!who) co_return who.error();
    std::printf("alice, at the branch: %s\n", cs::name(who->verdict));

    // What is written at the primary is at the replica in a moment.
    if (auto added = add_user(*hq, "bob"); !added) co_return added;
    asio::steady_timer timer(executor);
    for (int i = 0; i < 1000 && !branch->users().find("bob"); ++i) {
        timer.expires_after(10ms);
        co_await timer.async_wait(asio::use_awaitable);
    }
    if (auto bob = branch->users().find("bob"); !bob) co_return bob.error();
    std::printf("bob is at the branch too\n");

    co_await branch_node.async_stop(asio::use_awaitable);
    co_await hq_node.async_stop(asio::use_awaitable);
    co_return cs::Result<void>();
}

int main(int argc, char** argv) {
    if (argc != 2) return std::fprintf(stderr, "usage: primary_and_replica DIRECTORY\n"), 2;
    asio::io_context io;
    int status = 1;
    asio::co_spawn(io,
                   run(io.get_executor(), argv[1]),
                   [&](std::exception_ptr failure, cs::Result<void> outcome) {
                       if (failure) std::rethrow_exception(failure);
                       if (!outcome)
                           std::fprintf(stderr, "%s\n", outcome.error().message().c_str());
                       status = outcome ? 0 : 1;
                   });
    io.run();
    return status;
}
