#define DOCTEST_CONFIG_IMPLEMENT
#include <cstdio>

#include <doctest/doctest.h>

#include "support/vectors.h"

int main(int count, char** arguments) {
    doctest::Context context(count, arguments);
    const int status = context.run();
    // Who asks for a part of the tests asks for a part of the vectors.
    if (context.shouldExit() || count > 1) return status;
    for (const auto& name : countersign::testing::vectors_not_asked_for()) {
        std::printf("no test takes these vectors: %s\n", name.c_str());
    }
    return status;
}
