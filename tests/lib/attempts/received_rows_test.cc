#include "attempts/received_rows.h"

#include <doctest/doctest.h>

#include "attempts/row_bounds.h"
#include "attempts/row_places.h"
#include "directory.h"

using namespace countersign;
using namespace countersign::attempts;
using namespace countersign::attempts::testing;
using countersign::testing::TemporaryDirectory;

namespace {

template <class Row>
AttemptRow sent(const Row& row, RowKind kind, std::uint8_t signer) {
    return {.seq = row.row_seq,
            .kind = kind,
            .signature = SignatureBytes{sign(row, signing_key(signer)).bytes},
            .bytes = encode(row)};
}

SpentRow spent_by(std::uint8_t number, std::uint64_t row_seq, std::uint64_t step) {
    return {.credential = password_of(1),
            .code = Code::totp_step(step),
            .node = NodeId{signing_key(number).public_key()},
            .incarnation = Incarnation{1},
            .row_seq = RowSeq{row_seq},
            .expiry = wall(50)};
}

RowRun run_of_two() {
    const auto tally = signed_by(2, 9, 4, 3);
    return {.author = {tally.node, tally.incarnation},
            .after = RowSeq{3},
            .rows = {sent(spent_by(2, 5, 77), RowKind::spent, 2), sent(tally, RowKind::tally, 2)}};
}

constexpr RowSeq no_end{1u << 30};

}  // namespace

TEST_CASE("received rows: of both kinds, as their author signed them: read") {
    const auto rows = verify_run(run_of_two(), RowSeq{3}, no_end);
    REQUIRE(rows);
    REQUIRE(rows->size() == 2);
    CHECK(std::get<SpentRow>(rows->at(0).row) == spent_by(2, 5, 77));
    CHECK(std::get<TallyRow>(rows->at(1).row) == signed_by(2, 9, 4, 3));
    CHECK(rows->at(1).row_seq() == RowSeq{9});
    CHECK(rows->at(1).credential() == password_of(1));
}

TEST_CASE("received rows: at or below what is held, or above what counts: not looked at") {
    auto run = run_of_two();
    run.rows[0].bytes[3] ^= std::byte{1};
    const auto later = verify_run(run, RowSeq{5}, no_end);
    REQUIRE(later);
    CHECK(later->size() == 1);
    run = run_of_two();
    run.rows[1].bytes[3] ^= std::byte{1};
    const auto earlier = verify_run(run, RowSeq{3}, RowSeq{8});
    REQUIRE(earlier);
    CHECK(earlier->size() == 1);
    CHECK(verify_run(run, RowSeq{9}, no_end)->empty());
}

