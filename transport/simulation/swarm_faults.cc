#include <algorithm>
#include <chrono>
#include <utility>

#include "simulation/swarm_run.h"

namespace countersign::simulation {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

constexpr int parallel_guesses = 100;
constexpr int guesses_at_restored = 3;
constexpr int flood = 300;
constexpr int uses_during_copy = 40;

}  // namespace

void SwarmRun::after(Instant::duration wait, std::function<void()> task) {
    simulation_.world_->schedule.after(wait, [this, task = std::move(task)] {
        if (!in_peace_ && !ended()) task();
    });
}

void SwarmRun::start_later(Known& known) {
    after(milliseconds{draw_.between(100, 15'000)}, [this, site = known.site] { start(*site); });
}

void SwarmRun::start(Site& site) {
    const auto known = std::ranges::find(known_, &site, &Known::site);
    if (known->is_member) site.start();
}

void SwarmRun::do_fault() {
    const Fault fault = draw_.pick(plan_.acts);
    if (fault <= Fault::sync_fails_once || fault == Fault::half_open) {
        if (Known* const known = some_running_site()) fail_site(fault, *known);
        return;
    }
    if (fault <= Fault::primary_restored) return go_back(fault);
    if (fault >= Fault::partition && fault <= Fault::reset) return fail_network(fault);
    if (fault >= Fault::clock_stepped && fault <= Fault::clock_frozen) return move_clock(fault);
    if (fault == Fault::directory_lost || fault == Fault::node_removed) return lose_member(fault);
    if (fault == Fault::clone_started) return start_clone();
    do_load(fault);
}

void SwarmRun::fail_site(Fault fault, Known& known) {
    const bool is_of_disk = fault >= Fault::disk_full && fault <= Fault::sync_fails_once;
    is_of_disk ? fail_disk(fault, known) : fail_machine(fault, known);
}

// Machines and processes.

void SwarmRun::fail_machine(Fault fault, Known& known) {
    Site& site = *known.site;
    if (fault != Fault::half_open) fire(fault);  // that is when somebody spoke to it
    switch (fault) {
        case Fault::power_cut_drops:
        case Fault::half_open:
            site.cut_power(Damage::drop);
            break;
        case Fault::power_cut_scatters:
            site.cut_power(Damage::scatter);
            break;
        case Fault::power_cut_tears:
            site.cut_power(draw_.chance(0.5) ? Damage::tear_512 : Damage::tear_4096);
            break;
        case Fault::power_cut_in_call: {
            const auto calls = 1 + draw_.below(40);
            site.cut_power_at(calls, all_damages[draw_.below(5)]);
            // It may take long until so many calls have come.
            after(seconds{20}, [this, &site] { start(site); });
            after(seconds{60}, [this, &site] { start(site); });
            return;
        }
        case Fault::process_killed:
            site.kill();
            break;
        case Fault::process_restarted:
            site.stop();
            break;
        case Fault::machine_paused:
            site.pause(milliseconds{draw_.between(100, 30'000)});
            return;
        default:
            return;
    }
    start_later(known);
}

// Disks.

void SwarmRun::fail_disk(Fault fault, Known& known) {
    Site& site = *known.site;
    Disk& disk = inside(known).machine.disk();
    if (fault == Fault::disk_full) {
        fire(fault);
        site.limit_disk(site.bytes_on_disk() + draw_.below(20'000));
        after(milliseconds{draw_.between(500, 20'000)}, [&site] { site.limit_disk(0); });
        return;
    }
    if (fault == Fault::disk_slow) {
        fire(fault);
        inside(known).task_time = milliseconds{draw_.between(50, 2'000)};
        after(seconds{draw_.between(2, 30)},
              [this, &site] { site.impl_->task_time = plan_.task_time; });
        return;
    }
    const bool is_sync = fault == Fault::sync_fails_once;
    disk.plan({.calls = is_sync ? disk_sync : disk_read | disk_write,
               .path_suffix = {},
               .nth = 1 + draw_.below(is_sync ? 4 : 30)});
    after(seconds{10}, [this, fault, &site, &disk] {
        fire(fault, disk.fired());
        disk.heal();
        // A store that stopped says what to do: start anew.
        site.stop();
        start(site);
    });
}

/// A directory that goes back to what it was: the site knows less than it has said.
void SwarmRun::go_back(Fault fault) {
    if (fault == Fault::primary_restored) return restore_primary();
    Known* const known = some_replica(true);
    // A primary that has gone back itself gets what it lacks from the others.
    if (!known || branch_.empty() || primary().head < branch_.rbegin()->first) return;
    Site& site = *known->site;
    if (fault == Fault::record_rotted) {
        site.stop();
        if (site.damage_record(draw_.below(1'000))) {
            fire(fault);
            known->has_rotted = true;
        }
        return start_later(*known);
    }
    if (fault == Fault::wal_lost) {
        fire(fault);
        site.kill();
        inside(*known).machine.disk().erase(std::string(store_directory) + "/store.db-wal");
    } else if (!known->backup) {
        known->backup = site.take_backup();
        return;
    } else {
        fire(fault);
        site.kill();
        if (fault == Fault::replica_restored) {
            (void)site.restore(known->backup);
        } else {
            (void)site.roll_back(known->backup);
        }
    }
    forget_guesses(*known, fault == Fault::replica_restored);
    start_later(*known);
    after(seconds{20}, [this, index = static_cast<std::size_t>(known - known_.data())] {
        guess(index, some_user(), guesses_at_restored);
    });
}

/// What an operator does who has to go back: lets everything arrive that was sent, and puts the
/// backup there with nothing under way.
void SwarmRun::restore_primary() {
    Known& known = primary();
    if (!known.site->is_running()) return;
    if (!known.backup) {
        known.backup = known.site->take_backup();
        return;
    }
    heal();
    const bool all_run = std::ranges::all_of(known_, [](const Known& each) {
        return !each.is_member || each.is_clone || each.site->is_running();
    });
    const bool all_told = await_writes(seconds{10});
    settle_unsure();
    if (!all_run || !all_told || !simulation_.settle(seconds{20})) return;
    if (!known.site->is_running() || !await_writes({})) return;
    fire(Fault::primary_restored);
    known.site->stop();
    simulation_.reset_connections();
    (void)known.site->restore(known.backup);
    forget_guesses(known, true);
    start_later(known);
}

void SwarmRun::forget_guesses(Known& known, bool is_noticed) {
    known.was_restored = true;
    known.head = {};
    for (auto& [key, guesses] : known.guesses) {
        guesses.refused = 0;
        guesses.seen = 0;
        ++guesses.renewals;
        // The disk may be of a time before an earlier restoring, which nothing there tells of.
        if (!is_noticed) guesses.is_cut = false;
    }
    // Until the members say so it takes codes again that it took after the snapshot.
    if (!is_noticed) known.last_steps.clear();
    if (!is_noticed || clocks_move()) return;
    for (const auto& user : users_) {
        for (const auto& state : user->states) {
            known.guesses[{user->login, state.password}].is_cut = true;
        }
    }
}

void SwarmRun::start_clone() {
    Known* const known = some_replica(true);
    const bool has_one = std::ranges::any_of(known_, &Known::is_clone);
    if (!known || has_one) return;
    const auto image = known->site->take_backup();
    auto clone = simulation_.add_clone("clone", *known->site, image);
    if (!clone) return;
    fire(Fault::clone_started);
    known->was_restored = true;
    known_.push_back({.site = *clone, .is_clone = true, .has_rotted = known->has_rotted});
    after(seconds{draw_.between(5, 60)}, [site = *clone] { site->stop(); });
}

/// A replica that is gone for good, and maybe another machine in its place.
void SwarmRun::lose_member(Fault fault) {
    Known* const known = some_replica(false);
    const auto members = std::ranges::count_if(
        known_, [](const Known& each) { return each.is_member && !each.is_clone; });
    if (!known || members <= 3 || !primary().site->is_running()) return;
    const bool has_clone = std::ranges::any_of(known_, &Known::is_clone);
    Store& store = primary().site->store();
    auto nodes = store.nodes().list();
    if (!nodes || has_clone) return;
    const auto node = std::ranges::find(*nodes, known->site->name(), &NodeInfo::name);
    if (node == nodes->end()) return;
    if (fault == Fault::directory_lost) {
        known->site->kill();
        (void)known->site->erase_disk();
    }
    const auto removed = store.nodes().remove(node->id);
    inside(primary()).notice_power();
    if (!removed) {
        if (fault == Fault::directory_lost) known->is_member = false;
        if (fault == Fault::node_removed) known->leaving = node->id;
        return;
    }
    fire(fault);
    known->is_member = false;
    if (fault == Fault::node_removed) return;
    // Others go on while the new machine copies.
    for (int i = 0; i < uses_during_copy; ++i) {
        after(milliseconds{draw_.between(0, 5'000)}, [this] {
            check_newcomers();
            use();
        });
    }
    auto site = simulation_.add_site("site-" + std::to_string(++sites_made_));
    if (!site) {
        // It may get there later, or its invitation runs out: nobody counts on it.
        if (auto made = simulation_.site("site-" + std::to_string(sites_made_))) (*made)->stop();
        return;
    }
    known_.push_back({.site = *site});
    write_back(**site);
    // Restored from before, the primary would know nobody who could give it the rest.
    primary().backup.reset();
}

// The network.

void SwarmRun::fail_network(Fault fault) {
    Network& network = simulation_.world_->network;
    if (fault == Fault::reset) {
        fire(fault);
        return network.reset_all();
    }
    const auto place = [&] { return inside(draw_.pick(known_)).place; };
    if (fault == Fault::partition) {
        fire(fault);
        for (auto& one : known_) {
            if (!draw_.chance(0.4)) continue;
            one.alone_since = time();
            for (auto& other : known_) {
                network.block(inside(one).place, inside(other).place, true);
                network.block(inside(other).place, inside(one).place, true);
            }
        }
    } else if (fault == Fault::one_way_partition) {
        const auto from = place();
        const auto to = place();
        if (from == to) return;
        fire(fault);
        network.block(from, to, true);
    } else {
        fire(fault);
        for (int i = 0; i < 10; ++i) {
            const auto from = draw_.below(known_.size());
            const auto to = draw_.below(known_.size());
            const auto block = [this, &network, from, to](bool blocked) {
                network.block(inside(known_[from]).place, inside(known_[to]).place, blocked);
                if (blocked) return;
                known_[from].alone_since = known_[to].alone_since = Instant::max();
            };
            after(milliseconds{draw_.between(0, 5'000)}, [block] { block(true); });
            after(milliseconds{draw_.between(5'000, 20'000)}, [block] { block(false); });
        }
    }
    after(milliseconds{draw_.between(1'000, 60'000)}, [this] { heal(); });
}

void SwarmRun::heal() {
    for (auto& known : known_) known.alone_since = Instant::max();
    simulation_.heal_all();
}

void SwarmRun::count_network_faults() {
    const auto& happened = simulation_.world_->network.happened();
    fire(Fault::loss, happened.losses);
    if (plan_.has(Fault::half_open)) fire(Fault::half_open, happened.half_open);
    fire(Fault::slow_route, plan_.has(Fault::slow_route) ? 1 : 0);
    fire(Fault::fragments, happened.fragments);
    fire(Fault::stalls, happened.stalls);
    fire(Fault::stream_cut, happened.cuts);
    fire(Fault::bits_flipped, happened.flips);
    fire(Fault::old_bytes_replayed, happened.replays);
    fire(Fault::misdirected, happened.misdirections);
}

// Clocks.

bool SwarmRun::clocks_move() const {
    return plan_.has(Fault::clock_stepped) || plan_.has(Fault::clock_jumped_a_day) ||
           plan_.has(Fault::clock_frozen);
}

void SwarmRun::move_clock(Fault fault) {
    Known* const known = some_site([](const Known&) { return true; });
    if (!known) return;
    fire(fault);
    Site& site = *known->site;
    if (fault == Fault::clock_stepped) {
        return site.step_wall_clock(milliseconds{draw_.between(-30'000, 30'000)});
    }
    if (fault == Fault::clock_jumped_a_day) {
        return site.step_wall_clock(hours{draw_.between(-72, 72)});
    }
    site.freeze_wall_clock(true);
    after(seconds{draw_.between(1, 60)}, [&site] { site.freeze_wall_clock(false); });
}

// Load, and what operators do at bad moments.

void SwarmRun::do_load(Fault fault) {
    Known* const known = some_running_site();
    if (!known) return;
    if (fault == Fault::log_compacted) {
        fire(fault);
        (void)known->site->store().log().compact();
        return inside(*known).notice_power();
    }
    if (fault == Fault::key_provider_away) {
        fire(fault);
        inside(*known).key_provider_is_away = true;
        known->site->stop();
        known->site->start();
        after(seconds{draw_.between(1, 20)},
              [&inside = inside(*known)] { inside.key_provider_is_away = false; });
        return;
    }
    if (fault == Fault::batch_tampered) return tamper();
    if (fault == Fault::batches_misordered) return misorder();
    if (fault == Fault::write_burst) return burst();
    fire(fault);
    if (fault == Fault::parallel_guesses) return guess_in_parallel(*known);
    for (int i = 0; i < flood; ++i) {
        if (!known->site->is_running()) return;
        KnownUser* const one = some_user();
        if (i % 2 == 0 || !one || one->states.empty()) {
            sign_in_unknown(*known);
        } else {
            sign_in(*known, *one, one->newest().password, std::nullopt);
        }
    }
}

void SwarmRun::guess(std::size_t site, KnownUser* user, int times) {
    if (!known_[site].is_member || !user || user->states.empty()) return;
    for (int i = 0; i < times && known_[site].site->is_running(); ++i) {
        sign_in(known_[site], *user, fresh_password(), std::nullopt);
    }
}

/// And somebody who hopes that a restart ends the lock.
void SwarmRun::guess_in_parallel(Known& known) {
    KnownUser* const user = some_user();
    if (!user || user->states.empty()) return;
    const auto index = static_cast<std::size_t>(&known - known_.data());
    guess(index, user, parallel_guesses);
    if (!draw_.chance(0.3)) return;
    after(seconds{2}, [this, index] {
        known_[index].site->stop();
        start(*known_[index].site);
    });
    after(seconds{4}, [this, index, user] { guess(index, user, 1); });
}

/// What the primary writes now, beyond what a replica holds: nothing of it has reached that one
/// yet.
std::vector<SharedBatch> SwarmRun::news_for(Known& known, KnownUser& user, int batches) {
    for (int i = 0; i < batches && primary().site->is_running(); ++i) {
        if (!user.is_unsure() && !user.newest().erased) set_password(user, Way::waits);
    }
    const LogSeq head = inside(known).store->links().store()->head().seq;
    if (!primary().site->is_running() || head == LogSeq{}) return {};
    auto run =
        inside(primary()).store->links().store()->read_batches(head, std::size_t{1} << 20, 8);
    inside(primary()).notice_power();
    return run ? std::move(run->batches) : std::vector<SharedBatch>();
}

/// Nothing of what a replica is given out of order, or with a gap, may be taken.
void SwarmRun::misorder() {
    Known* const known = some_replica(true);
    KnownUser* const user = some_user();
    if (!known || !user || user->is_unsure() || user->states.empty()) return;
    auto batches = news_for(*known, *user, 2);
    if (batches.size() < 2) return;
    switch (draw_.below(3)) {
        case 0:
            batches.erase(batches.begin());
            break;
        case 1:
            batches.insert(batches.begin(), batches.front());
            break;
        default:
            std::swap(batches[0], batches[1]);
            break;
    }
    fire(Fault::batches_misordered);
    const auto store = inside(*known).store->links().store();
    const LogHead before = store->head();
    const auto taken = store->accept(batches);
    const LogSeq after = store->head().seq;
    inside(*known).notice_power();
    check("verified", !taken && after == before.seq, [&] {
        return known->site->name() + " took batches out of order after " +
               std::to_string(value(before.seq));
    });
}

/// What a relay could do that is no member or lies: hands a replica the batch that follows its
/// head, changed on the way.
void SwarmRun::tamper() {
    Known* const known = some_replica(true);
    KnownUser* const user = some_user();
    if (!known || !user || user->is_unsure() || user->states.empty()) return;
    if (!primary().site->is_running()) return;
    const auto store = inside(*known).store->links().store();
    const auto news = news_for(*known, *user, 1);
    if (news.empty()) return;
    BatchEnvelope envelope = *news.front();
    switch (draw_.below(3)) {
        case 0:
            envelope.signature.bytes[draw_.below(64)] ^= std::byte{1};
            break;
        case 1:
            envelope.bytes[draw_.below(envelope.bytes.size())] ^= std::byte{16};
            break;
        default:
            envelope.bytes.resize(envelope.bytes.size() + sizeof(std::uint64_t));
            break;
    }
    fire(Fault::batch_tampered);
    const SharedBatch changed = std::make_shared<const BatchEnvelope>(std::move(envelope));
    const auto taken = store->accept({&changed, 1});
    inside(*known).notice_power();
    check("verified", !taken, [&] {
        return known->site->name() + " took batch " + std::to_string(value(changed->seq)) +
               " as its author had not signed it";
    });
}

}  // namespace countersign::simulation
