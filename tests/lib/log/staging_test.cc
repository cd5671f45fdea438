#include "log/staging.h"

#include <doctest/doctest.h>

#include "copying.h"
#include "support/vectors.h"

using namespace countersign;
using namespace countersign::log;
using namespace countersign::testing;
using Stage = CopyState::Stage;

namespace {

constexpr std::size_t small = 80;  ///< two records

/// That the call fails so, and that nothing in the replica changes.
template <class Call>
void refuses(Copying& copying, errc expected, Call&& call) {
    const auto before = copying.replica.content() + copying.staged();
    const auto done = call();
    REQUIRE_FALSE(done);
    CHECK(done.error() == expected);
    CHECK(copying.replica.content() + copying.staged() == before);
}

}  // namespace

TEST_CASE("staging: a feeder that writes nothing meanwhile: one page, one batch, and it serves") {
    Copying copying;
    CHECK(copying.state().stage == Stage::none);
    CHECK(copying.begin().stage == Stage::paging);
    const auto staged = copying.stage(Copying::read(copying.feeder));
    REQUIRE(staged);
    CHECK(staged->stage == Stage::replaying);
    CHECK(staged->first == LogSeq{4});
    CHECK(staged->last == LogSeq{4});
    CHECK(staged->replayed == LogSeq{0});
    CHECK(copying.replica.head().place.seq == LogSeq{0});

    const auto done = copying.replay_all(copying.feeder);
    REQUIRE(done);
    CHECK(done->state.stage == Stage::none);
    CHECK_FALSE(done->failure);
    REQUIRE(done->head);
    CHECK(done->head->place.seq == LogSeq{4});
    CHECK(copying.state().stage == Stage::none);
    CHECK(copying.equal(copying.feeder));
    CHECK(copying.replica.ledger.batches.first().value() == LogSeq{4});
    // And the log goes on from there.
    CHECK(copying.pool.accept(copying.replica, std::vector{copying.write(9)}));
    CHECK(copying.equal(copying.feeder));
}

TEST_CASE(
    "staging: the feeder changes, erases and adds records between pages: all of it is there") {
    Copying copying(8);
    copying.begin();
    std::optional<RecordKey> first_key;
    for (std::uint8_t i = 0;; ++i) {
        const auto page = Copying::read(copying.feeder, copying.state().after, small);
        if (!first_key) first_key = page.records.front().key;
        const auto now = copying.stage(page);
        REQUIRE(now);
        if (now->stage == Stage::replaying) break;
        auto gone = erase(name_of(*first_key));  // staged before
        auto behind = put(user_name(i + 1), "changed", {handle(200), handle(i)});
        auto ahead = put(user_name(200 - i), "added");
        copying.pool.append(copying.feeder,
                            changes(std::move(gone), std::move(behind), std::move(ahead)));
        copying.pool.append(copying.feeder, changes(erase(user_name(i + 2))));
    }
    CHECK(copying.state().first == LogSeq{8});
    CHECK(copying.state().last == copying.feeder.head().place.seq);
    const auto done = copying.replay_all(copying.feeder);
    REQUIRE(done);
    CHECK(done->head);
    CHECK(copying.equal(copying.feeder));
}

TEST_CASE(
    "staging: random histories, pages, feeders, runs and restarts: always the feeder's rows") {
    for (std::uint64_t seed = 0; seed < 40; ++seed) {
        CAPTURE(seed);
        Draw draw(seed);
        Copying copying(static_cast<std::uint8_t>(1 + draw.below(6)));
        auto& lagging = copying.pool.add_node();
        copying.pool.tell_all(lagging, copying.feeder);
        const auto write = [&] {
            for (std::uint64_t n = draw.below(3); n > 0; --n) {
                std::vector<records::Change> made;
                for (std::uint64_t c = 1 + draw.below(5); c > 0; --c) {
                    const auto name = user_name(static_cast<std::uint8_t>(draw.below(12)));
                    made.push_back(
                        draw.below(3) == 0
                            ? erase(name)
                            : put(name,
                                  std::to_string(draw()),
                                  {handle(static_cast<std::uint8_t>(draw.below(4))), handle(9)}));
                }
                copying.pool.append(copying.feeder, std::move(made));
            }
        };
        const auto catch_up = [&] {
            const LogSeq has = lagging.head().place.seq;
            const LogSeq to{value(has) + draw.below(4)};
            const auto batches = Copying::run(
                copying.feeder, next(has), std::min(to, copying.feeder.head().place.seq));
            REQUIRE(copying.pool.accept(lagging, batches));
        };
        REQUIRE(copying.pool.accept(lagging, Copying::run(copying.feeder, LogSeq{1}, LogSeq{1})));
        copying.begin();
        const auto untouched = copying.replica.content();
        while (copying.state().stage == Stage::paging) {
            write();
            catch_up();
            if (draw.below(4) == 0) copying.reopen();
            auto& from = draw.below(3) == 0 ? lagging : copying.feeder;
            const auto after = copying.state().after;
            REQUIRE(copying.stage(Copying::read(from, after, draw.below(200))));
        }
        for (;;) {
            CHECK(copying.replica.content() == untouched);
            if (draw.below(4) == 0) copying.reopen();
            const auto now = copying.state();
            const LogSeq due = now.replayed == LogSeq{0} ? now.first : next(now.replayed);
            const LogSeq to{value(due) + draw.below(value(now.last) - value(due) + 1)};
            const auto done = copying.replay(Copying::run(copying.feeder, due, to));
            REQUIRE(done);
            REQUIRE_FALSE(done->failure);
            if (!done->head) continue;
            CHECK(done->head->place.seq == now.last);
            CHECK(copying.replica.ledger.batches.first().value() == now.first);
            break;
        }
        const LogSeq has = copying.replica.head().place.seq;
        REQUIRE(copying.pool.accept(
            copying.replica,
            Copying::run(copying.feeder, next(has), copying.feeder.head().place.seq)));
        CHECK(copying.equal(copying.feeder));
        const auto size = copying.replica.ledger.batches.size();
        REQUIRE(size);
        CHECK(size->batches == value(copying.feeder.head().place.seq) -
                                   value(copying.replica.ledger.batches.first().value()) + 1);
    }
}

