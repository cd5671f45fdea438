#include "fuzz/edits.h"

#define DOCTEST_CONFIG_IMPLEMENT
#include <array>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include <doctest/doctest.h>

namespace countersign::fuzz {
namespace {

/// At `at`, over what is there, as far as there is room.
void overwrite(Bytes& bytes, std::size_t at, BytesView with) {
    const auto size = std::min(with.size(), bytes.size() - at);
    std::ranges::copy(with.first(size), bytes.begin() + static_cast<std::ptrdiff_t>(at));
}

void insert(Bytes& bytes, std::size_t at, BytesView what) {
    const Bytes copy(what.begin(), what.end());
    bytes.insert(bytes.begin() + static_cast<std::ptrdiff_t>(at), copy.begin(), copy.end());
}

}  // namespace

void edit(Bytes& bytes, Input& from) {
    constexpr std::size_t longest = 1u << 20;
    const auto choice = from.number<std::uint8_t>() % 8u;
    const std::size_t at = from.number<std::uint16_t>() % (bytes.size() + 1);
    const auto number = from.number<std::uint8_t>();
    const auto rest = BytesView(bytes).subspan(at);
    const auto some = rest.first(std::min<std::size_t>(rest.size(), number));
    if (choice == 0 && !rest.empty()) bytes[at] ^= std::byte{1} << (number % 8);
    if (choice == 1 && !rest.empty()) bytes[at] = std::byte{number};
    if (choice == 2) insert(bytes, at, from.bytes(number % 16u));
    if (choice == 3 && bytes.size() < longest) insert(bytes, at, some);
    if (choice == 4) {
        const auto first = bytes.begin() + static_cast<std::ptrdiff_t>(at);
        bytes.erase(first, first + std::ssize(some));
    }
    if (choice == 5) bytes.resize(at);
    if (choice == 6) overwrite(bytes, at, from.bytes(number % 16u));
    if (choice == 7) {
        std::array<std::byte, 8> extreme;
        extreme.fill((number & 1) != 0 ? std::byte{0xff} : std::byte{});
        extreme[7] &= (number & 2) != 0 ? std::byte{0x7f} : std::byte{0xff};
        overwrite(bytes, at, BytesView(extreme).first(1 + number % 8u));
    }
}

void assertions_abort() {
    static const auto context = [] {
        auto made = std::make_unique<doctest::Context>();
        made->setAssertHandler([](const doctest::AssertData& data) {
            if (!data.m_failed) return;
            std::fprintf(stderr, "%s:%d: %s\n", data.m_file, data.m_line, data.m_expr);
            std::abort();
        });
        made->setAsDefaultForAssertsOutOfTestCases();
        return made;
    }();
}

}  // namespace countersign::fuzz
