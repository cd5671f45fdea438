#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "countersign/authentication.h"
#include "countersign/error.h"
#include "countersign/events.h"
#include "countersign/link.h"
#include "countersign/options.h"
#include "countersign/store.h"
#include "countersign/time.h"
#include "countersign/users.h"

/// Many sites in one process, for tests: real stores and real links under virtual time, on a
/// network and on disks that follow from a seed and fail as told. Nothing sleeps, no file is
/// written, no socket opened; the same seed and the same calls go the same way, with every
/// compiler. examples/README.md tells how to write a test with it.
namespace countersign::simulation {

/// How bytes travel from one site to another: one direction of a connection. Order is kept, as TCP
/// keeps it; what is lost comes later.
struct Route {
    milliseconds latency{20};            ///< at least
    milliseconds jitter{4};              ///< at most so much more, drawn for each piece
    double loss = 0;                     ///< share of pieces sent again after 200 ms; 0 to 0.5
    std::uint64_t bytes_per_second = 0;  ///< 0: as many as come
};

/// What becomes of writes that no sync had made safe when the power goes. What a sync has made safe
/// stays in any case.
enum class Damage : std::uint8_t {
    drop,       ///< all of them are lost
    keep,       ///< all of them had reached the disk
    scatter,    ///< each is there whole or not at all, a later one maybe without an earlier one
    tear_512,   ///< each piece of 512 bytes of each is there or not
    tear_4096,  ///< the same in pieces of 4 KiB
};
inline constexpr Damage all_damages[] = {
    Damage::drop, Damage::keep, Damage::scatter, Damage::tear_512, Damage::tear_4096};
/// "drop", "keep", "scatter", "tear 512" or "tear 4096".
const char* name(Damage damage) noexcept;

struct DiskImage;
/// A site's files as they were: a backup, or the image of a machine. Cheap to copy.
using Backup = std::shared_ptr<const DiskImage>;

class World;

/// One machine: its clocks, its disk, and the process on it that holds a Store and keeps its links.
/// Belongs to a Simulation.
class Site {
  public:
    Site(const Site&) = delete;
    Site& operator=(const Site&) = delete;
    ~Site();

    const std::string& name() const noexcept;
    /// The host:port under which the others reach it.
    const std::string& address() const noexcept;

    // The process.
    bool is_running() const noexcept;
    /// The store of the running process; only while `is_running()`. Calls take no virtual time and
    /// return at once; those with a handler go on while time passes. Where sign-ins of one user are
    /// under way, sign in through `sign_in`.
    Store& store();
    /// Why the process is not running, or what kept it from starting last.
    const std::optional<Error>& failure() const noexcept;
    /// Closes the store as an application does that ends.
    void stop();
    /// Ends the process at once (SIGKILL): what was written stays, what was in memory is gone.
    void kill();
    /// The machine stops where it stands.
    void cut_power(Damage damage = Damage::drop);
    /// The power goes in the middle of the `calls`-th write or sync from now on, 1 being the next.
    void cut_power_at(std::uint64_t calls, Damage damage);
    /// Starts the machine if need be, and the process. Without success it is tried again every two
    /// seconds of the simulation; `failure()` says why.
    void start();
    /// Nothing runs on this machine for a while, and its connections stay (a suspended guest).
    void pause(milliseconds time);

    // Clocks. The wall clock is at true time unless it is moved.
    Now now() const;
    /// Somebody sets the wall clock by so much.
    void step_wall_clock(milliseconds by);
    /// It stands still, or goes on from where it stands.
    void freeze_wall_clock(bool frozen);

    // The disk.
    Backup take_backup() const;
    /// Files put back from a backup: as new files, on this machine. Only while nothing runs.
    Result<void> restore(const Backup& backup);
    /// The same blocks as they were, in the same files: what the machine itself cannot notice.
    Result<void> roll_back(const Backup& backup);
    /// Flips a bit in one of the users' records, as a disk does that rots: the one in place
    /// `which`, modulo their number. Only while nothing runs. Errors: errc::busy, errc::not_found
    /// (there is no record, or no store).
    Result<void> damage_record(std::uint64_t which);
    /// No file is left. Only while nothing runs.
    Result<void> erase_disk();
    /// Bytes that fit on the disk in all; 0: any number.
    void limit_disk(std::uint64_t bytes);
    std::uint64_t bytes_on_disk() const;

