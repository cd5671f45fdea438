#include "sqlite/marker.h"

#include <filesystem>
#include <string>

#include <doctest/doctest.h>

#include "sqlite/database.h"
#include "support/temporary_directory.h"

using namespace countersign;
using namespace countersign::sqlite;
using countersign::testing::TemporaryDirectory;

namespace {

const Marks marks{
    .incarnation = Incarnation{0xfedcba9876543210}, .head = LogSeq{100}, .row_seq = RowSeq{7}};
const Marker marker{.machine_id = "0123456789abcdef", .inode = 42, .marks = marks};
const FileIdentity place{.device = 3, .inode = 42};

}  // namespace

TEST_CASE("marker: written and read: the same, in 184 bytes") {
    Marker ended = marker;
    ended.clean_end = true;
    const auto bytes = encode(ended);
    CHECK(bytes.size() == marker_bytes);
    CHECK(decode(bytes) == ended);
    CHECK(decode(encode(marker)) == marker);
    for (const bool clean_end : {false, true}) {
        Marker unasked = marker;
        unasked.unasked = true;
        unasked.clean_end = clean_end;
        CHECK(decode(encode(unasked)) == unasked);
    }
    Marker nameless = marker;
    nameless.machine_id.clear();
    CHECK(decode(encode(nameless)) == nameless);
}

TEST_CASE("marker: any byte changed, or one missing or too many: no marker") {
    const auto bytes = encode(marker);
    for (std::size_t at = 0; at < bytes.size(); ++at) {
        auto damaged = bytes;
        damaged[at] ^= std::byte{1};
        CHECK_FALSE(decode(damaged));
        CHECK_FALSE(decode(std::span(bytes).first(at)));
    }
    auto longer = bytes;
    longer.push_back(std::byte{0});
    CHECK_FALSE(decode(longer));
}

TEST_CASE("marker: something behind the machine id, under a right checksum: no marker") {
    Marker nameless = marker, one = marker, zero = marker;
    nameless.machine_id = {};
    one.machine_id = "x";
    zero.machine_id = std::string(1, '\0');
    // CRCs add up: of an odd number of markers the sum has the right one.
    auto sum = encode(nameless);
    const auto second = encode(one), third = encode(zero);
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] ^= second[i] ^ third[i];
    REQUIRE(sum != encode(nameless));
    CHECK_FALSE(decode(sum));
}

TEST_CASE("marker: compared with where it is found: same, copied, restored or missing") {
    const auto found =
        [](const std::optional<Marker>& of, Marks database, std::uint64_t inode = 42) {
            return compare(of, "0123456789abcdef", {.device = 9, .inode = inode}, database);
        };
    Marks later = marks;
    later.head = LogSeq{101};
    Marks older = marks;
    older.head = LogSeq{99};
    Marks fewer_rows = marks;
    fewer_rows.row_seq = RowSeq{6};
    Marks other_life = later;
    other_life.incarnation = Incarnation{1};
    CHECK(found(marker, marks) == Provenance::same);
    CHECK(found(marker, later) == Provenance::same);  // written a second before the end
    CHECK(found(marker, older) == Provenance::restored);
    CHECK(found(marker, fewer_rows) == Provenance::restored);
    CHECK(found(marker, other_life) == Provenance::restored);
    CHECK(found(marker, later, 43) == Provenance::copied);
    CHECK(found(marker, older, 43) == Provenance::copied);
    CHECK(compare(marker, "another machine", place, marks) == Provenance::copied);
    CHECK(compare(marker, "", place, marks) == Provenance::copied);
    CHECK(found(std::nullopt, marks) == Provenance::missing);
}

TEST_CASE("marker: machines with names too long to store: still told apart by the first 128") {
    Marker stored = marker;
    stored.machine_id = std::string(200, 'm');
    const auto read = decode(encode(stored));
    REQUIRE(read);
    CHECK(compare(read, std::string(200, 'm'), place, marks) == Provenance::same);
    CHECK(compare(read, std::string(200, 'n'), place, marks) == Provenance::copied);
}

TEST_CASE("marker: updates within a second: one write; the end is written at once") {
    const TemporaryDirectory above;
    const auto environment = system_environment();
    const auto directory = Directory::create(above / "identity", *environment);
    REQUIRE(directory);
    REQUIRE(Database::open(directory->database_path(), {.create = true}));
    MarkerFile file(*directory);
    CHECK(file.provenance(marks).value() == Provenance::missing);

    const auto head = [&] { return file.read().value().value().marks.head; };
    const Instant start{};
    Marks now = marks;
    REQUIRE(file.write(now, false, start));
    CHECK(file.provenance(now).value() == Provenance::same);
    now.head = LogSeq{101};
    REQUIRE(file.update(now, start + milliseconds(999)));
    CHECK(head() == LogSeq{100});
    REQUIRE(file.update(now, start + milliseconds(1000)));
    CHECK(head() == LogSeq{101});
    now.head = LogSeq{102};
    REQUIRE(file.write(now, true, start + milliseconds(1001)));
    CHECK(head() == LogSeq{102});
    CHECK(file.read().value()->clean_end);
    CHECK(file.provenance(marks).value() == Provenance::restored);
}

TEST_CASE("marker: the directory is copied file by file: noticed; torn: missing") {
    const TemporaryDirectory above;
    const auto environment = system_environment();
    const auto original = Directory::create(above / "identity", *environment);
    REQUIRE(original);
    REQUIRE(Database::open(original->database_path(), {.create = true}));
    REQUIRE(MarkerFile(*original).write(marks, true, Instant{}));
    std::filesystem::copy(original->path(), above / "clone");
    const auto clone = Directory::open(above / "clone", *environment);
    REQUIRE(clone);
    CHECK(MarkerFile(*clone).provenance(marks).value() == Provenance::copied);
    // Moved as a whole it is still the one there is.
    std::filesystem::rename(original->path(), above / "moved");
    const auto moved = Directory::open(above / "moved", *environment);
    REQUIRE(moved);
    CHECK(MarkerFile(*moved).provenance(marks).value() == Provenance::same);
    std::filesystem::resize_file(moved->marker_path(), 100);
    CHECK(MarkerFile(*moved).provenance(marks).value() == Provenance::missing);
    std::filesystem::resize_file(moved->marker_path(), 1'000'000);
    CHECK(MarkerFile(*moved).provenance(marks).value() == Provenance::missing);
}
