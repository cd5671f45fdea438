#include "records/uuid.h"

#include <algorithm>

#include <doctest/doctest.h>

#include "support/pool.h"
#include "support/vectors.h"

using namespace countersign;
using countersign::testing::Draw;
using countersign::testing::unhex;

namespace {

RecordId make(std::int64_t unix_ms, std::span<const std::byte> random) {
    return records::make_uuid(UnixTime(milliseconds(unix_ms)), random.first<10>());
}

}  // namespace

TEST_CASE("uuid: the example of RFC 9562 A.6: bit for bit") {
    // rand_a 0xCC3 and rand_b 0x18C4DC0C0C07398F, as they stand beside version and variant.
    const auto id = make(0x017F22E279B0, unhex("0cc318c4dc0c0c07398f"));
    CHECK(to_string(UserId{id.bytes}) == "017f22e2-79b0-7cc3-98c4-dc0c0c07398f");
}

TEST_CASE("uuid: whatever the random bits: version 7 and the variant of RFC 9562") {
    for (const auto* random : {"00000000000000000000", "ffffffffffffffffffff"}) {
        const auto id = make(1'700'000'000'000, unhex(random));
        CHECK((id.bytes[6] & std::byte{0xf0}) == std::byte{0x70});
        CHECK((id.bytes[8] & std::byte{0xc0}) == std::byte{0x80});
    }
}

TEST_CASE("uuid: a later millisecond: a greater id, whatever the random bits") {
    Draw draw(1);
    std::int64_t time = 1'700'000'000'000;
    RecordId last = make(time, draw.bytes(10));
    for (int i = 0; i < 1000; ++i) {
        time += 1 + static_cast<std::int64_t>(draw.below(i % 2 == 0 ? 3 : 100'000'000));
        const auto id = make(time, draw.bytes(10));
        CHECK(last < id);
        last = id;
    }
}

TEST_CASE("uuid: before 1970: counts as 1970") {
    const auto random = unhex("00000000000000000000");
    CHECK(make(-1, random) == make(0, random));
    CHECK(to_string(UserId{make(0, random).bytes}) == "00000000-0000-7000-8000-000000000000");
}
