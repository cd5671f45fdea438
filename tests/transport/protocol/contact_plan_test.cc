#include "protocol/contact_plan.h"

#include <doctest/doctest.h>

using namespace countersign;
using protocol::ContactPlan;

namespace {

Contact contact(int number, bool is_primary = false) {
    Contact contact;
    contact.channel_key.bytes[0] = std::byte(number);
    contact.node.bytes[0] = std::byte(number);
    contact.addresses = {"host:7700"};
    contact.is_primary = is_primary;
    return contact;
}

const Contact primary = contact(1, true);
const Contact second = contact(2);
const Contact third = contact(3);

/// A plan and what surrounds it. Random numbers are such that each wait is the longest possible.
struct Planned {
    ContactPlan plan{{.first = milliseconds{100},
                      .cap = milliseconds{400},
                      .refused_pause = milliseconds{10'000}}};
    std::vector<ContactPlan::Linked> links;
    Instant now{std::chrono::hours{1}};
    std::uint64_t random = 99;

    Planned() { plan.set({primary, second, third}); }
    /// Whom it dials now: first bytes of their keys.
    std::vector<int> dials() {
        std::vector<int> numbers;
        for (const auto& each : plan.step(links, now, random).dial) {
            numbers.push_back(std::to_integer<int>(each.channel_key.bytes[0]));
        }
        return numbers;
    }
    void fail(const Contact& contact, bool refused = false) {
        plan.on_failed(contact.channel_key, refused, 99, now);
    }
    void link(const Contact& contact) {
        links.push_back({contact.node, contact.channel_key});
        plan.on_linked(contact.channel_key, now);
    }
    void lose(const Contact& contact, bool refused = false) {
        std::erase_if(links, [&](const auto& link) { return link.node == contact.node; });
        plan.on_lost(contact.channel_key, refused, 99, now);
    }
};

}  // namespace

TEST_CASE("contact plan: the primary can be reached: nobody else is dialled") {
    Planned plan;
    CHECK(plan.dials() == std::vector{1});
    CHECK(plan.dials().empty());  // that attempt is under way
    plan.link(primary);
    CHECK(plan.dials().empty());
}

TEST_CASE("contact plan: the primary cannot be reached: the others in order, until one can") {
    Planned plan;
    CHECK(plan.dials() == std::vector{1});
    plan.fail(primary);
    CHECK(plan.dials() == std::vector{2});
    CHECK(plan.dials().empty());
    plan.fail(second);
    CHECK(plan.dials() == std::vector{3});
    plan.link(third);
    CHECK(plan.dials().empty());
    // The primary is still tried, further and further apart.
    plan.now += milliseconds{99};
    CHECK(plan.dials() == std::vector{1});
    plan.fail(primary);
    plan.now += milliseconds{98};
    CHECK(plan.dials().empty());
    plan.now += milliseconds{1};
    CHECK(plan.dials() == std::vector{1});
}

TEST_CASE("contact plan: the primary is back: whoever stood in is left") {
    Planned plan;
    plan.dials();
    plan.fail(primary);
    plan.dials();
    plan.link(second);
    plan.now += milliseconds{99};
    CHECK(plan.dials() == std::vector{1});
    plan.link(primary);
    const auto steps = plan.plan.step(plan.links, plan.now, plan.random);
    REQUIRE(steps.leave.size() == 1);
    CHECK(steps.leave[0] == second.channel_key);
    CHECK(steps.dial.empty());
    plan.plan.on_left(second.channel_key);
    plan.lose(second);
    CHECK(plan.plan.step(plan.links, plan.now, plan.random).leave.empty());
}

TEST_CASE("contact plan: another node has opened the link: it stands in as well, and is not left") {
    Planned plan;
    plan.dials();
    plan.links.push_back({third.node, std::nullopt});
    plan.fail(primary);
    CHECK(plan.dials().empty());
    plan.now += milliseconds{99};
    CHECK(plan.dials() == std::vector{1});
    plan.link(primary);
    CHECK(plan.plan.step(plan.links, plan.now, plan.random).leave.empty());
}

TEST_CASE("contact plan: one that has no address: is not dialled, unless it is the primary") {
    Planned plan;
    Contact first = primary;
    Contact hidden = second;
    first.addresses.clear();
    hidden.addresses.clear();
    plan.plan.set({first, hidden, third});
    CHECK(plan.dials() == std::vector{1});
    plan.fail(primary);
    CHECK(plan.dials() == std::vector{3});
}

TEST_CASE("contact plan: no primary is known: the first that can be reached") {
    Planned plan;
    plan.plan.set({second, third});
    CHECK(plan.dials() == std::vector{2});
    plan.fail(second);
    CHECK(plan.dials() == std::vector{3});
}

TEST_CASE("contact plan: one that wants no link: is asked again after the pause, or a change") {
    Planned plan;
    plan.dials();
    plan.fail(primary, true);
    plan.fail(second, true);
    plan.fail(third, true);
    plan.now += milliseconds{9'999};
    CHECK(plan.dials().empty());
    plan.plan.set({primary, second, third});
    CHECK(plan.dials() == std::vector{1, 2});
    plan.fail(primary, true);
    plan.fail(second, true);
    plan.now += milliseconds{10'000};
    CHECK(plan.dials() == std::vector{1, 2});
}

TEST_CASE("contact plan: a link that ends as soon as it is made: waits grow all the same") {
    Planned plan;
    milliseconds waited{0};
    for (int round = 0; round < 3; ++round) {
        while (plan.dials().empty()) {
            plan.now += milliseconds{1};
            waited += milliseconds{1};
        }
        plan.link(primary);
        plan.lose(primary);
    }
    CHECK(waited == milliseconds{2 * 99});  // below 100, then 99 of 200 at most
    // One that has lasted starts anew.
    plan.now += milliseconds{400};
    plan.dials();
    plan.link(primary);
    plan.now += milliseconds{1'000};
    plan.plan.on_lost(primary.channel_key, false, 399, plan.now);
    plan.links.clear();
    plan.now += milliseconds{99};
    CHECK(plan.dials() == std::vector{1});
}

TEST_CASE("contact plan: a contact that is none any more: is not dialled") {
    Planned plan;
    plan.dials();
    plan.fail(primary);
    plan.plan.set({third});
    CHECK(plan.dials() == std::vector{3});
    plan.plan.set({});
    plan.fail(third);
    plan.now += std::chrono::hours{1};
    CHECK(plan.dials().empty());
}

TEST_CASE("contact plan: a primary that asks: dials all, each again when its wait is over") {
    Planned plan;
    Contact asked_second = second, asked_third = third;
    asked_second.is_asked = asked_third.is_asked = true;
    plan.plan.set({asked_second, asked_third});
    CHECK(plan.dials() == std::vector{2, 3});
    CHECK(plan.dials().empty());
    plan.link(second);
    plan.fail(third);
    CHECK(plan.dials().empty());
    plan.now += milliseconds{100};
    CHECK(plan.dials() == std::vector{3});
    plan.fail(third);
    plan.plan.set({});
    plan.now += milliseconds{10'000};
    CHECK(plan.dials().empty());
}

TEST_CASE("contact plan: the primary stays away: each minute one more is visited") {
    Planned plan;
    const Contact fourth = contact(4);
    const Contact fifth = contact(5);
    plan.plan.set({primary, second, third, fourth, fifth});
    plan.dials();
    plan.fail(primary);
    CHECK(plan.dials() == std::vector{2});
    plan.link(second);
    const auto pass_a_minute = [&] {
        plan.now += ContactPlan::visit;
        plan.plan.on_failed(primary.channel_key, false, 99, plan.now);  // tried all the while
        return plan.plan.step(plan.links, plan.now, plan.random);
    };
    CHECK(plan.dials().empty());
    plan.random = 1;  // of third, fourth and fifth
    auto steps = pass_a_minute();
    REQUIRE(steps.dial.size() == 1);
    CHECK(steps.dial[0].channel_key == fourth.channel_key);
    CHECK(steps.leave.empty());
    plan.link(fourth);
    CHECK(plan.dials().empty());  // not before a minute has passed

    plan.random = 0;  // of third and fifth
    steps = pass_a_minute();
    REQUIRE(steps.leave.size() == 1);
    CHECK(steps.leave[0] == fourth.channel_key);
    REQUIRE(steps.dial.size() == 1);
    CHECK(steps.dial[0].channel_key == third.channel_key);
    plan.plan.on_left(fourth.channel_key);
    plan.lose(fourth);

    // The one that stood in has gone, and the visited one cannot be left alone either.
    plan.link(third);
    plan.lose(second);
    plan.random = 2;  // of second, fourth and fifth
    steps = pass_a_minute();
    CHECK(steps.leave.empty());
    REQUIRE(steps.dial.size() == 1);
    CHECK(steps.dial[0].channel_key == fifth.channel_key);
}

TEST_CASE("contact plan: nobody more than who stands in can be reached: that link stays") {
    Planned plan;
    plan.plan.set({primary, second});
    plan.dials();
    plan.fail(primary);
    plan.dials();
    plan.link(second);
    for (int minute = 0; minute < 3; ++minute) {
        plan.now += ContactPlan::visit;
        plan.plan.on_failed(primary.channel_key, false, 99, plan.now);
        const auto steps = plan.plan.step(plan.links, plan.now, plan.random);
        CHECK(steps.dial.empty());
        CHECK(steps.leave.empty());
    }
}