    // Use.
    /// One attempt, decided: time passes until then.
    Result<SignInResult> sign_in(SignIn attempt);
    Result<SignInResult> sign_in(std::string login,
                                 std::string_view password,
                                 std::string code = {});
    /// The same without waiting; `handler` is called while time passes.
    void sign_in(SignIn attempt, std::move_only_function<void(Result<SignInResult>)> handler);
    /// One write, decided: time passes until then, and writes that are under way meanwhile share
    /// commits. `begin` hands `done` to one of the calls of Users that take a handler:
    ///     site.write<LogSeq>([&](Users users, auto done) { users.erase(id, std::move(done)); });
    /// T is LogSeq, UserId, TotpEnrolment or std::vector<Secret>, as that call says.
    template <class T>
    Result<T> write(const std::function<void(Users users, OutcomeHandler<T> done)>& begin);
    /// The same without waiting; `handler` is called while time passes. Errors besides the call's:
    /// errc::cancelled, when the process ended before it could tell: then the write has happened
    /// whole or not at all, and only the records say which.
    template <class T>
    void write(const std::function<void(Users users, OutcomeHandler<T> done)>& begin,
               OutcomeHandler<T> handler);
    /// What the store told of, all processes of this site together, oldest first.
    const std::vector<Event>& events() const noexcept;
    std::size_t count(Event::Kind kind) const noexcept;

  private:
    friend class Simulation;
    friend class SwarmRun;
    friend class World;
    class Impl;
    explicit Site(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

struct SimulationOptions {
    std::uint64_t seed = 1;
    /// Of the pool. The default has Argon2id at its minimum cost.
    PoolOptions pool = cheap_pool();
    /// Of every store; directory, name, pool, key provider, environment, events and tasks are the
    /// simulation's own.
    Options store;
    LinkOptions link;
    Route route;  ///< between any two sites, until told otherwise
    /// How long a hash, a commit or another task that may block takes.
    milliseconds task_time{2};

    static PoolOptions cheap_pool();
};

/// A pool at many sites. For one thread.
class Simulation {
  public:
    /// Begins on 2026-01-01T00:00:00Z. Errors: errc::invalid_argument (an option).
    static Result<Simulation> begin(SimulationOptions options = {});
    Simulation(Simulation&&) noexcept;
    Simulation& operator=(Simulation&&) noexcept;
    ~Simulation();

    // Sites.
    /// The pool with its first site, the primary. Once. Errors: errc::already_exists,
    /// errc::invalid_argument (the name), and those of Store::create.
    Result<Site*> create_pool(std::string name);
    /// A site more, invited by the primary: time passes until it holds the pool, at most ten
    /// minutes. Errors: errc::already_exists, errc::timed_out, and those of Nodes::invite and
    /// Store::join.
    Result<Site*> add_site(std::string name,
                           Capability may = Capability::serve | Capability::propose);
    /// A second machine on which the same image is started: a clone of `original`. It answers under
    /// an address of its own. Errors: errc::already_exists, errc::invalid_argument (no backup).
    Result<Site*> add_clone(std::string name, const Site& original, const Backup& backup);
    /// Errors: errc::not_found.
    Result<Site*> site(std::string_view name);
    /// In the order in which they were added.
    std::vector<Site*> sites();

    // The network. Errors: errc::not_found (a site), errc::invalid_argument (a value).
    /// Nothing arrives any more, in both directions; connections stay until somebody gives up.
    Result<void> cut(std::string_view one, std::string_view other);
    Result<void> cut_one_way(std::string_view from, std::string_view to);
    /// `site` can reach nobody and nobody it.
    Result<void> isolate(std::string_view site);
    Result<void> heal(std::string_view one, std::string_view other);
    void heal_all();
    Result<void> set_route(std::string_view from, std::string_view to, Route route);
    /// All connections break, as when a router between them starts anew.
    void reset_connections();

    // Time.
    Now now() const;  ///< true time
    void run(milliseconds time);
    /// Until `done()` or so much time has passed; whether it is done. It is asked after each step.
    bool run_until(const std::function<bool()>& done, milliseconds at_most);
    /// Until all running members of the pool hold one log and one digest; false: they do not within
    /// that time.
    bool settle(milliseconds at_most);

    // Proof.
    /// One number for all that has happened: every byte sent, every call of a disk, and every event
    /// with its time.
    std::uint64_t trace_hash() const;
    /// The newest lines of what happened, with times: for a failure's message.
    std::vector<std::string> trace() const;
    /// Bytes that arrived so far, all sites together.
    std::uint64_t bytes_carried() const;

  private:
    friend class SwarmRun;
    explicit Simulation(std::unique_ptr<World> world);
    Result<void> set_blocked(std::string_view from, std::string_view to, bool blocked);
    std::unique_ptr<World> world_;
};

}  // namespace countersign::simulation