TEST_CASE("received rows: one that is not what its run says: the whole run is refused") {
    const auto refusal = [](auto&& edit) {
        auto run = run_of_two();
        edit(run);
        const auto rows = verify_run(run, RowSeq{3}, no_end);
        REQUIRE_FALSE(rows);
        return rows.error().code();
    };
    CHECK(refusal([](RowRun& run) { run.rows[1].bytes[90] ^= std::byte{1}; }) ==
          errc::bad_signature);
    CHECK(refusal([](RowRun& run) { run.rows[0].signature.bytes[9] ^= std::byte{1}; }) ==
          errc::bad_signature);
    CHECK(refusal([](RowRun& run) { run.rows[1].seq = RowSeq{10}; }) == errc::malformed);
    CHECK(refusal([](RowRun& run) { run.author.incarnation = Incarnation{2}; }) == errc::malformed);
    CHECK(refusal([](RowRun& run) { run.author.node = node(7); }) == errc::malformed);
    CHECK(refusal([](RowRun& run) { run.rows[0].kind = RowKind::tally; }) != errc::malformed);
    CHECK(refusal([](RowRun& run) { run.rows[1].kind = RowKind::spent; }) == errc::malformed);
    CHECK(refusal([](RowRun& run) { run.rows[1].bytes.resize(14'000); }) == errc::too_large);
    CHECK(refusal([](RowRun& run) {
              run.rows[1].signature = SignatureBytes{
                  sealing::sign(sealing::SignatureKind::spent, run.rows[1].bytes, signing_key(2))
                      .bytes};
          }) == errc::bad_signature);
}

TEST_CASE("received rows: of this node's own life: what this directory never wrote shows a twin") {
    const TemporaryDirectory directory;
    Process process(directory / "store");
    process.group([&](Journal& journal) {
        REQUIRE(journal.count_failure(password_of(1)));
        REQUIRE(journal.count_failure(password_of(2)));
    });
    process.group([&](Journal& journal) {
        REQUIRE(journal.count_failure(password_of(1)));
        CHECK(journal.spend(password_of(1), Code::totp_step(9), wall(90), process.view(9)).value());
    });
    const auto self = process.author_row();
    REQUIRE(self.row_seq == RowSeq{4});
    const auto is_twins = [&](auto row) {
        row.node = process.node();
        row.incarnation = Process::incarnation;
        const auto judged = is_of_a_twin({row, sign(row, process.key)}, process.tables, self);
        REQUIRE(judged);
        return *judged;
    };
    const auto own = [&](std::uint8_t user, std::uint64_t seq, std::uint64_t window, unsigned n) {
        auto made = row(1, seq, window, n);
        made.credential = password_of(user);
        made.head = LogSeq{5};
        return made;
    };
    auto spent = spent_by(1, 4, 9);
    spent.head = LogSeq{5};
    spent.expiry = wall(90);
    CHECK_FALSE(is_twins(own(1, 3, 1, 2)));  // as this directory wrote them
    CHECK_FALSE(is_twins(own(2, 2, 2, 1)));
    CHECK_FALSE(is_twins(spent));
    CHECK_FALSE(is_twins(own(1, 1, 1, 1)));  // superseded: nobody knows any more
    CHECK(is_twins(own(1, 5, 1, 2)));        // beyond all that it has written
    CHECK(is_twins(own(1, 3, 1, 3)));        // another one at that place
    CHECK(is_twins(own(2, 4, 2, 2)));        // beyond the last of that credential
    CHECK(is_twins(spent_by(1, 4, 10)));
    CHECK_FALSE(is_twins(own(3, 1, 1, 1)));  // of one that may have been erased
}

TEST_CASE("row places: loaded and raised: never lower, and the same object until they change") {
    RowPlaces places;
    CHECK(places.vector() == nullptr);
    CHECK(places.of({node(2), Incarnation{1}}) == RowSeq{});
    CHECK_FALSE(places.raise({{{node(2), Incarnation{1}}, RowSeq{9}}}));
    const AuthorRow own{.incarnation = Incarnation{7}, .row_seq = RowSeq{4}};
    CHECK(places.load({{{node(2), Incarnation{1}}, RowSeq{5}}}, node(1), own));
    const auto loaded = places.vector();
    REQUIRE(loaded);
    CHECK(*loaded == RowVector{{{node(1), Incarnation{7}}, RowSeq{4}},
                               {{node(2), Incarnation{1}}, RowSeq{5}}});
    CHECK_FALSE(places.load({{{node(2), Incarnation{1}}, RowSeq{5}}}, node(1), own));
    CHECK_FALSE(places.raise(
        {{{node(2), Incarnation{1}}, RowSeq{5}}, {{node(3), Incarnation{1}}, RowSeq{}}}));
    CHECK(places.vector() == loaded);
    CHECK(places.raise(
        {{{node(2), Incarnation{1}}, RowSeq{6}}, {{node(1), Incarnation{7}}, RowSeq{3}}}));
    CHECK(places.of({node(2), Incarnation{1}}) == RowSeq{6});
    CHECK(places.of({node(1), Incarnation{7}}) == RowSeq{4});
    CHECK(loaded->at({node(2), Incarnation{1}}) == RowSeq{5});
}

TEST_CASE("row bounds: rows beyond what one node can have seen: none fits, and it is told hourly") {
    const TemporaryDirectory directory;
    Process process(directory / "store");
    RowBounds bounds;
    int counted = 0;
    const auto users = [&]() -> Result<std::uint64_t> {
        ++counted;
        return std::uint64_t{3};
    };
    std::uint64_t fit = 0;
    const auto fits = [&](std::uint8_t number, RowKind kind, Instant now) {
        const auto room = bounds.admit(node(number), kind, users, process.tables, now);
        REQUIRE(room);
        return *room;
    };
    // A process that goes on: what it has taken since it counted is in no table of this test.
    while (fits(2, RowKind::tally, at(0))) ++fit;
    CHECK(fit == RowBounds::rows_of_unknown);
    CHECK_FALSE(fits(2, RowKind::tally, at(9)));
    CHECK(counted == 0);
    CHECK(fits(2, RowKind::spent, at(0)));
    CHECK(fits(3, RowKind::tally, at(0)));
    CHECK(fits(2, RowKind::tally, at(10)));  // counted again: there are none
    CHECK(bounds.is_news(node(2), at(0)));
    CHECK_FALSE(bounds.is_news(node(2), at(3'599)));
    CHECK(bounds.is_news(node(3), at(0)));
    CHECK(bounds.is_news(node(2), at(3'600)));
}