TEST_CASE("staging: a page of a feeder that lags or is ahead: first falls, last rises, durably") {
    Copying copying(6);
    auto& other = copying.pool.add_node();
    copying.pool.tell_all(other, copying.feeder);
    REQUIRE(copying.pool.accept(other, Copying::run(copying.feeder, LogSeq{1}, LogSeq{3})));
    copying.begin();
    auto now = copying.stage(Copying::read(copying.feeder, {}, small));
    REQUIRE(now);
    CHECK(now->first == LogSeq{6});
    now = copying.stage(Copying::read(other, now->after, 1));
    REQUIRE(now);
    CHECK(now->first == LogSeq{3});
    CHECK(now->last == LogSeq{6});
    copying.write(60);
    copying.reopen();
    CHECK(copying.state().after == now->after);
    CHECK(copying.state().first == LogSeq{3});
    CHECK(copying.state().last == LogSeq{6});
    now = copying.stage_all(copying.feeder);
    CHECK(now->first == LogSeq{3});
    CHECK(now->last == LogSeq{7});
    CHECK(copying.replay_all(copying.feeder)->head);
    CHECK(copying.equal(copying.feeder));
}

TEST_CASE("staging: a replica with a past: it goes on serving that until the copy is proved") {
    Copying copying(3);
    REQUIRE(
        copying.pool.accept(copying.replica, Copying::run(copying.feeder, LogSeq{1}, LogSeq{3})));
    const auto past = copying.replica.content();
    for (std::uint8_t i = 10; i < 20; ++i) copying.write(i);
    copying.begin();
    copying.stage_all(copying.feeder, small);
    copying.write(30);
    CHECK(copying.replica.content() == past);
    REQUIRE(copying.replay_all(copying.feeder)->head);
    CHECK(copying.replica.head().place.seq == LogSeq{13});
    CHECK(copying.count("old_record") == 4);
    CHECK(copying.count("old_batch") == 3);
}

TEST_CASE("staging: what another stage takes: refused, and nothing changes") {
    Copying copying;
    const auto page = Copying::read(copying.feeder, {}, small);
    const auto rest = Copying::read(copying.feeder, page.records.back().key);
    const auto all = Copying::run(copying.feeder, LogSeq{4}, LogSeq{4});
    refuses(copying, errc::conflict, [&] { return copying.stage(page); });
    refuses(copying, errc::conflict, [&] { return copying.replay(all); });
    copying.begin();
    refuses(copying, errc::conflict, [&] { return copying.replay(all); });
    REQUIRE(copying.stage(page));
    refuses(copying, errc::malformed, [&] { return copying.stage(page); });
    refuses(copying, errc::conflict, [&] { return copying.replay(all); });
    REQUIRE(copying.stage(rest));
    refuses(copying, errc::conflict, [&] { return copying.stage(rest); });
    CHECK(copying.replay(all)->head);
    refuses(copying, errc::conflict, [&] { return copying.replay(all); });
}

TEST_CASE("staging: begun again: what was staged is gone") {
    Copying copying;
    copying.begin();
    REQUIRE(copying.stage(Copying::read(copying.feeder, {}, small)));
    CHECK(copying.state().after);
    const auto again = copying.begin();
    CHECK(again.stage == Stage::paging);
    CHECK_FALSE(again.after);
    CHECK(again.first == LogSeq{0});
    CHECK(again.last == LogSeq{0});
    CHECK(copying.count("staged_record") == 0);
    CHECK(copying.count("staged_handle") == 0);
    CHECK(copying.count("old_record") == 2);
    copying.stage_all(copying.feeder);
    copying.begin();  // the old tables are full still
    CHECK(copying.count("old_record") == 5);
    copying.stage_all(copying.feeder);
    CHECK(copying.replay_all(copying.feeder)->head);
    CHECK(copying.equal(copying.feeder));
}

