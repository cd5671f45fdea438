// From the return of a commit at the primary until it is durable and visible at a replica, in a
// process of its own on the same machine: links over loopback TCP, encrypted, at a steady rate of
// writes, across several checkpoints at either end. The limit is a bare program: one SQLite file
// written durably at each end, and the batch's bytes through a plain socket between them.
#include <array>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <fstream>
#include <functional>
#include <mutex>
#include <thread>

#include <sodium.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "bench/process.h"
#include "bench/replica.h"
#include "bench/serving.h"

namespace countersign::bench {
namespace {

constexpr int users = 10'000;
constexpr auto warm_up = std::chrono::seconds{1};
constexpr auto run_time = std::chrono::seconds{20};
constexpr std::size_t most_writes = 100'000;

/// When each seq was there, by the clock that all processes share; in memory that both see.
class Arrivals {
  public:
    Arrivals() {
        void* const memory =
            mmap(nullptr, sizeof(Times), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED) std::exit(1);
        times_ = new (memory) Times{};
    }
    Arrivals(const Arrivals&) = delete;
    Arrivals& operator=(const Arrivals&) = delete;
    ~Arrivals() { munmap(times_, sizeof(Times)); }

    void note(std::uint64_t seq, Clock::time_point time) {
        if (seq < most_writes) (*times_)[seq].store(time.time_since_epoch().count());
    }
    Clock::time_point wait_for(std::uint64_t seq) const {
        while ((*times_)[seq] == 0) std::this_thread::sleep_for(std::chrono::milliseconds{1});
        return Clock::time_point(Clock::duration((*times_)[seq]));
    }

  private:
    using Times = std::array<std::atomic<Clock::rep>, most_writes>;
    Times* times_;
};

/// Threads for what may block, which look after each task how far the store has come.
class Watch {
  public:
    Watch(std::function<std::uint64_t()> head, Arrivals& arrivals)
        : head_(std::move(head)), seen_(head_()), arrivals_(arrivals) {
        for (auto& thread : threads_) thread = std::jthread([this] { run(); });
    }
    ~Watch() {
        const std::lock_guard guard(mutex_);
        ends_ = true;
        arrived_.notify_all();
    }
    void add(std::function<void()> task) {
        const std::lock_guard guard(mutex_);
        tasks_.push_back(std::move(task));
        arrived_.notify_one();
    }

  private:
    void run() {
        std::unique_lock lock(mutex_);
        for (;;) {
            arrived_.wait(lock, [&] { return ends_ || !tasks_.empty(); });
            if (tasks_.empty()) return;
            auto task = std::move(tasks_.front());
            tasks_.pop_front();
            lock.unlock();
            task();
            const auto head = head_();
            const auto now = Clock::now();
            lock.lock();
            while (seen_ < head) arrivals_.note(++seen_, now);
        }
    }

