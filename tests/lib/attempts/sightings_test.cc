#include "attempts/sightings.h"

#include <random>

#include <doctest/doctest.h>

#include "directory.h"

using namespace countersign;
using namespace countersign::attempts;
using namespace countersign::attempts::testing;
using namespace std::chrono_literals;

TEST_CASE("sightings: failures from before the start count from it, unnoted ones from now") {
    Sightings sightings(Arrival{10}, at(100));
    CHECK(sightings.known_since(Arrival{0}, at(500)) == at(100));
    CHECK(sightings.known_since(Arrival{10}, at(500)) == at(100));
    CHECK(sightings.known_since(Arrival{11}, at(500)) == at(500));
    sightings.note(Arrival{14}, at(200));
    CHECK(sightings.known_since(Arrival{11}, at(500)) == at(200));
    CHECK(sightings.known_since(Arrival{15}, at(500)) == at(500));
    sightings.note(Arrival{14}, at(300));  // the first word stands
    sightings.note(Arrival{12}, at(300));
    CHECK(sightings.known_since(Arrival{14}, at(500)) == at(200));
    sightings.note(Arrival{15}, at(150));  // two threads, out of order
    CHECK(sightings.known_since(Arrival{15}, at(500)) == at(200));
}

TEST_CASE("sightings: a million notes: bounded, and no failure grows younger by more than 1/64") {
    Sightings sightings(Arrival{0}, at(0));
    std::minstd_rand random(7);
    Instant now = at(0);
    std::vector<Instant> truth{now};
    for (std::uint64_t i = 1; i <= 1'000'000; ++i) {
        now += std::chrono::microseconds(random() % 20'000);
        truth.push_back(now);
        sightings.note(Arrival{i}, now);
        if (i % 100'000 != 0) continue;
        REQUIRE(sightings.marks() < 8'192);
        for (int probe = 0; probe < 1'000; ++probe) {
            const std::uint64_t which = random() % i;
            const Instant known = sightings.known_since(Arrival{which}, now);
            REQUIRE(known >= truth[which]);
            REQUIRE(known - truth[which] <= (now - known) / 64);
        }
    }
}
