#include "log/verify.h"

#include <doctest/doctest.h>

#include "log/scrub.h"
#include "support/pool.h"
#include "support/vectors.h"

using namespace countersign;
using namespace countersign::log;
using countersign::testing::changes;
using countersign::testing::erase;
using countersign::testing::handle;
using countersign::testing::Pool;
using countersign::testing::PoolNode;
using countersign::testing::put;
using countersign::testing::user_name;

namespace {

struct Primary {
    Pool pool;
    PoolNode& node = pool.add_node();
    Primary() {
        pool.designate(node);
        for (std::uint8_t i = 0; i < 5; ++i) {
            pool.append(node,
                        changes(put(user_name(i), "content", {handle(i), handle(i + 1)}),
                                put(user_name(i + 20), "more")));
        }
        pool.append(node, changes(erase(user_name(2))));
    }
};

struct Damage {
    const char* what;
    const char* sql;
    errc expected;
    bool in_rows = true;  ///< the scrub finds it too
};

const Damage damages[] = {
    {"a changed record", "UPDATE record SET sealed = x'00' WHERE rowid = 1", errc::digest_mismatch},
    {"a record's seq", "UPDATE record SET seq = 2 WHERE rowid = 1", errc::digest_mismatch},
    {"a record's id",
     "UPDATE record SET id = x'00000000000000000000000000000063' WHERE rowid = 1",
     errc::digest_mismatch},
    {"a record's kind", "UPDATE record SET kind = 2 WHERE rowid = 1", errc::digest_mismatch},
    {"a record's handles",
     "UPDATE record SET handles = x'' WHERE rowid = 1",
     errc::digest_mismatch},
    {"a lost record", "DELETE FROM record WHERE rowid = 3", errc::digest_mismatch},
    {"an added record",
     "INSERT INTO record VALUES (1, x'00000000000000000000000000000063', 1, x'', x'')",
     errc::digest_mismatch},
    {"a lost handle",
     "DELETE FROM handle WHERE value = x'01000000000000000000000000000000'"
     " AND id = zeroblob(16)",
     errc::corrupt},
    {"an added handle",
     "INSERT INTO handle VALUES (zeroblob(16), 1, x'00000000000000000000000000000009')",
     errc::corrupt},
    {"a handle of another record",
     "UPDATE handle SET id = x'00000000000000000000000000000009' WHERE value = zeroblob(16)",
     errc::corrupt},
    {"a handle of another kind",
     "UPDATE handle SET kind = 3 WHERE value = zeroblob(16)",
     errc::corrupt},
    {"a handle of another value",
     "UPDATE handle SET value = x'ff000000000000000000000000000000' WHERE value = zeroblob(16)",
     errc::corrupt},
    {"a changed batch",
     "UPDATE batch SET bytes = CAST(bytes || x'0000000000000000' AS BLOB) WHERE seq = 2",
     errc::bad_signature,
     false},
    {"a changed signature",
     "UPDATE batch SET signature = zeroblob(64) WHERE seq = 2",
     errc::bad_signature,
     false},
    {"a batch of another epoch",
     "UPDATE batch SET epoch = 2 WHERE seq = 3",
     errc::wrong_epoch,
     false},
    {"a batch in another's place",
     "UPDATE batch SET signature = (SELECT signature FROM batch WHERE seq = 4),"
     " bytes = (SELECT bytes FROM batch WHERE seq = 4) WHERE seq = 3",
     errc::malformed,
     false},
    {"a missing batch", "DELETE FROM batch WHERE seq = 3", errc::chain_gap, false},
    {"the last batch missing", "DELETE FROM batch WHERE seq = 6", errc::chain_gap, false},
    {"a batch too many",
     "INSERT INTO batch SELECT 7, root_term, epoch, node, time, bytes_through, signature, bytes"
     " FROM batch WHERE seq = 6",
     errc::chain_gap,
     false},
    {"a count of bytes",
     "UPDATE batch SET bytes_through = bytes_through + 1 WHERE seq = 6",
     errc::corrupt,
     false},
    {"another head's seq", "UPDATE head SET seq = 5", errc::chain_gap, false},
    {"another head's hash", "UPDATE head SET hash = zeroblob(32)", errc::chain_gap, false},
    {"another head's time", "UPDATE head SET time = 0", errc::chain_gap, false},
    {"another head's epoch", "UPDATE head SET epoch = 2", errc::chain_gap, false},
    {"another head's digest", "UPDATE head SET digest = zeroblob(2048)", errc::digest_mismatch},
    {"a head of no size", "UPDATE head SET digest = x''", errc::corrupt, false},
    {"no head", "DELETE FROM head", errc::chain_gap, false},
    {"no designation", "DELETE FROM designation", errc::wrong_epoch, false},
};

/// The outcome of a whole scrub, in slices of `rows`.
Result<bool> scrub(PoolNode& node, std::size_t rows) {
    auto database = node.open();
    auto scrub = Scrub::begin(database, node.ledger.hash_row);
    if (!scrub) return scrub.error();
    for (;;) {
        const auto done = scrub->step(rows);
        if (!done) return done.error();
        if (*done) return scrub->sound();
    }
}

}  // namespace

