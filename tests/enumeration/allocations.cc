#include "enumeration/allocations.h"

#include <atomic>
#include <cassert>
#include <cstdlib>

#include <sqlite3.h>

namespace countersign::testing {

namespace {

std::atomic<std::uint64_t> counted{0};
std::atomic<std::uint64_t> refused{0};
std::atomic<std::uint64_t> fails_at{0};
std::atomic<bool> fails_on{false};

sqlite3_mem_methods real;

bool refuses() noexcept {
    const std::uint64_t n = ++counted;
    const std::uint64_t at = fails_at;
    if (at == 0 || n < at || (n > at && !fails_on)) return false;
    ++refused;
    return true;
}

void* allocate(int size) {
    return refuses() ? nullptr : real.xMalloc(size);
}

void* reallocate(void* memory, int size) {
    return refuses() ? nullptr : real.xRealloc(memory, size);
}

[[maybe_unused]] const bool is_installed = [] {
    int code = sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real);
    assert(code == SQLITE_OK);
    sqlite3_mem_methods ours = real;
    ours.xMalloc = allocate;
    ours.xRealloc = reallocate;
    code = sqlite3_config(SQLITE_CONFIG_MALLOC, &ours);
    assert(code == SQLITE_OK);
    // From the first allocation on, none comes out of a connection's own store.
    code = sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0);
    assert(code == SQLITE_OK);
    return code == SQLITE_OK;
}();

}  // namespace

void Allocations::fail(std::uint64_t n, bool for_good) {
    heal();
    fails_on = for_good;
    fails_at = n;
}

void Allocations::heal() {
    fails_at = 0;
    counted = 0;
    refused = 0;
}

std::uint64_t Allocations::count() {
    return counted;
}

std::uint64_t Allocations::failed() {
    return refused;
}

}  // namespace countersign::testing
