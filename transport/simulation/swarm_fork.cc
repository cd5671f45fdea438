#include <algorithm>
#include <chrono>
#include <utility>

#include "simulation/swarm_run.h"

namespace countersign::simulation {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

constexpr seconds time_to_hear{60};
constexpr minutes time_to_meet{8};

}  // namespace

/// One primary, two branches: what it wrote is heard by some, then it goes back to before that, and
/// its operator says that nobody has heard it. The others hear what it writes now. Nothing mends
/// that but a new designation: all that must hold is that it is told of, and that nobody who
/// followed one branch goes over to the other.
void SwarmRun::fork_primary() {
    std::vector<Known*> first;
    std::vector<Known*> second;
    for (auto& known : known_) {
        if (&known == &primary() || !known.is_member || known.is_clone) continue;
        (draw_.coin() ? first : second).push_back(&known);
    }
    if (first.empty()) std::swap(first, second);
    if (first.empty()) return;
    // A primary that hears of nobody goes on all the same.
    if (second.empty() && first.size() > 1) {
        second.push_back(first.back());
        first.pop_back();
    }
    Site& site = *primary().site;
    const Backup before = site.take_backup();
    const bool one_is_held = write_branch(first, second);
    site.kill();
    // Not noticed by the machine, or noticed and then confirmed without cause.
    (void)(draw_.coin() ? site.restore(before) : site.roll_back(before));
    site.start();
    const bool other_is_held = site.is_running() && write_branch(second, first);
    if (!one_is_held || !other_is_held || ended()) return;
    fire(Fault::primary_forked);

    std::vector<LogHead> held;
    for (auto* each : first) held.push_back(inside(*each).store->links().store()->head());
    for (auto* each : second) held.push_back(inside(*each).store->links().store()->head());
    std::vector<Known*> all = std::move(first);
    const auto of_first = static_cast<std::ptrdiff_t>(all.size());
    all.insert(all.end(), second.begin(), second.end());
    simulation_.heal_all();
    simulation_.run(time_to_meet);

    for (std::size_t i = 0; i < all.size(); ++i) {
        const LogHead now = inside(*all[i]).store->links().store()->head();
        check("fork", now.seq == held[i].seq && now.hash == held[i].hash, [&] {
            return all[i]->site->name() + " went from one branch of a forked primary to another";
        });
    }
    const bool is_told = site.count(Event::Kind::fork) != 0 ||
                         std::any_of(all.begin(), all.begin() + of_first, [](const Known* each) {
                             return each->site->count(Event::Kind::fork) != 0;
                         });
    check("fork", is_told, [] { return "two batches were signed for one place: nobody told"; });
}

/// Batches of the primary's that only these hear; whether all of them hold the last.
bool SwarmRun::write_branch(std::span<Known* const> hearing, std::span<Known* const> deaf) {
    simulation_.heal_all();
    for (const Known* each : deaf) (void)simulation_.isolate(each->site->name());
    const auto user = std::ranges::find_if(users_, [](const auto& each) {
        return !each->is_unsure() && !each->states.empty() && !each->newest().erased;
    });
    if (user == users_.end()) return false;
    Site& site = *primary().site;
    simulation_.run(time_to_hear);  // it asks, after an unclean end
    if (!site.is_running() || !site.store().confirm_primary()) return false;
    Result<LogSeq> written = errc::cancelled;
    for (auto left = draw_.between(1, 3); left > 0; --left) {
        written = site.store().users().set_password((*user)->id, Secret(fresh_password()));
        inside(primary()).notice_power();
        if (!written) return false;
    }
    return simulation_.run_until(
        [&] {
            return std::ranges::all_of(hearing, [&](Known* each) {
                return each->site->is_running() &&
                       inside(*each).store->links().store()->head().seq >= *written;
            });
        },
        time_to_meet);
}

}  // namespace countersign::simulation
