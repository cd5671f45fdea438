#include <doctest/doctest.h>

#include "transport/protocol/raw_peer.h"
#include "transport/protocol/two_links.h"
#include "transport/wire/samples.h"

using namespace countersign;
using namespace countersign::testing;
using Kind = LinkEvent::Kind;

namespace {

/// A primary with some history, and a member that holds all of it.
TwoLinks in_step(std::uint64_t seed = 1) {
    TwoLinks two(seed);
    two.options.page_bytes = 600;
    two.found();
    for (int i = 0; i < 20; ++i) two.hq.store->commit(10, 60, 2);
    two.branch.store->restore_from(*two.hq.store);
    return two;
}

wire::Repair begin(LogSeq head) {
    return {wire::Repair::Begin{head}};
}

}  // namespace

TEST_CASE("link: a damaged replica: fetches what differs and nothing else, and follows") {
    for (std::uint64_t seed = 1; seed < 10; ++seed) {
        CAPTURE(seed);
        TwoLinks two = in_step(seed);
        two.branch.store->damage(3);
        two.branch.store->damage(70);
        two.hq.store->commit(3);
        two.dial();
        two.run();
        CHECK(two.in_step());
        CHECK(two.branch.store->repairs == 1);
        CHECK(two.branch.store->copies_begun == 0);
        CHECK(two.branch.store->records_staged == 2);
        CHECK(two.branch.saw(Kind::repair_started));
        CHECK(two.branch.saw(Kind::repaired));
        two.hq.store->commit(1);
        two.on_commit();
        two.run();
        CHECK(two.in_step());
    }
}

TEST_CASE("link: a damaged primary: mended by whoever dials it and holds its head") {
    TwoLinks two = in_step();
    two.hq.store->damage(5);
    two.dial();
    two.run();
    CHECK(two.in_step());
    CHECK(two.hq.store->repairs == 1);
    CHECK(two.hq.saw(Kind::repaired));
    CHECK_FALSE(two.branch.store->is_damaged);
}

TEST_CASE("link: damage is found while linked: mended without another link") {
    TwoLinks two = in_step();
    two.dial();
    two.run();
    two.branch.store->damage(5);
    two.branch.link->on_commit(two.now);
    two.branch.drain();
    two.run();
    CHECK(two.in_step());
    CHECK(two.branch.store->repairs == 1);
}

