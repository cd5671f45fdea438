// What batches must be that are replayed on copied records.

#include <doctest/doctest.h>

#include "copying.h"
#include "support/vectors.h"

using namespace countersign;
using namespace countersign::log;
using namespace countersign::testing;
using Stage = CopyState::Stage;

namespace {

constexpr std::size_t small = 80;  ///< two records

/// A copy whose pages were read at batch 4 and at batch 8, to be replayed.
struct Replaying : Copying {
    Replaying() {
        begin();
        REQUIRE(stage(read(feeder, {}, small)));
        for (std::uint8_t i = 4; i < 8; ++i) write(i);
        CHECK(stage_all(feeder).first == LogSeq{4});
        CHECK(state().last == LogSeq{8});
    }
    std::vector<SignedBatch> batches(std::uint64_t first, std::uint64_t last) {
        return run(feeder, LogSeq{first}, LogSeq{last});
    }
    void refuses(std::span<const SignedBatch> run, errc expected) {
        const auto before = replica.content() + staged();
        const auto done = replay(run);
        REQUIRE_FALSE(done);
        CHECK(done.error() == expected);
        CHECK(replica.content() + staged() == before);
    }
    /// That it gives the copy up, and that nothing live changes.
    void gives_up(std::span<const SignedBatch> run, errc expected) {
        const auto past = replica.content();
        const auto done = replay(run);
        REQUIRE(done);
        REQUIRE(done->failure);
        CHECK(*done->failure == expected);
        CHECK_FALSE(done->head);
        CHECK(done->state.stage == Stage::none);
        CHECK(state().stage == Stage::none);
        CHECK(count("staged_record") == 0);
        CHECK(count("staged_handle") == 0);
        CHECK(count("staged_batch") == 0);
        CHECK(replica.content() == past);
    }
    /// That a copy from the start works.
    void copies_afresh(PoolNode& from) {
        begin();
        stage_all(from);
        const auto done = replay_all(from);
        REQUIRE(done);
        CHECK(done->head);
        CHECK(equal(from));
    }
};

}  // namespace

TEST_CASE("staging: batches one at a time, or none: the place moves, and the last one proves") {
    Replaying copying;
    for (std::uint64_t seq = 4; seq < 8; ++seq) {
        const auto none = copying.replay({});
        REQUIRE(none);
        CHECK(none->state.replayed == LogSeq{seq == 4 ? 0 : seq - 1});
        const auto done = copying.replay(copying.batches(seq, seq));
        REQUIRE(done);
        CHECK(done->state.stage == Stage::replaying);
        CHECK(done->state.replayed == LogSeq{seq});
        CHECK(copying.replica.head().place.seq == LogSeq{0});
    }
    CHECK(copying.replay(copying.batches(8, 8))->head);
    CHECK(copying.equal(copying.feeder));
}

TEST_CASE("staging: not from the anchor on, a hole, a repeat, or beyond the last: a gap") {
    Replaying copying;
    copying.write(20);
    copying.refuses(copying.batches(3, 3), errc::chain_gap);
    copying.refuses(copying.batches(3, 8), errc::chain_gap);
    copying.refuses(copying.batches(5, 8), errc::chain_gap);
    copying.refuses(copying.batches(4, 9), errc::chain_gap);
    auto holed = copying.batches(4, 8);
    holed.erase(holed.begin() + 2);
    copying.refuses(holed, errc::chain_gap);
    REQUIRE(copying.replay(copying.batches(4, 5)));
    copying.refuses(copying.batches(4, 8), errc::chain_gap);
    copying.refuses(copying.batches(5, 8), errc::chain_gap);
    copying.refuses(copying.batches(7, 8), errc::chain_gap);
    copying.refuses(copying.batches(6, 9), errc::chain_gap);
    copying.refuses(copying.batches(9, 9), errc::chain_gap);
    CHECK(copying.replay(copying.batches(6, 8))->head);
}

TEST_CASE("staging: an anchor that its author has not signed: refused, alone and in a run") {
    Replaying copying;
    for (const std::uint64_t last : {4, 6, 8}) {
        auto run = copying.batches(4, last);
        run[0].signature.bytes[5] ^= std::byte{1};
        copying.refuses(run, errc::bad_signature);
        run = copying.batches(4, last);
        run[0] = copying.pool.sign(decode(run[0]).value(), copying.replica);
        copying.refuses(run, errc::bad_signature);
    }
    CHECK(copying.replay(copying.batches(4, 8))->head);
}

TEST_CASE("staging: any bit flipped in any batch: refused, and nothing of the run is kept") {
    Replaying copying;
    REQUIRE(copying.replay(copying.batches(4, 5)));
    const auto sound = copying.batches(6, 8);
    for (std::size_t i = 0; i < sound.size(); ++i) {
        for (std::size_t bit = i; bit < sound[i].bytes.size() * 8; bit += 61) {
            CAPTURE(i);
            CAPTURE(bit);
            auto run = sound;
            run[i].bytes[bit / 8] ^= std::byte{1} << (bit % 8);
            copying.refuses(run, i == 2 ? errc::bad_signature : errc::chain_gap);
        }
    }
    auto run = sound;
    run.back().signature.bytes[0] ^= std::byte{1};
    copying.refuses(run, errc::bad_signature);
    CHECK(copying.replay(sound)->head);
    CHECK(copying.equal(copying.feeder));
}

