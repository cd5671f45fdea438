// A replica with a few damaged records among 100,000 users: the bytes of its repair, both ways of
// the link together, beside those of its first copy; and how long each side takes.
#include <deque>

#include <sqlite3.h>

#include "countersign/links.h"

#include "bench/bench.h"

namespace countersign::bench {
namespace {

constexpr int users = 100'000;

Now clock_now() {
    return system_environment()->now();
}

struct Site {
    explicit Site(std::string given) : name(std::move(given)) {
        const auto environment = system_environment();
        require(make_key_file(directory.in("key"), *environment));
        options = store_options(directory);
        options.node_name = name;
        options.pool.hash_memory_kib = least_memory_kib;
        options.pool.hash_passes = 1;
    }
    void damage(const std::string& sql) {
        store.reset();
        sqlite3* database = nullptr;
        const bool done =
            sqlite3_open((options.directory + "/store.db").c_str(), &database) == SQLITE_OK &&
            sqlite3_exec(database, sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK;
        if (!done) std::exit(1);
        sqlite3_close(database);
        store.emplace(require(Store::open(options)));
    }

    std::string name;
    Directory directory;
    Options options;
    std::optional<Store> store;
    std::shared_ptr<LinkTable> table = std::make_shared<LinkTable>();
};

struct End {
    Site* site;
    std::optional<Link> link;
    Bytes outgoing;
    std::deque<RunStore> tasks;

    void drain() {
        while (auto action = link->poll()) {
            if (auto* sent = std::get_if<SendBytes>(&*action)) {
                outgoing.insert(outgoing.end(), sent->bytes.begin(), sent->bytes.end());
            } else if (auto* run = std::get_if<RunStore>(&*action)) {
                tasks.push_back(std::move(*run));
            } else if (auto* closed = std::get_if<CloseLink>(&*action)) {
                std::fprintf(stderr, "%s\n", closed->reason.message().c_str());
                std::exit(1);
            }
        }
    }
    bool step(End& other, std::size_t& moved) {
        if (!outgoing.empty()) {
            const Bytes bytes = std::exchange(outgoing, {});
            moved += bytes.size();
            link->on_sent(bytes.size());
            other.link->on_bytes(bytes, clock_now());
            other.drain();
        } else if (!tasks.empty()) {
            RunStore run = std::move(tasks.front());
            tasks.pop_front();
            run.task();
            link->on_done(run.id, clock_now());
        } else {
            return false;
        }
        drain();
        return true;
    }
};

/// Links `branch` with `hq` until nothing is left to be done; the bytes that went.
std::size_t link_up(Site& branch, Site& hq) {
    auto links = branch.store->links();
    const auto key = links.contacts().front().channel_key;
    auto invited = links.invitation();
    End ends[2] = {{&branch, {}, {}, {}}, {&hq, {}, {}, {}}};
    ends[0].link.emplace(
        invited ? require(Link::join(
                      links.store(), branch.table, key, std::move(*invited), {}, clock_now()))
                : require(Link::dial(links.store(), branch.table, key, {}, clock_now())));
    ends[1].link.emplace(Link::answer(hq.store->links().store(), hq.table, {}, clock_now()));
    std::size_t moved = 0;
    for (auto& end : ends) end.drain();
    for (bool busy = true; busy;) {
        busy = ends[0].step(ends[1], moved);
        busy = ends[1].step(ends[0], moved) || busy;
    }
    return moved;
}

void print_repair(Site& branch, Site& hq, int damaged, std::size_t copied, double copy_time) {
    branch.damage(
        "UPDATE record SET sealed = zeroblob(length(sealed)) WHERE rowid IN (SELECT rowid"
        " FROM record WHERE kind = 1 AND rowid % 997 = 5 ORDER BY rowid LIMIT " +
        std::to_string(damaged) + ")");
    if (branch.store->log().verify()) std::exit(1);
    std::size_t moved = 0;
    const double time = seconds([&] { moved = link_up(branch, hq); });
    require(branch.store->log().verify());
    const std::string name = "repair_100k_" + std::to_string(damaged);
    // The limit is a hundredth of what the copy moved.
    print_with_limit(
        name + "_bytes", static_cast<double>(moved), static_cast<double>(copied) / 100, "bytes");
    print(name + "_bytes_copy", static_cast<double>(copied), "bytes");
    print(name + "_time", time, "s");
    print(name + "_time_copy", copy_time, "s");
}

void run() {
    Site hq("hq");
    Site branch("branch");
    hq.store.emplace(require(Store::create(hq.options)));
    add_users(*hq.store, users);
    const auto invitation =
        require(hq.store->nodes().invite({.name = "branch", .addresses = {"hq.example:7700"}}));
    branch.store.emplace(require(Store::join(branch.options, invitation)));
    std::size_t copied = 0;
    const double copy_time = seconds([&] { copied = link_up(branch, hq); });
    for (const int damaged : {1, 3, 10}) print_repair(branch, hq, damaged, copied, copy_time);
}

}  // namespace
}  // namespace countersign::bench

int main() {
    countersign::bench::print_load();
    countersign::bench::run();
}