TEST_CASE("link: a member that lacks batches cannot help: asked again once it has them") {
    TwoLinks two = in_step();
    two.hq.store->commit(2);
    two.hq.store->damage(5);
    two.dial();
    two.run();
    two.advance(milliseconds{20'000});
    CHECK(two.in_step());
    CHECK(two.hq.store->repairs == 1);
}

TEST_CASE("link: both are damaged: neither mends the other, and the link lives on") {
    TwoLinks two = in_step();
    two.hq.store->damage(5, false);
    two.branch.store->damage(9);
    two.dial();
    two.run();
    CHECK(two.hq.store->is_damaged);
    CHECK(two.branch.store->is_damaged);
    CHECK(two.hq.store->repairs + two.branch.store->repairs == 0);
    CHECK_FALSE(two.branch.closed);
}

TEST_CASE("link: a store that is only thought damaged: found sound, nothing is fetched") {
    TwoLinks two = in_step();
    two.branch.store->is_damaged = true;
    two.dial();
    two.run();
    CHECK_FALSE(two.branch.store->is_damaged);
    CHECK(two.branch.store->records_staged == 0);
    CHECK(two.in_step());
}

TEST_CASE("link: a forged page of a repair: not proved, nothing changed, not asked at once again") {
    TwoLinks two = in_step();
    two.branch.store->damage(5);
    two.hq.store->lie_on_page = 1;
    const auto before = two.branch.store->rows();
    two.dial();
    two.run();
    CHECK(two.branch.store->repairs_refused == 1);
    CHECK(two.branch.store->rows() == before);
    CHECK(two.branch.store->is_damaged);
    CHECK_FALSE(two.branch.closed);
    two.advance(milliseconds{60'000});
    CHECK(two.branch.store->repairs_refused == 1);
    two.advance(milliseconds{300'000});
    CHECK(two.in_step());
}

TEST_CASE("link: most records are damaged: whole buckets are fetched, in pages") {
    TwoLinks two = in_step();
    for (std::size_t i = 0; i < 150; ++i) two.branch.store->damage(i);
    two.dial();
    two.run();
    CHECK(two.in_step());
    CHECK(two.branch.store->repairs == 1);
    CHECK(two.branch.store->records_staged >= 150);
}

TEST_CASE("link: the primary commits all through a repair: held at one batch, then caught up") {
    for (std::uint64_t seed = 1; seed < 10; ++seed) {
        CAPTURE(seed);
        TwoLinks two = in_step(seed);
        two.branch.store->damage(5);
        std::size_t steps = 0;
        two.watch = [&] {
            if (++steps % 3 != 0 || steps > 90) return;
            two.hq.store->commit(1, 60, 1);
            two.on_commit();
        };
        two.dial();
        two.run();
        two.advance(milliseconds{30'000});
        CHECK(two.in_step());
        CHECK_FALSE(two.branch.store->is_damaged);
    }
}

TEST_CASE("link: a repair cut at every place: whole or nothing, and begun again") {
    std::size_t whole = 0;
    for (std::size_t bytes = 100; whole == 0; bytes += 2'500) {
        CAPTURE(bytes);
        REQUIRE(bytes < 100'000);
        TwoLinks two = in_step();
        two.branch.store->damage(5);
        const auto before = two.branch.store->rows();
        two.dial();
        two.cut_after(bytes);
        two.run();
        if (two.branch.store->repairs == 0) {
            CHECK(two.branch.store->rows() == before);
            two.dial();
            two.run();
        } else {
            ++whole;
        }
        CHECK(two.in_step());
    }
}

TEST_CASE("link: every call of a repair fails in turn: the link ends, the next one mends") {
    for (const char* call : {"examine", "stage_repair", "repair"}) {
        CAPTURE(std::string(call));
        TwoLinks two = in_step();
        two.branch.store->damage(5);
        two.branch.store->fault = [&](const std::string& name) {
            return name == call ? std::optional(Error(errc::io_error, "planted")) : std::nullopt;
        };
        two.dial();
        two.run();
        CHECK(two.branch.closed);
        CHECK(two.branch.store->is_damaged);
        two.branch.store->fault = {};
        two.dial();
        two.run();
        CHECK(two.in_step());
    }
    TwoLinks two = in_step();
    two.branch.store->damage(5);
    two.hq.store->fault = [](const std::string& name) {
        return name == "open_repair_source" ? std::optional(Error(errc::io_error, "planted"))
                                            : std::nullopt;
    };
    two.dial();
    two.run();
    CHECK(two.branch.closed);
    two.hq.store->fault = {};
    two.dial();
    two.run();
    CHECK(two.in_step());
}

TEST_CASE("link: a peer that never ends its repair: closed after the deadline") {
    RawPool pool;
    auto peer = pool.at_primary(
        {.ping_interval = milliseconds{10'000'000}, .silence_limit = milliseconds{20'000'000}});
    peer.greet();
    peer.send(begin(pool.branch->head().seq));
    REQUIRE(peer.heard<wire::Buckets>());
    CHECK(peer.heard<wire::Buckets>()->sound);
    CHECK(peer.heard<wire::Buckets>()->moment == pool.hq->head().seq);
    peer.pass(milliseconds{599'000});
    CHECK_FALSE(peer.goodbye());
    peer.pass(milliseconds{2'000});
    CHECK(peer.goodbye() == errc::timed_out);
}

TEST_CASE("link: steps of a repair out of order: malformed") {
    const auto ended_by = [](const std::vector<wire::Repair>& steps) {
        RawPool pool;
        auto peer = pool.at_primary();
        peer.greet();
        for (const auto& step : steps) peer.send(step);
        return peer.goodbye();
    };
    const auto start = begin(LogSeq{1});
    const wire::Repair stop{wire::Repair::End{}};
    CHECK(ended_by({sample_compare()}) == errc::malformed);
    CHECK(ended_by({sample_fetch()}) == errc::malformed);
    CHECK(ended_by({start, start}) == errc::malformed);
    CHECK(ended_by({start, sample_compare(), sample_compare()}) == errc::malformed);
    CHECK(ended_by({start, sample_fetch(), sample_fetch()}) == errc::malformed);
    CHECK(ended_by({start, sample_fetch(), sample_compare()}) == errc::malformed);
    CHECK(ended_by({start, stop, sample_fetch()}) == errc::malformed);
    CHECK_FALSE(ended_by({start, sample_compare(), sample_fetch(), stop, start, stop, stop}));
}

TEST_CASE("link: answers that were not asked for: malformed, and nothing is staged") {
    for (const bool damaged : {false, true}) {
        CAPTURE(damaged);
        RawPool pool;
        if (damaged) pool.branch->damage(0);
        auto peer = pool.at_replica();
        peer.greet();
        peer.send(sample_buckets());
        CHECK(peer.goodbye() == errc::malformed);
        CHECK(pool.branch->records_staged == 0);
    }
    // Records of leaves that do not differ.
    RawPool pool;
    pool.branch->restore_from(*pool.hq);
    pool.branch->damage(0);
    auto peer = pool.at_replica();
    peer.greet();
    REQUIRE(peer.heard<wire::Repair>());
    wire::Buckets all{.moment = pool.hq->head().seq, .sound = true, .sums = {}};
    all.sums = pool.hq->open_repair_source().value()->sums().buckets();
    peer.send(all);
    wire::Page page = sample_page();
    page.page.moment = pool.hq->head().seq;
    peer.send(page);
    CHECK(peer.goodbye() == errc::malformed);
    CHECK(pool.branch->records_staged == 0);
}
