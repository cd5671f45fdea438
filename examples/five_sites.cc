// A test of five sites, as an application would write one: the line to one of them is cut while a
// password changes, a clock jumps, a backup is put back. Everything is in this process, and the
// same each time; nothing sleeps. Build it with pkg-config's countersign-simulation.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "countersign/simulation.h"

namespace cs = countersign;
namespace sim = countersign::simulation;
using namespace std::chrono_literals;

/// For what the rest cannot do without: it ends with the reason and the newest that happened.
void need(const cs::Result<void>& done, const sim::Simulation& world) {
    if (done) return;
    for (const auto& line : world.trace()) std::printf("  %s\n", line.c_str());
    std::printf("failed: %s\n", done.error().message().c_str());
    std::exit(1);
}
template <class T>
T need(cs::Result<T> result, const sim::Simulation& world) {
    if (!result) need(cs::Result<void>(result.error()), world);
    return std::move(*result);
}

int failures = 0;

void expect(bool holds, const char* what) {
    std::printf("%s %s\n", holds ? "  ok  " : "FAILED", what);
    if (!holds) ++failures;
}

int main() {
    sim::Simulation world = *sim::Simulation::begin({.seed = 42});
    sim::Site& hq = *need(world.create_pool("hq"), world);
    for (const char* name : {"berlin", "lagos", "lima", "osaka"}) need(world.add_site(name), world);

    const auto verdict_at = [&](const char* name, const char* password) {
        return need(need(world.site(name), world)->sign_in("alice", password), world).verdict;
    };
    const auto works_at = [&](const char* name, const char* password) {
        return verdict_at(name, password) == cs::Verdict::accepted;
    };

    cs::NewUser made;
    made.login = "alice";
    made.password = cs::Secret("correct horse battery");
    const cs::UserId alice = need(hq.store().users().create(std::move(made)), world);
    expect(world.settle(5s), "within five seconds all sites hold the new user");
    expect(works_at("osaka", "correct horse battery"), "who signs in at the farthest of them");

    // The line to Lagos is down while the password changes.
    need(world.isolate("lagos"), world);
    need(hq.store().users().set_password(alice, cs::Secret("a fresh new password")), world);
    world.run(10min);
    expect(works_at("berlin", "a fresh new password"), "Berlin knows the new password");
    expect(works_at("lagos", "correct horse battery"), "Lagos still takes the old one");
    const auto age = need(need(world.site("lagos"), world)->store().status(), world).data_age;
    expect(age && *age > 9min, "and says how old its data is");
    world.heal_all();
    expect(world.settle(2min), "the line is back, and all agree within two minutes");
    expect(!works_at("lagos", "correct horse battery"), "the old password is none any more");

    // The clock of Lima jumps by a day, and the power of Osaka fails at the same time.
    sim::Site& lima = *need(world.site("lima"), world);
    sim::Site& osaka = *need(world.site("osaka"), world);
    const sim::Backup backup = lima.take_backup();
    lima.step_wall_clock(24h);
    osaka.cut_power(sim::Damage::tear_512);
    world.run(1min);
    expect(lima.count(cs::Event::Kind::clock_jumped) == 1, "Lima tells that its clock has jumped");
    expect(works_at("lima", "a fresh new password"), "and goes on signing people in");
    osaka.start();
    expect(world.settle(2min), "Osaka is back as if nothing had been");

    // A backup of Lima is put back after the password has changed once more.
    need(hq.store().users().set_password(alice, cs::Secret("the third good password")), world);
    world.settle(1min);
    lima.stop();
    need(lima.restore(backup), world);
    lima.start();
    expect(lima.count(cs::Event::Kind::new_incarnation) >= 1, "Lima notices that it was put back");
    expect(world.settle(2min), "and catches up");
    expect(works_at("lima", "the third good password"), "with the newest password");
    std::printf("%d failed; trace %016llx\n",
                failures,
                static_cast<unsigned long long>(world.trace_hash()));
    return failures == 0 ? 0 : 1;
}
