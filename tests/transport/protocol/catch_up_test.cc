#include <doctest/doctest.h>

#include "transport/protocol/two_links.h"

using namespace countersign;
using namespace countersign::testing;
using Kind = LinkEvent::Kind;

TEST_CASE("link: a replica that lags by some batches: catches up and says what it holds") {
    TwoLinks two;
    two.found();
    for (int i = 0; i < 20; ++i) two.hq.store->commit(3, 40, 1);
    two.dial();
    two.run();
    CHECK(two.in_step());
    CHECK(two.branch.store->copies_begun == 0);
    CHECK(two.hq.store->acked[two.branch.store->node] == two.hq.store->head().seq);
    CHECK(two.branch.saw(Kind::connected));
    CHECK(two.branch.saw(Kind::following));
    CHECK(two.branch.saw(Kind::caught_up));
    CHECK(two.hq.saw(Kind::connected));
    CHECK(two.hq.link->status().state == LinkStatus::State::feeding);
    CHECK(two.hq.link->status().acked == two.hq.store->head().seq);
    CHECK(two.hq.link->status().name == "branch");
    CHECK(two.hq.link->status().bytes_in_flight == 0);
    CHECK(two.branch.link->status().state == LinkStatus::State::following);
    CHECK(two.branch.link->status().peer == two.hq.store->node);
}
