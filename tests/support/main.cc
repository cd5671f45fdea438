#define DOCTEST_CONFIG_IMPLEMENT
#include <algorithm>
#include <cstdio>
#include <span>
#include <string_view>

#include <doctest/doctest.h>

#include "support/vectors.h"

int main(int count, char** arguments) {
    doctest::Context context(count, arguments);
    const int status = context.run();
    // Who asks for certain tests asks for their vectors. What is left out takes none.
    const bool asks_for_some = std::ranges::any_of(
        std::span(arguments, static_cast<std::size_t>(count)).subspan(1),
        [](std::string_view argument) { return !argument.starts_with("--test-case-exclude="); });
    if (context.shouldExit() || asks_for_some) return status;
    for (const auto& name : countersign::testing::vectors_not_asked_for()) {
        std::printf("no test takes these vectors: %s\n", name.c_str());
    }
    return status;
}
