#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "fuzz/fuzz.h"

// libFuzzer's entry for the one target whose name the build gives as FUZZ_TARGET.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const auto* const target = countersign::fuzz::find_target(FUZZ_TARGET);
    if (target == nullptr) {
        std::fprintf(stderr, "no target is named %s\n", FUZZ_TARGET);
        std::abort();
    }
    target->run({reinterpret_cast<const std::byte*>(data), size});
    return 0;
}