TEST_CASE("staging: more handles than may wait: each is in its table once, after restarts too") {
    Copying copying(0);
    Draw draw(1);
    constexpr std::size_t records = 3 * waiting_handles_limit / 2 / handles_limit;
    std::vector<records::Change> many;
    for (std::size_t i = 0; i < records; ++i) {
        std::vector<records::Handle> handles(handles_limit);
        for (auto& each : handles) each = draw.id<records::Handle>();
        many.push_back(put({records::RecordKind::user, draw.id<RecordId>()}, "x", handles));
    }
    copying.pool.append(copying.feeder, std::move(many));
    copying.begin();
    std::size_t indexed = 0;
    for (int writes = 0;;) {
        const auto now = copying.stage(Copying::read(copying.feeder, copying.state().after));
        REQUIRE(now);
        const std::size_t all = copying.count("staged_record") * handles_limit;
        const std::size_t before = indexed;
        indexed = copying.count("staged_handle");
        CHECK(all - indexed < waiting_handles_limit);
        if (indexed != before) ++writes;
        copying.reopen();
        if (now->stage == Stage::paging) continue;
        CHECK(writes == 2);
        CHECK(indexed == all);
        break;
    }
    CHECK(copying.replay_all(copying.feeder)->head);
    CHECK(verify(copying.replica.database, copying.replica.ledger));
}

TEST_CASE("staging: a forged page: the digest tells, nothing of it shows, and a new copy works") {
    struct Forgery {
        const char* what;
        void (*forge)(CopyPage&);
    };
    const Forgery forgeries[] = {
        {"a changed byte", [](CopyPage& page) { page.records[1].sealed[0] ^= std::byte{1}; }},
        {"a changed handle", [](CopyPage& page) { page.records[1].handles[0] ^= std::byte{1}; }},
        {"a lost handle", [](CopyPage& page) { page.records[1].handles.clear(); }},
        {"a record left out", [](CopyPage& page) { page.records.erase(page.records.begin() + 1); }},
        {"the first left out", [](CopyPage& page) { page.records.erase(page.records.begin()); }},
        {"a record added",
         [](CopyPage& page) {
             page.records.push_back(page.records.back());
             page.records.back().key.id.bytes[15] = std::byte{99};
         }},
        {"a record moved", [](CopyPage& page) { page.records.back().key.kind = 7; }},
        {"two exchanged",
         [](CopyPage& page) { std::swap(page.records[0].sealed, page.records[4].sealed); }},
        {"an older seq", [](CopyPage& page) { page.records.back().seq = LogSeq{1}; }},
        {"a newer seq", [](CopyPage& page) { page.records.front().seq = LogSeq{4}; }},
        {"all left out", [](CopyPage& page) { page.records.clear(); }},
    };
    for (const auto& forgery : forgeries) {
        CAPTURE(forgery.what);
        Copying copying;
        REQUIRE(copying.pool.accept(copying.replica,
                                    Copying::run(copying.feeder, LogSeq{1}, LogSeq{2})));
        copying.begin();
        auto page = Copying::read(copying.feeder);
        forgery.forge(page);
        const auto past = copying.replica.content();
        REQUIRE(copying.stage(page));
        const auto done = copying.replay_all(copying.feeder);
        REQUIRE(done);
        REQUIRE(done->failure);
        CHECK(*done->failure == errc::digest_mismatch);
        CHECK_FALSE(done->head);
        CHECK(done->state.stage == Stage::none);
        CHECK(copying.state().stage == Stage::none);
        CHECK(copying.count("staged_record") == 0);
        CHECK(copying.replica.content() == past);

        copying.begin();
        copying.stage_all(copying.feeder);
        CHECK(copying.replay_all(copying.feeder)->head);
        CHECK(copying.equal(copying.feeder));
    }
}

TEST_CASE("staging: a moment that is not the page's: the digest tells") {
    Copying copying;
    copying.begin();
    auto page = Copying::read(copying.feeder);
    copying.write(1);
    page.moment = LogSeq{5};  // so that batch 5 would not be replayed
    REQUIRE(copying.stage(page));
    const auto done = copying.replay_all(copying.feeder);
    REQUIRE(done);
    REQUIRE(done->failure);
    CHECK(*done->failure == errc::digest_mismatch);
}

TEST_CASE("staging: given up: nothing is under way, and nothing live has changed") {
    Copying copying;
    copying.begin();
    REQUIRE(copying.stage(Copying::read(copying.feeder, {}, small)));
    const auto past = copying.replica.content();
    REQUIRE(
        copying.replica.write([&] { return copying.staging->discard(copying.replica.database); }));
    CHECK(copying.state().stage == Stage::none);
    CHECK(copying.replica.content() == past);
    CHECK(copying.drop_old(100) > 0);
}