TEST_CASE("staging: a batch of another pool, term or epoch: refused") {
    Replaying copying;
    auto anchor = decode(copying.batches(4, 4)[0]).value();
    const auto refused = [&](errc expected, auto&& change) {
        auto batch = anchor;
        change(batch);
        copying.refuses(std::vector{copying.pool.sign(batch, copying.feeder)}, expected);
    };
    refused(errc::wrong_pool, [](Batch& batch) { batch.pool.bytes[0] ^= std::byte{1}; });
    refused(errc::wrong_epoch, [](Batch& batch) { batch.place.epoch = Epoch{2}; });
    refused(errc::wrong_epoch, [](Batch& batch) { batch.place.root_term = RootTerm{2}; });
    refused(errc::unsupported_version, [](Batch& batch) { ++batch.feature_level; });
    CHECK(copying.replay(copying.batches(4, 8))->head);
}

TEST_CASE("staging: a signed batch whose time goes back: refused") {
    Replaying copying;
    REQUIRE(copying.replay(copying.batches(4, 4)));
    auto batch = decode(copying.batches(5, 5)[0]).value();
    batch.time -= milliseconds{60'000};
    copying.refuses(std::vector{copying.pool.sign(batch, copying.feeder)}, errc::malformed);
}

TEST_CASE("staging: a signed batch that continues another branch: the copy is given up") {
    Replaying copying;
    REQUIRE(copying.replay(copying.batches(4, 5)));
    auto batch = decode(copying.batches(6, 6)[0]).value();
    batch.previous.bytes[0] ^= std::byte{1};
    copying.gives_up(std::vector{copying.pool.sign(batch, copying.feeder)}, errc::fork);
    copying.copies_afresh(copying.feeder);
}

TEST_CASE("staging: a last batch that signs another digest: the copy is given up") {
    Replaying copying;
    REQUIRE(copying.replay(copying.batches(4, 7)));
    auto batch = decode(copying.batches(8, 8)[0]).value();
    batch.digest.bytes[0] ^= std::byte{1};
    copying.gives_up(std::vector{copying.pool.sign(batch, copying.feeder)}, errc::digest_mismatch);
    copying.copies_afresh(copying.feeder);
}

TEST_CASE("staging: a designation learnt later, based below the last moment: the copy has ended") {
    for (const bool paging : {true, false}) {
        CAPTURE(paging);
        Replaying copying;
        if (paging) {
            copying.begin();
            REQUIRE(copying.stage(Copying::read(copying.feeder, {}, small)));
        } else {
            REQUIRE(copying.replay(copying.batches(4, 5)));
        }
        auto& successor = copying.pool.add_node();
        copying.pool.tell_all(successor, copying.feeder);
        REQUIRE(copying.pool.accept(successor, copying.batches(1, 7)));
        copying.pool.designate(successor);  // leaves batch 8 out
        copying.pool.append(successor, changes(put(user_name(77), "after")));
        CHECK(copying.state().stage == (paging ? Stage::paging : Stage::replaying));
        copying.pool.tell_all(copying.replica, successor);
        CHECK(copying.state().stage == Stage::none);
        copying.reopen();
        CHECK(copying.state().stage == Stage::none);
        CHECK(copying.stage(Copying::read(copying.feeder)).error() == errc::conflict);
        CHECK(copying.replay(copying.batches(6, 8)).error() == errc::conflict);
        copying.copies_afresh(successor);
    }
}

TEST_CASE("staging: a designation based at the last moment or above: the copy goes on") {
    Replaying copying;
    auto& successor = copying.pool.add_node();
    copying.pool.tell_all(successor, copying.feeder);
    REQUIRE(copying.pool.accept(successor, copying.batches(1, 8)));
    copying.pool.designate(successor);
    copying.pool.tell_all(copying.replica, successor);
    CHECK(copying.state().stage == Stage::replaying);
    CHECK(copying.replay(copying.batches(4, 8))->head);
    const auto next = copying.pool.append(successor, changes(put(user_name(77), "after")));
    REQUIRE(copying.pool.accept(copying.replica, std::vector{next}));
    CHECK(copying.equal(successor));
}

TEST_CASE("staging: pages before and after a succession: replayed across both designations") {
    Replaying copying;
    copying.begin();
    REQUIRE(copying.stage(Copying::read(copying.feeder, {}, small)));
    auto& successor = copying.pool.add_node();
    copying.pool.tell_all(successor, copying.feeder);
    REQUIRE(copying.pool.accept(successor, copying.batches(1, 8)));
    copying.pool.designate(successor);  // at batch 8, the moment of the page
    copying.pool.append(successor, changes(put(user_name(0), "changed"), put(user_name(1), "x")));
    copying.pool.append(successor, changes(put(user_name(77), "after")));
    copying.pool.tell_all(copying.replica, successor);
    CHECK(copying.stage_all(successor, small).last == LogSeq{10});
    CHECK(copying.replay_all(successor)->head);
    CHECK(copying.equal(successor));
}

TEST_CASE(
    "staging: what a former primary wrote beyond its successor's base: the copy is given up") {
    Replaying copying;
    auto& successor = copying.pool.add_node();
    copying.pool.tell_all(successor, copying.feeder);
    REQUIRE(copying.pool.accept(successor, copying.batches(1, 7)));
    copying.pool.designate(successor);
    copying.pool.append(successor, changes(put(user_name(77), "after")));
    copying.pool.tell_all(copying.replica, successor);
    // The replica knows, its feeder does not: the pages hold what batch 8 wrote.
    copying.begin();
    copying.stage_all(copying.feeder);
    CHECK(copying.state().last == LogSeq{8});
    copying.gives_up(copying.batches(8, 8), errc::wrong_epoch);
    // And with the successor's batch 8 for them, the digest tells.
    copying.begin();
    copying.stage_all(copying.feeder);
    copying.gives_up(Copying::run(successor, LogSeq{8}, LogSeq{8}), errc::digest_mismatch);
    copying.copies_afresh(successor);
}