    const std::function<std::uint64_t()> head_;
    std::uint64_t seen_;
    Arrivals& arrivals_;
    std::mutex mutex_;
    std::condition_variable arrived_;
    std::deque<std::function<void()>> tasks_;
    bool ends_ = false;
    std::array<std::jthread, 2> threads_;
};

/// Rises each time that a WAL, checkpointed whole, is begun anew (the file format's "checkpoint
/// sequence number").
std::uint32_t checkpoints(const std::string& database) {
    std::array<unsigned char, 16> header{};
    std::ifstream file(database + "-wal", std::ios::binary);
    if (!file.read(reinterpret_cast<char*>(header.data()), header.size())) return 0;
    return static_cast<std::uint32_t>(header[12]) << 24 | header[13] << 16 | header[14] << 8 |
           header[15];
}

struct Talk {
    Pipe invitation;
    Pipe joined;
    Pipe done;
    Pipe checkpoints;
};

void replicate(const Directory& directory, Talk& talk, Arrivals& arrivals) {
    const Secret invitation(talk.invitation.hear());
    EventLoop loop;
    auto store = join_pool(loop, directory, invitation);
    const auto links = store.links().store();
    Watch watch([&] { return value(links->head().seq); }, arrivals);
    const Serving serving(
        loop, store, {.run_blocking = [&](auto task) { watch.add(std::move(task)); }});
    talk.joined.say("");
    const auto before = checkpoints(directory.in("store/store.db"));
    talk.done.hear();
    talk.checkpoints.say(std::to_string(checkpoints(directory.in("store/store.db")) - before));
}

/// Calls `write` at the rate, each time waiting for its own moment; returns when each seq was
/// committed, those of the first moments left out.
template <class Write>
std::vector<std::pair<std::uint64_t, Clock::time_point>> at_rate(int per_second, Write&& write) {
    std::vector<std::pair<std::uint64_t, Clock::time_point>> committed;
    const auto begin = Clock::now();
    for (int n = 0;; ++n) {
        const auto due = begin + n * std::chrono::nanoseconds{1'000'000'000 / per_second};
        if (due > begin + warm_up + run_time) return committed;
        std::this_thread::sleep_until(due);
        const std::uint64_t seq = write(n);
        if (due > begin + warm_up) committed.emplace_back(seq, Clock::now());
    }
}

std::vector<double> lags(const std::vector<std::pair<std::uint64_t, Clock::time_point>>& committed,
                         const Arrivals& arrivals) {
    std::vector<double> lags;
    for (const auto& [seq, time] : committed) {
        lags.push_back(
            std::chrono::duration<double, std::milli>(arrivals.wait_for(seq) - time).count());
    }
    std::ranges::sort(lags);
    return lags;
}

struct Run {
    std::vector<double> lags;  ///< milliseconds, the least first
    std::uint32_t checkpoints = 0;
    std::uint32_t replica_checkpoints = 0;
};

Run through_link(int per_second) {
    const Directory here;
    const Directory elsewhere;
    Arrivals arrivals;
    Talk talk;
    Child replica([&] { replicate(elsewhere, talk, arrivals); });

    EventLoop loop;
    auto store = make_store(here, least_memory_kib, 1);
    add_users(store, users);
    std::vector<UserId> ids;
    for (int number = 0; number < users; ++number) {
        ids.push_back(require(store.users().find(login_of(number))).id);
    }
    const Serving serving(loop, store);
    talk.invitation.say(
        require(store.nodes().invite({.name = "branch", .addresses = {serving.address()}})).text());
    talk.joined.hear();
    const auto before = checkpoints(here.in("store/store.db"));
    const auto committed = at_rate(per_second, [&](int n) {
        return value(require(store.users().change(ids[static_cast<std::size_t>(n * 37 % users)],
                                                  {.display_name = "name " + std::to_string(n)})));
    });
    Run run{.lags = lags(committed, arrivals)};
    run.checkpoints = checkpoints(here.in("store/store.db")) - before;
    talk.done.say("");
    run.replica_checkpoints = static_cast<std::uint32_t>(std::stoul(talk.checkpoints.hear()));
    return run;
}

constexpr std::size_t batch_bytes = 900;

void change_bare(BareProgram& program, std::uint32_t seq, BytesView batch) {
    Draw draw(seq);
    const auto change = change_of(seq * 37 % users, draw);
    program.update(change.name.id.bytes,
                   LogSeq{seq},
                   change.put->sealed,
                   records::as_bytes(change.put->handles));
    program.batch(LogSeq{seq}, batch);
}

void fill_bare(BareProgram& program) {
    Draw draw(1);
    program.begin();
    for (std::uint32_t number = 0; number < users; ++number) {
        const auto change = change_of(number, draw);
        program.insert(change.name.id.bytes,
                       LogSeq{},
                       change.put->sealed,
                       records::as_bytes(change.put->handles));
    }
    program.commit(LogSeq{});
}

/// Applies what has come by then in one transaction, as a replica does.
void replicate_bare(const Directory& directory, int socket, Pipe& filled, Arrivals& arrivals) {
    BareProgram program(directory.in("replica.db"));
    fill_bare(program);
    filled.say("");
    std::array<std::byte, batch_bytes> batch;
    const auto has_come = [&](int flags) {
        return recv(socket, batch.data(), batch.size(), flags) == batch_bytes;
    };
    for (std::uint32_t seq = 0; has_come(MSG_WAITALL);) {
        const std::uint32_t before = seq;
        program.begin();
        do change_bare(program, ++seq, batch);
        while (has_come(MSG_DONTWAIT | MSG_PEEK) && has_come(MSG_WAITALL));
        program.commit(LogSeq{seq});
        const auto now = Clock::now();
        for (std::uint32_t each = before + 1; each <= seq; ++each) arrivals.note(each, now);
    }
}

std::vector<double> bare(int per_second) {
    const Directory directory;
    Arrivals arrivals;
    int sockets[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) != 0) std::exit(1);
    Pipe filled;
    Child replica([&] {
        close(sockets[0]);
        replicate_bare(directory, sockets[1], filled, arrivals);
    });
    close(sockets[1]);
    BareProgram program(directory.in("primary.db"));
    fill_bare(program);
    filled.hear();
    const std::array<std::byte, batch_bytes> batch{};
    const auto committed = at_rate(per_second, [&](int n) {
        const auto seq = static_cast<std::uint32_t>(n) + 1;
        program.begin();
        change_bare(program, seq, batch);
        program.commit(LogSeq{seq});
        if (send(sockets[0], batch.data(), batch.size(), 0) != batch_bytes) std::exit(1);
        return std::uint64_t{seq};
    });
    auto sorted = lags(committed, arrivals);
    close(sockets[0]);
    return sorted;
}

void lag(int per_second) {
    const auto limit = bare(per_second);
    const auto run = through_link(per_second);
    const std::string name = "lag_" + std::to_string(per_second) + "_";
    const auto part = [](const std::vector<double>& sorted, double share) {
        return sorted[static_cast<std::size_t>(share * static_cast<double>(sorted.size() - 1))];
    };
    print_with_limit(name + "p50", part(run.lags, 0.5), part(limit, 0.5), "ms");
    print_with_limit(name + "p99", part(run.lags, 0.99), part(limit, 0.99), "ms");
    print(name + "p999", part(run.lags, 0.999), "ms");
    print_with_limit(name + "max", run.lags.back(), limit.back(), "ms");
    print(name + "writes",
          static_cast<double>(run.lags.size()) / std::chrono::duration<double>(run_time).count(),
          "per_s");
    print(name + "checkpoints", run.checkpoints, "at_the_primary");
    print(name + "checkpoints_replica", run.replica_checkpoints, "at_the_replica");
}

}  // namespace
}  // namespace countersign::bench

int main(int argc, char** argv) {
    countersign::bench::print_load();
    if (sodium_init() < 0) return 1;
    if (argc > 1) {
        countersign::bench::lag(std::atoi(argv[1]));
        return 0;
    }
    for (const int per_second : {200, 500}) countersign::bench::lag(per_second);
}