TEST_CASE("verify: a sound store: what was walked over") {
    Primary primary;
    const auto verified = verify(primary.node.database, primary.node.ledger);
    REQUIRE(verified);
    CHECK(verified->batches == 6);
    CHECK(verified->records == 9);
    CHECK(verified->head.place.seq == LogSeq{6});
}

TEST_CASE("verify: an empty store: sound") {
    Pool pool;
    auto& node = pool.add_node();
    const auto verified = verify(node.database, node.ledger);
    REQUIRE(verified);
    CHECK(verified->batches == 0);
    CHECK(verified->records == 0);
}

TEST_CASE("verify: without the first batches, which retention let go of: sound") {
    Primary primary;
    REQUIRE(
        primary.node.write([&] { return primary.node.ledger.batches.erase_to(LogSeq{5}, 100); }));
    const auto verified = verify(primary.node.database, primary.node.ledger);
    REQUIRE(verified);
    CHECK(verified->batches == 1);
}

TEST_CASE("verify: each planted damage: found, and the scrub finds what is in the rows") {
    for (const auto& damage : damages) {
        CAPTURE(std::string(damage.what));
        Primary primary;
        primary.node.damage(damage.sql);
        const auto verified = verify(primary.node.database, primary.node.ledger);
        REQUIRE_FALSE(verified);
        CHECK(verified.error() == damage.expected);
        for (const std::size_t slice : {1, 3, 1000}) {
            const auto sound = scrub(primary.node, slice);
            if (damage.in_rows) {
                REQUIRE(sound);
                CHECK_FALSE(*sound);
            }
        }
    }
}

TEST_CASE("scrub: in slices of any size: every record once, and sound") {
    Primary primary;
    for (const std::size_t slice : {1, 2, 9, 10, 17, 18, 100}) {
        CAPTURE(slice);
        auto database = primary.node.open();
        auto scrub = Scrub::begin(database, primary.node.ledger.hash_row);
        REQUIRE(scrub);
        std::size_t steps = 1;
        while (true) {
            const auto done = scrub->step(slice);
            REQUIRE(done);
            if (*done) break;
            ++steps;
        }
        CHECK(scrub->rows_read() == 9);
        CHECK(scrub->sound());
        CHECK(steps == (9 + 8) / slice + 1);
    }
}

TEST_CASE("scrub: writers go on meanwhile: judged by its own moment") {
    Primary primary;
    auto& [pool, node] = primary;
    auto database = node.open();
    auto scrub = Scrub::begin(database, node.ledger.hash_row);
    REQUIRE(scrub);
    for (std::uint8_t i = 0;; ++i) {
        pool.append(node,
                    changes(put(user_name(i), "changed", {handle(i)}),
                            erase(user_name(i + 20)),
                            put(user_name(i + 100), "new", {handle(i + 100)})));
        const auto done = scrub->step(2);
        REQUIRE(done);
        if (*done) break;
    }
    CHECK(scrub->sound());
    CHECK(scrub->rows_read() == 9);
    CHECK(scrub->head().place.seq == LogSeq{6});
    CHECK(verify(node.database, node.ledger));
}
