#include "simulation/site.h"

#include <algorithm>
#include <map>
#include <utility>

#include "simulation/record_rot.h"

namespace countersign::simulation {
namespace {

constexpr milliseconds pause_before_start{2'000};
constexpr milliseconds show_interval{1'000};

/// A customer's key service: what it wrapped it knows again, as long as the simulation lasts.
std::shared_ptr<KeyProvider> key_service(const bool& is_away) {
    struct Kept {
        Secret key;
        KeyContext context;
    };
    const auto kept = std::make_shared<std::map<std::uint64_t, Kept>>();
    return key_callback(
        [kept](const Secret& key, const KeyContext& context) -> Result<Bytes> {
            const std::uint64_t number = kept->size() + 1;
            kept->emplace(number, Kept{key.clone(), context});
            const auto view = std::as_bytes(std::span(&number, 1));
            return Bytes(view.begin(), view.end());
        },
        [kept, &is_away](BytesView wrapped, const KeyContext& context) -> Result<Secret> {
            if (is_away) return Error(errc::key_unavailable, "the key service does not answer");
            std::uint64_t number = 0;
            if (wrapped.size() != sizeof number) return errc::corrupt;
            std::ranges::copy(wrapped, std::as_writable_bytes(std::span(&number, 1)).begin());
            const auto found = kept->find(number);
            if (found == kept->end() || found->second.context.node != context.node) {
                return errc::wrong_key;
            }
            return found->second.key.clone();
        },
        "simulated key service");
}

}  // namespace

Site::Impl::Impl(World& of, std::string given, const std::string& machine_id)
    : world(of),
      name(std::move(given)),
      address(name + ":7700"),
      machine(of.schedule, of.true_start, machine_id, of.draw.fork("machine " + name)),
      place(of.network.add_machine(address)),
      task_time(of.options.task_time),
      draw_(of.draw.fork(name)),
      key_provider_(key_service(key_provider_is_away)) {
    machine.disk().watch([&trace = of.trace](const DiskEvent& call) {
        trace.mark(static_cast<std::uint64_t>(call.call));
        trace.mark(call.offset);
        trace.mark(call.length);
    });
}

Site::Impl::~Impl() {
    end();
}

Options Site::Impl::store_options() {
    process_ = machine.start_process();
    takes_tasks_ = true;
    Options options = world.options.store;
    options.pool = world.options.pool;
    options.directory = store_directory;
    options.node_name = name;
    options.addresses = {address};
    options.key_provider = key_provider_;
    options.environment = process_;
    options.run_blocking = [this](std::function<void()> task) { run_blocking(std::move(task)); };
    options.on_event = [this](const Event& event) {
        events.push_back(event);
        note(std::string("event ") + countersign::name(event.kind));
    };
    return options;
}

// The process.

Result<void> Site::Impl::create_pool() {
    auto created = Store::create(store_options());
    if (!created) return created.error();
    wanted_ = true;
    run(std::move(*created));
    return {};
}

void Site::Impl::start() {
    if (store) return;
    wanted_ = true;
    if (!machine.is_on()) {
        machine.boot();
        world.network.wake(place);
    }
    auto opened = Store::open(store_options());
    const bool may_join =
        invitation_ && !opened &&
        (opened.error() == errc::not_a_store || opened.error() == errc::not_a_member);
    if (may_join) opened = Store::join(store_options(), *invitation_);
    if (!opened) {
        failure = opened.error();
        note(std::string("does not start: ") + countersign::name(failure->code()));
        end();
        notice_power();
        return try_again();
    }
    run(std::move(*opened));
}

void Site::Impl::try_again() {
    world.schedule.after(pause_before_start, [this, life = life_] {
        if (life == life_ && wanted_ && !store && machine.is_on()) start();
    });
}

void Site::Impl::run(Store opened) {
    ++life_;
    failure.reset();
    store.emplace(std::move(opened));
    note("runs");
    auto served = store->links().serve();
    if (served) {
        served_ = std::move(*served);
        station_ = std::make_unique<Station>(*this,
                                             world.network,
                                             place,
                                             *store,
                                             Station::Options{.link = world.options.link},
                                             draw_.fork("station" + std::to_string(life_)));
        station_->begin();
    } else {
        failure = served.error();
        note(std::string("does not serve: ") + countersign::name(failure->code()));
    }
    after({}, [this] { due(); });
    after(show_interval, [this] { show(); });
    notice_power();
}

void Site::Impl::due() {
    const Instant next = store->run_due();
    const Instant soonest = now().monotonic + milliseconds{1};
    // A deadline may come nearer while nobody looks; a second is what an attempt can wait.
    const Instant latest = now().monotonic + milliseconds{1'000};
    after(std::clamp(next, soonest, latest) - now().monotonic, [this] { due(); });
}

void Site::Impl::show() {
    if (station_) store->links().show(station_->statuses());
    after(show_interval, [this] { show(); });
}

void Site::Impl::end() {
    ++life_;
    takes_tasks_ = false;
    if (process_) process_->end();
    station_.reset();
    tasks_.clear();
    store.reset();
    served_.reset();
    process_.reset();
}

void Site::Impl::stop() {
    wanted_ = false;
    if (!store) return;
    note("stops");
    if (station_) station_->say_goodbye();
    while (!tasks_.empty()) {
        auto task = std::move(tasks_.front());
        tasks_.pop_front();
        task();
    }
    ++life_;
    takes_tasks_ = false;
    world.network.hang_up(place);
    station_.reset();
    store.reset();
    served_.reset();
    process_.reset();
    notice_power();
}

void Site::Impl::kill() {
    wanted_ = false;
    if (!store) return;
    note("killed");
    world.network.hang_up(place);
    end();
}

void Site::Impl::cut_power(Damage damage) {
    wanted_ = false;
    if (!machine.is_on()) return;
    machine.cut_power(damage);
    notice_power();
}

void Site::Impl::notice_power() {
    if (machine.is_on() || (!store && !station_)) return;
    note("power lost");
    wanted_ = false;
    world.network.fall_silent(place);
    end();
}

void Site::Impl::pause(milliseconds time) {
    paused_until_ = std::max(paused_until_, world.schedule.now() + time);
    world.network.pause(place, paused_until_);
}

Result<void> Site::Impl::require_stopped() const {
    if (store) return Error(errc::busy, name + " is running; stop it first");
    return {};
}

Result<void> Site::Impl::put_back(const Backup& backup, bool same_files) {
    if (auto stopped = require_stopped(); !stopped) return stopped;
    if (!backup) return Error(errc::invalid_argument, "there is no backup to put back");
    note(same_files ? "disk rolled back" : "restored from a backup");
    machine.disk().put_back(*backup, same_files);
    return {};
}

Result<void> Site::Impl::damage_record(std::uint64_t which) {
    if (auto stopped = require_stopped(); !stopped) return stopped;
    const auto process = machine.start_process();
    auto damaged =
        rot_record(process->sqlite_vfs(), std::string(store_directory) + "/store.db", which);
    process->end();
    if (damaged) note("a record rots");
    return damaged;
}

// Steps.

void Site::Impl::after(Instant::duration time, Schedule::Task task) {
    world.schedule.after(time, [this, life = life_, task = std::move(task)]() mutable {
        if (life != life_) return;
        if (paused_until_ > world.schedule.now()) {
            return after(paused_until_ - world.schedule.now(), std::move(task));
        }
        task();
        notice_power();
    });
}

void Site::Impl::run_blocking(std::function<void()> task) {
    if (!takes_tasks_) return;
    tasks_.push_back(std::move(task));
    after(task_time, [this] {
        if (tasks_.empty()) return;
        const auto next = std::move(tasks_.front());
        tasks_.pop_front();
        next();
    });
}

}  // namespace countersign::simulation
