#include "sealing/secret_pages.h"

#include <algorithm>
#include <cstdint>
#include <span>

#include <doctest/doctest.h>
#include <unistd.h>

using countersign::sealing::SecretPages;

TEST_CASE("secret pages: given back and taken again: nothing is left of what they held") {
    SecretPages pages;
    std::byte* const first = pages.take(48);
    std::ranges::fill(std::span(first, 48), std::byte{0x5a});
    pages.give_back(first, 48);
    std::byte* const second = pages.take(48);
    REQUIRE(second == first);
    CHECK(std::ranges::count(std::span(second, 48), std::byte{}) == 48);
    pages.give_back(second, 48);
}

TEST_CASE("secret pages: of any size, new or used before: end where the guard page begins") {
    SecretPages pages;
    const auto page = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
    for (const std::size_t size : {1, 13, 32, 2048, 2049, 10'000, 13, 1}) {
        std::byte* const bytes = pages.take(size);
        CHECK((reinterpret_cast<std::uintptr_t>(bytes) + size) % page == 0);
        pages.give_back(bytes, size);
    }
}

TEST_CASE("secret pages: held at the same time: each its own") {
    SecretPages pages;
    std::byte* const first = pages.take(8);
    pages.give_back(first, 8);
    std::byte* const second = pages.take(8);
    std::byte* const third = pages.take(8);
    CHECK(second != third);
    pages.give_back(second, 8);
    pages.give_back(third, 8);
}
