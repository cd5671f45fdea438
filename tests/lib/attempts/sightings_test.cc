#include "attempts/sightings.h"

#include <random>

#include <doctest/doctest.h>

#include "attempts/sighting_table.h"
#include "directory.h"

using namespace countersign;
using namespace countersign::attempts;
using namespace countersign::attempts::testing;
using namespace std::chrono_literals;

TEST_CASE("sightings: failures from before the start count from it, unnoted ones from now") {
    Sightings sightings({}, Arrival{10}, at(100));
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
    Sightings sightings({}, Arrival{0}, at(0));
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

TEST_CASE("sightings: marks of earlier processes: go on, what lies beyond them from the start") {
    Sightings sightings({{Arrival{5}, at(10)}, {Arrival{8}, at(20)}}, Arrival{9}, at(100));
    CHECK(sightings.known_since(Arrival{3}, at(500)) == at(10));
    CHECK(sightings.known_since(Arrival{8}, at(500)) == at(20));
    CHECK(sightings.known_since(Arrival{9}, at(500)) == at(100));
    // A clock that is behind what was written is not the clock that wrote it.
    Sightings behind({{Arrival{5}, at(400)}}, Arrival{5}, at(100));
    CHECK(behind.known_since(Arrival{5}, at(500)) == at(100));
}

TEST_CASE("sightings: kept for later processes: a second apart, one of more than a day ago") {
    const countersign::testing::TemporaryDirectory place;
    Process process(place / "rows.db");
    const auto transaction = sqlite::Transaction::begin(process.database);
    REQUIRE(transaction);
    REQUIRE(process.database.execute(sightings_schema_sql));
    auto table = SightingTable::prepare(process.database);
    REQUIRE(table);
    const auto marks = [&](const char* boot) {
        const auto read = table->marks(boot);
        REQUIRE(read);
        return *read;
    };
    REQUIRE(table->put({Arrival{1}, at(0)}, "one"));
    REQUIRE(table->put({Arrival{2}, at(0) + 200ms}, "one"));
    REQUIRE(table->put({Arrival{3}, at(0) + 400ms}, "one"));
    REQUIRE(table->put({Arrival{4}, at(0) + 2s}, "one"));
    CHECK(marks("one") == std::vector<SightingMark>{{Arrival{1}, at(0)},
                                                    {Arrival{3}, at(0) + 400ms},
                                                    {Arrival{4}, at(0) + 2s}});
    CHECK(marks("").empty());
    CHECK(marks("two").empty());
    REQUIRE(table->put({Arrival{9}, at(0) + 30h}, "one"));
    CHECK(marks("one") ==
          std::vector<SightingMark>{{Arrival{4}, at(0) + 2s}, {Arrival{9}, at(0) + 30h}});
    // After a restart of the machine no instant of before means anything.
    REQUIRE(table->put({Arrival{9}, at(5)}, "two"));
    CHECK(marks("one").empty());
    CHECK(marks("two") == std::vector<SightingMark>{{Arrival{9}, at(5)}});
    REQUIRE(table->put({Arrival{10}, at(6)}, ""));
    CHECK(marks("two").size() == 1);
}
