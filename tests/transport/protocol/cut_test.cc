#include <algorithm>
#include <cstdlib>

#include <doctest/doctest.h>

#include "transport/protocol/two_links.h"

using namespace countersign;
using namespace countersign::testing;

namespace {

/// Every byte takes minutes; the short run takes each nth, and another n for each of its cases.
std::size_t stride(std::size_t short_run) {
    return std::getenv("COUNTERSIGN_LONG") ? 1 : short_run;
}

/// Cuts the first link after `bytes`, makes a second, and requires that all ends well. False once
/// the first link was done before it could be cut.
template <class Prepare>
bool converges_after_cut(std::size_t bytes, Prepare&& prepare) {
    TwoLinks two;
    prepare(two);
    two.dial();
    two.cut_after(bytes);
    two.run();
    const bool cut = !two.branch.link;
    two.cut();
    const auto rows_before = two.branch.store->rows();
    const auto& log = two.hq.store->log();
    const auto holds = [&](const LogHead& head) {
        return head.seq == LogSeq{} || std::ranges::any_of(log, [&](const auto& batch) {
                   return batch->seq == head.seq && hash_of(batch->bytes) == head.hash;
               });
    };
    REQUIRE(holds(two.branch.store->head()));
    two.dial();
    two.run();
    CAPTURE(bytes);
    REQUIRE(two.in_step());
    REQUIRE_FALSE(two.branch.closed);
    REQUIRE(two.branch.store->suspects.empty());
    REQUIRE(two.hq.store->suspects.empty());
    return cut;
}

}  // namespace

TEST_CASE("link: cut at every byte of handshake, hello and batches: the next one converges") {
    std::size_t bytes = 0;
    while (converges_after_cut(bytes, [](TwoLinks& two) {
        two.found();
        two.hq.store->commit(1, 20);
        two.hq.store->commit(1, 20);
    })) {
        bytes += stride(7);
    }
    CHECK(bytes > 1500);
}

TEST_CASE("link: cut at every byte of a copy: the next one converges") {
    std::size_t bytes = 0;
    while (converges_after_cut(bytes, [](TwoLinks& two) {
        two.options.page_bytes = 150;
        two.found(false);
        two.hq.store->commit(3, 20);
    })) {
        bytes += stride(11);
    }
    CHECK(bytes > 2500);
}
