#include "asio/porter.h"

#include <doctest/doctest.h>

using namespace countersign;
using node::Porter;
using node::Source;

namespace {

Source source(std::uint32_t number) {
    Source source{};
    for (std::size_t i = 0; i < 4; ++i) {
        source[i] = static_cast<unsigned char>(number >> (8 * i));
    }
    return source;
}

const Porter::Limits limits{.connections = 4,
                            .handshakes = 3,
                            .handshakes_per_source = 2,
                            .attempts_per_source = 5,
                            .window = milliseconds{1000}};
const Instant start{std::chrono::hours{1}};

}  // namespace

TEST_CASE("porter: one source at a handshake too many: is turned away, others come in") {
    Porter porter(limits);
    CHECK(porter.admit(source(1), start));
    CHECK(porter.admit(source(1), start));
    CHECK_FALSE(porter.admit(source(1), start));
    CHECK(porter.admit(source(2), start));
    CHECK_FALSE(porter.admit(source(3), start));  // three handshakes in all
    porter.leave(source(1), false);
    CHECK(porter.admit(source(3), start));
}

TEST_CASE("porter: those who proved themselves: count as connections only") {
    Porter porter(limits);
    for (std::uint32_t number = 1; number <= 4; ++number) {
        REQUIRE(porter.admit(source(number), start));
        porter.prove(source(number));
    }
    CHECK_FALSE(porter.admit(source(5), start));
    porter.leave(source(1), true);
    CHECK(porter.admit(source(5), start));
}

TEST_CASE("porter: attempts that lead to nothing: are limited within the window, not beyond") {
    Porter porter(limits);
    for (int attempt = 0; attempt < 5; ++attempt) {
        REQUIRE(porter.admit(source(1), start));
        porter.leave(source(1), false);
    }
    CHECK_FALSE(porter.admit(source(1), start));
    CHECK(porter.admit(source(2), start));
    CHECK(porter.admit(source(1), start + milliseconds{1000}));
}

TEST_CASE("porter: a member that comes and goes: is not limited by attempts") {
    Porter porter(limits);
    for (int attempt = 0; attempt < 50; ++attempt) {
        REQUIRE(porter.admit(source(1), start));
        porter.prove(source(1));
        porter.leave(source(1), true);
    }
}

TEST_CASE("porter: more sources than it remembers: refuses, until those before are forgotten") {
    Porter porter(limits);
    for (std::uint32_t number = 0; number < Porter::sources_limit; ++number) {
        REQUIRE(porter.admit(source(number), start));
        porter.leave(source(number), false);
    }
    const auto stranger = source(1'000'000);
    CHECK_FALSE(porter.admit(stranger, start));
    CHECK(porter.admit(source(0), start));  // known: has attempts left
    CHECK(porter.admit(stranger, start + milliseconds{2000}));
}
