#include "log/copy_page.h"

#include <doctest/doctest.h>

#include "copying.h"
#include "support/vectors.h"

using namespace countersign;
using namespace countersign::log;
using namespace countersign::testing;

namespace {

CopiedRecord record(std::uint8_t number, std::size_t size = 3) {
    return {.key = {.kind = 1, .id = user_name(number).id},
            .seq = LogSeq{1},
            .sealed = Bytes(size),
            .handles = {}};
}

}  // namespace

TEST_CASE("copy page: a store without records: an empty page, which is the last") {
    Copying copying(0);
    const auto page = Copying::read(copying.feeder);
    CHECK(page.moment == LogSeq{0});
    CHECK(page.records.empty());
    CHECK(page.last);
}

TEST_CASE("copy page: records in order and as they are, with the head's seq") {
    Copying copying;
    copying.pool.append(copying.feeder,
                        changes(put({records::RecordKind::membership, {}}, "member")));
    const auto page = Copying::read(copying.feeder);
    CHECK(page.moment == LogSeq{5});
    CHECK(page.last);
    REQUIRE(page.records.size() == 6);
    CHECK(page.records.back().key == RecordKey{2, {}});
    CHECK(page.records.back().sealed == bytes_of("member"));
    for (const auto& copied : page.records) {
        const auto stored = copying.feeder.ledger.reader.get(name_of(copied.key));
        REQUIRE(stored);
        REQUIRE(*stored);
        CHECK(copied.seq == (*stored)->seq);
        CHECK(copied.sealed == (*stored)->sealed);
        CHECK(records::to_handles(copied.handles).value() == (*stored)->handles);
    }
    CHECK(check_page(page, {}));
}

TEST_CASE("copy page: any size: pages join without gap or repeat, and hold no more than that") {
    Copying copying(30);
    const auto whole = Copying::read(copying.feeder);
    for (const std::size_t size : {0, 1, 20, 39, 40, 41, 100, 500}) {
        CAPTURE(size);
        std::vector<CopiedRecord> joined;
        for (std::optional<RecordKey> after;;) {
            const auto page = Copying::read(copying.feeder, after, size);
            REQUIRE(check_page(page, after));
            std::size_t bytes = 0;
            for (const auto& each : page.records) bytes += each.sealed.size() + each.handles.size();
            CHECK((bytes <= size || page.records.size() == 1));
            joined.insert(joined.end(), page.records.begin(), page.records.end());
            after = page.records.back().key;
            if (page.last) break;
        }
        CHECK(joined == whole.records);
    }
}

TEST_CASE("copy page: more is asked for than a page may hold: the limit of a page") {
    Copying copying(0);
    const std::string large(70'000, 'x');
    for (std::uint8_t i = 0; i < 5; ++i) {
        copying.pool.append(copying.feeder, changes(put(user_name(i), large)));
    }
    const auto page = Copying::read(copying.feeder, {}, std::size_t{1} << 30);
    CHECK(page.records.size() == 3);
    CHECK_FALSE(page.last);
    CHECK(check_page(page, {}));
}

TEST_CASE("copy page: after the last record: an empty page, which is the last") {
    Copying copying;
    const auto whole = Copying::read(copying.feeder);
    const auto page = Copying::read(copying.feeder, whole.records.back().key);
    CHECK(page.records.empty());
    CHECK(page.last);
    CHECK(check_page(page, whole.records.back().key));
}

TEST_CASE("copy page: what no honest feeder sends: refused") {
    const CopyPage sound{.moment = LogSeq{3}, .records = {record(1), record(2)}, .last = false};
    CHECK(check_page(sound, {}));
    CHECK(check_page(sound, record(0).key));
    CHECK(check_page(sound, record(1).key).error() == errc::malformed);
    CHECK(check_page(sound, record(9).key).error() == errc::malformed);

    const auto refused = [&](errc expected, auto&& change) {
        auto page = sound;
        change(page);
        const auto checked = check_page(page, {});
        REQUIRE_FALSE(checked);
        CHECK(checked.error() == expected);
    };
    refused(errc::malformed, [](CopyPage& page) { page.moment = LogSeq{0}; });
    refused(errc::malformed, [](CopyPage& page) { page.moment = LogSeq{1ull << 63}; });
    refused(errc::malformed, [](CopyPage& page) { page.records.clear(); });
    refused(errc::malformed, [](CopyPage& page) { page.records[1] = page.records[0]; });
    refused(errc::malformed, [](CopyPage& page) { std::swap(page.records[0], page.records[1]); });
    refused(errc::malformed, [](CopyPage& page) { page.records[1].key.kind = 0; });
    refused(errc::malformed, [](CopyPage& page) { page.records[1].seq = LogSeq{4}; });
    refused(errc::malformed, [](CopyPage& page) { page.records[1].seq = LogSeq{0}; });
    refused(errc::malformed, [](CopyPage& page) { page.records[1].handles.resize(15); });
    refused(errc::malformed, [](CopyPage& page) { page.records[1].handles.resize(32); });
    refused(errc::too_large,
            [](CopyPage& page) { page.records[1].handles.resize((handles_limit + 1) * 16); });
    refused(errc::too_large,
            [](CopyPage& page) { page.records[1].sealed.resize(sealed_limit + 1); });
    refused(errc::too_large, [](CopyPage& page) {
        page.records.clear();
        for (std::uint8_t i = 0; i < 4; ++i) page.records.push_back(record(i, 66'000));
    });
}
