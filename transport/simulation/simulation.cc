#include "countersign/simulation.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "simulation/site.h"
#include "simulation/world.h"

namespace countersign::simulation {
namespace {

constexpr std::chrono::minutes patience_of_joiners{10};
constexpr std::chrono::minutes patience_of_callers{2};
constexpr milliseconds shortest_look{100};

Error wrong(std::string what) {
    return Error(errc::invalid_argument, std::move(what));
}

Result<void> check(const Route& route) {
    if (route.latency.count() < 0 || route.jitter.count() < 0) {
        return wrong("latency and jitter of a route are at least 0");
    }
    if (!(route.loss >= 0 && route.loss <= 0.5)) return wrong("the loss of a route is 0 to 0.5");
    return {};
}

Error unknown(std::string_view name) {
    return Error(errc::not_found, "no site is called " + std::string(name));
}

Error not_running(const Site& site) {
    return Error(errc::cancelled, site.name() + " is not running");
}

/// What `begin` hands to its handler: time passes until then.
template <class T, class Begin>
Result<T> wait_for(World& world, const Begin& begin) {
    const auto answer = std::make_shared<std::optional<Result<T>>>();
    begin([answer](Result<T> result) { *answer = std::move(result); });
    const Instant until = world.schedule.now() + patience_of_callers;
    while (!*answer && world.step(until)) {
    }
    if (!*answer) return Error(errc::timed_out, "no answer within two minutes");
    return std::move(**answer);
}

}  // namespace

// Simulation.

PoolOptions SimulationOptions::cheap_pool() {
    PoolOptions pool;
    pool.hash_memory_kib = 8;
    pool.hash_passes = 1;
    return pool;
}

Result<Simulation> Simulation::begin(SimulationOptions options) {
    if (auto sound = check(options.route); !sound) return sound.error();
    if (options.task_time.count() < 0) return wrong("task_time is at least 0");
    return Simulation(std::make_unique<World>(std::move(options)));
}

Simulation::Simulation(std::unique_ptr<World> world) : world_(std::move(world)) {}
Simulation::Simulation(Simulation&&) noexcept = default;
Simulation& Simulation::operator=(Simulation&&) noexcept = default;
Simulation::~Simulation() = default;

Result<Site*> Simulation::create_pool(std::string name) {
    if (!world_->sites.empty()) {
        return Error(errc::already_exists,
                     "the pool has been created, at " + world_->sites.front()->name());
    }
    auto site = world_->add(name, "machine of " + name);
    if (!site) return site;
    if (auto created = (*site)->impl_->create_pool(); !created) {
        world_->sites.pop_back();
        return created.error();
    }
    return site;
}

Result<Site*> Simulation::add_site(std::string name, Capability may) {
    if (world_->find(name)) return Error(errc::already_exists, "there is a site called " + name);
    Site* const primary = world_->primary();
    if (!primary) {
        return Error(errc::primary_unreachable, "no site is primary and runs, to invite " + name);
    }
    auto invitation = primary->store().nodes().invite({
        .name = name,
        .may = may,
        .addresses = {primary->address()},
    });
    if (!invitation) return invitation.error();
    auto site = world_->add(name, "machine of " + name);
    if (!site) return site;
    (*site)->impl_->set_invitation(std::move(*invitation));
    (*site)->start();
    const bool joined =
        run_until([&] { return (*site)->is_running() && (*site)->store().stage() == Stage::ready; },
                  patience_of_joiners);
    if (!joined) {
        return Error(errc::timed_out,
                     name + " does not hold the pool after ten minutes" +
                         ((*site)->failure() ? ": " + (*site)->failure()->message() : ""));
    }
    return site;
}

Result<Site*> Simulation::add_clone(std::string name, const Site& original, const Backup& backup) {
    if (!backup) return wrong("there is no backup to start a clone from");
    auto site = world_->add(std::move(name), original.impl_->machine.id());
    if (!site) return site;
    (*site)->impl_->become_clone_of(*original.impl_);
    (*site)->impl_->machine.disk().put_back(*backup, true);
    (*site)->start();
    return site;
}

Result<Site*> Simulation::site(std::string_view name) {
    if (Site* found = world_->find(name)) return found;
    return unknown(name);
}

std::vector<Site*> Simulation::sites() {
    std::vector<Site*> all;
    for (const auto& site : world_->sites) all.push_back(site.get());
    return all;
}

// The network.

Result<void> Simulation::set_blocked(std::string_view from, std::string_view to, bool blocked) {
    Site* const sender = world_->find(from);
    Site* const receiver = world_->find(to);
    if (!sender || !receiver) return unknown(sender ? to : from);
    world_->note({}, (blocked ? "cut " : "heal ") + std::string(from) + " > " + std::string(to));
    world_->network.block(sender->impl_->place, receiver->impl_->place, blocked);
    return {};
}

Result<void> Simulation::cut(std::string_view one, std::string_view other) {
    if (auto done = set_blocked(one, other, true); !done) return done;
    return set_blocked(other, one, true);
}

Result<void> Simulation::cut_one_way(std::string_view from, std::string_view to) {
    return set_blocked(from, to, true);
}

Result<void> Simulation::isolate(std::string_view name) {
    if (!world_->find(name)) return unknown(name);
    for (const auto& other : world_->sites) {
        if (other->name() == name) continue;
        if (auto done = cut(name, other->name()); !done) return done;
    }
    return {};
}

Result<void> Simulation::heal(std::string_view one, std::string_view other) {
    if (auto done = set_blocked(one, other, false); !done) return done;
    return set_blocked(other, one, false);
}

void Simulation::heal_all() {
    world_->note({}, "heal all");
    for (const auto& one : world_->sites) {
        for (const auto& other : world_->sites) {
            world_->network.block(one->impl_->place, other->impl_->place, false);
        }
    }
}

Result<void> Simulation::set_route(std::string_view from, std::string_view to, Route route) {
    if (auto sound = check(route); !sound) return sound;
    Site* const sender = world_->find(from);
    Site* const receiver = world_->find(to);
    if (!sender || !receiver) return unknown(sender ? to : from);
    world_->network.route(sender->impl_->place, receiver->impl_->place) = route;
    return {};
}

void Simulation::reset_connections() {
    world_->network.reset_all();
}

// Time.

Now Simulation::now() const {
    const Instant time = world_->schedule.now();
    return {.wall = world_->true_start + std::chrono::floor<milliseconds>(time.time_since_epoch()),
            .monotonic = time};
}

void Simulation::run(milliseconds time) {
    const Instant until = world_->schedule.now() + time;
    while (world_->step(until)) {
    }
}

bool Simulation::run_until(const std::function<bool()>& done, milliseconds at_most) {
    const Instant until = world_->schedule.now() + at_most;
    while (!done()) {
        if (!world_->step(until)) return done();
    }
    return true;
}

bool Simulation::settle(milliseconds at_most) {
    const auto settled = [&] {
        std::optional<Status> first;
        Site* const primary = world_->primary();
        const auto known = primary ? primary->store().status() : errc::primary_unreachable;
        const auto members =
            known ? primary->store().nodes().list() : Result<std::vector<NodeInfo>>(known.error());
        for (const auto& site : world_->sites) {
            if (!site->is_running() || site->store().stage() == Stage::removed) continue;
            auto status = site->store().status();
            if (!status || status->stage != Stage::ready) return false;
            // One that was removed goes on where retention has let go of the proof. A primary that
            // was restored may not know of the newest members yet.
            const bool is_listed =
                !members || status->seq > known->seq ||
                std::ranges::find(*members, status->node, &NodeInfo::id) != members->end();
            if (!is_listed) continue;
            if (!first)
                first = std::move(*status);
            else if (status->seq != first->seq || status->digest != first->digest)
                return false;
        }
        return true;
    };
    // Asking costs more than a step: now and then is enough.
    for (milliseconds passed{}; passed < at_most; passed += shortest_look) {
        if (settled()) return true;
        run(std::min(shortest_look, at_most - passed));
    }
    return settled();
}

// Proof.

std::uint64_t Simulation::trace_hash() const {
    return world_->trace.hash();
}

std::vector<std::string> Simulation::trace() const {
    const auto& lines = world_->trace.lines();
    return {lines.begin(), lines.end()};
}

std::uint64_t Simulation::bytes_carried() const {
    return world_->network.bytes_carried();
}

// Site.

Site::Site(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Site::~Site() = default;

const std::string& Site::name() const noexcept {
    return impl_->name;
}
const std::string& Site::address() const noexcept {
    return impl_->address;
}
bool Site::is_running() const noexcept {
    return impl_->store.has_value();
}
Store& Site::store() {
    return impl_->store.value();
}
const std::optional<Error>& Site::failure() const noexcept {
    return impl_->failure;
}
void Site::stop() {
    impl_->stop();
}
void Site::kill() {
    impl_->kill();
}
void Site::cut_power(Damage damage) {
    impl_->cut_power(damage);
}
void Site::cut_power_at(std::uint64_t calls, Damage damage) {
    impl_->machine.disk().stop_at(calls, damage);
}
void Site::start() {
    impl_->start();
}
void Site::pause(milliseconds time) {
    impl_->pause(time);
}

Now Site::now() const {
    return impl_->machine.now();
}
void Site::step_wall_clock(milliseconds by) {
    impl_->note("wall clock set by " + std::to_string(by.count()) + " ms");
    impl_->machine.step_wall_clock(by);
}
void Site::freeze_wall_clock(bool frozen) {
    impl_->note(frozen ? "wall clock stands" : "wall clock goes on");
    impl_->machine.freeze_wall_clock(frozen);
}

Backup Site::take_backup() const {
    return std::make_shared<const DiskImage>(impl_->machine.disk().image(store_directory, false));
}

Result<void> Site::restore(const Backup& backup) {
    return impl_->put_back(backup, false);
}
Result<void> Site::roll_back(const Backup& backup) {
    return impl_->put_back(backup, true);
}
Result<void> Site::damage_record(std::uint64_t which) {
    return impl_->damage_record(which);
}
Result<void> Site::erase_disk() {
    if (auto stopped = impl_->require_stopped(); !stopped) return stopped;
    impl_->note("disk erased");
    impl_->machine.disk().erase(store_directory);
    return {};
}
void Site::limit_disk(std::uint64_t bytes) {
    impl_->machine.disk().set_capacity(bytes == 0 ? std::numeric_limits<std::uint64_t>::max()
                                                  : bytes);
}
std::uint64_t Site::bytes_on_disk() const {
    return impl_->machine.disk().bytes_held();
}

Result<SignInResult> Site::sign_in(SignIn attempt) {
    return wait_for<SignInResult>(impl_->world, [&](OutcomeHandler<SignInResult> done) {
        sign_in(std::move(attempt), std::move(done));
    });
}

Result<SignInResult> Site::sign_in(std::string login, std::string_view password, std::string code) {
    return sign_in(
        {.login = std::move(login), .password = Secret(password), .code = std::move(code)});
}

void Site::sign_in(SignIn attempt, std::move_only_function<void(Result<SignInResult>)> handler) {
    if (!is_running()) return handler(not_running(*this));
    store().authenticate(std::move(attempt), impl_->while_it_runs(std::move(handler)));
}

template <class T>
Result<T> Site::write(const std::function<void(Users, OutcomeHandler<T>)>& begin) {
    return wait_for<T>(impl_->world,
                       [&](OutcomeHandler<T> done) { write<T>(begin, std::move(done)); });
}

template <class T>
void Site::write(const std::function<void(Users, OutcomeHandler<T>)>& begin,
                 OutcomeHandler<T> handler) {
    if (!is_running()) return handler(not_running(*this));
    begin(store().users(), impl_->while_it_runs(std::move(handler)));
}

template <class T>
using BeginWrite = const std::function<void(Users, OutcomeHandler<T>)>&;
template Result<LogSeq> Site::write(BeginWrite<LogSeq>);
template Result<UserId> Site::write(BeginWrite<UserId>);
template Result<TotpEnrolment> Site::write(BeginWrite<TotpEnrolment>);
template Result<std::vector<Secret>> Site::write(BeginWrite<std::vector<Secret>>);
template void Site::write(BeginWrite<LogSeq>, OutcomeHandler<LogSeq>);
template void Site::write(BeginWrite<UserId>, OutcomeHandler<UserId>);
template void Site::write(BeginWrite<TotpEnrolment>, OutcomeHandler<TotpEnrolment>);
template void Site::write(BeginWrite<std::vector<Secret>>, OutcomeHandler<std::vector<Secret>>);

const std::vector<Event>& Site::events() const noexcept {
    return impl_->events;
}
std::size_t Site::count(Event::Kind kind) const noexcept {
    return static_cast<std::size_t>(std::ranges::count(impl_->events, kind, &Event::kind));
}

}  // namespace countersign::simulation
