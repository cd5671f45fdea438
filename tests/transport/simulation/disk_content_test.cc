// One file: what is shown, and what the disk holds after a power cut of each kind.

#include "simulation/disk_content.h"

#include <algorithm>
#include <set>
#include <string>
#include <string_view>

#include <doctest/doctest.h>

using namespace countersign::simulation;

namespace {

std::span<const std::byte> bytes_of(std::string_view text) {
    return std::as_bytes(std::span(text));
}

std::string text_of(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// A file with `a` in 8 KiB synced, then `b` and `c` written over it, unsynced.
FileContent three_layers() {
    FileContent file;
    file.write(0, bytes_of(std::string(8192, 'a')));
    file.sync();
    file.write(0, bytes_of(std::string(8192, 'b')));
    file.write(1024, bytes_of(std::string(6000, 'c')));
    return file;
}

/// The bytes of a file as pieces of that size, each of which is one letter throughout.
std::string pieces(const FileContent& file, std::size_t size) {
    const std::string text = text_of(file.durable());
    std::string letters;
    for (std::size_t at = 0; at < text.size(); at += size) {
        const std::string_view piece = std::string_view(text).substr(at, size);
        REQUIRE(piece.find_first_not_of(piece.front()) == piece.npos);
        letters += piece.front();
    }
    return letters;
}

}  // namespace

TEST_CASE("simulation: a file is written and not synced: shown, and not on the disk") {
    FileContent file;
    file.write(3, bytes_of("abc"));
    CHECK(text_of(file.bytes()) == std::string("\0\0\0abc", 6));
    CHECK(file.durable().empty());
    CHECK_FALSE(file.synced());
    file.sync();
    CHECK(file.synced());
    CHECK(text_of(file.durable()) == text_of(file.bytes()));
}

TEST_CASE("simulation: a file shrinks and grows before a sync: what went between is zero") {
    FileContent file;
    file.write(0, bytes_of("abcdef"));
    file.sync();
    file.resize(2);
    file.write(4, bytes_of("xy"));
    file.sync();
    CHECK(text_of(file.durable()) == std::string("ab\0\0xy", 6));
    CHECK(text_of(file.bytes()) == std::string("ab\0\0xy", 6));
    file.resize(3);
    file.resize(5);
    CHECK(text_of(file.bytes()) == std::string("ab\0\0\0", 5));
    CHECK(file.durable().size() == 6);
    file.sync();
    CHECK(text_of(file.durable()) == std::string("ab\0\0\0", 5));
}

TEST_CASE("simulation: the power goes: what was synced stays under every damage") {
    for (const Damage damage : all_damages) {
        CAPTURE(name(damage));
        for (std::uint64_t seed = 0; seed < 50; ++seed) {
            Draw draw(seed);
            FileContent file;
            file.write(0, bytes_of(std::string(5000, 'a')));
            file.sync();
            file.write(5000, bytes_of(std::string(5000, 'b')));
            file.lose_power(damage, draw);
            REQUIRE(file.durable().size() >= 5000);
            CHECK(text_of(file.durable().first(5000)) == std::string(5000, 'a'));
            CHECK(text_of(file.bytes()) == text_of(file.durable()));
            CHECK(file.synced());
        }
    }
}

TEST_CASE(
    "simulation: the power goes with damage drop or keep: all or nothing of what was written") {
    Draw draw(1);
    FileContent file = three_layers();
    file.lose_power(Damage::drop, draw);
    CHECK(pieces(file, 1024) == "aaaaaaaa");
    file = three_layers();
    file.lose_power(Damage::keep, draw);
    CHECK(text_of(file.durable()) ==
          std::string(1024, 'b') + std::string(6000, 'c') + std::string(1168, 'b'));
}

TEST_CASE("simulation: writes are scattered: each whole or absent, each way happens") {
    std::set<std::string> seen;
    for (std::uint64_t seed = 0; seed < 100; ++seed) {
        Draw draw(seed);
        FileContent file = three_layers();
        file.lose_power(Damage::scatter, draw);
        const std::string text = text_of(file.durable());
        REQUIRE(text.size() == 8192);
        const char around = text.front();
        const char within = text[2000];
        CHECK(text ==
              std::string(1024, around) + std::string(6000, within) + std::string(1168, around));
        seen.insert(std::string() + around + within);
    }
    CHECK(seen == std::set<std::string>{"aa", "ac", "bb", "bc"});
}

TEST_CASE("simulation: writes are torn: in the pieces asked, and no smaller") {
    std::set<std::string> seen;
    for (std::uint64_t seed = 0; seed < 60; ++seed) {
        Draw draw(seed);
        FileContent file;
        file.write(0, bytes_of(std::string(8192, 'a')));
        file.sync();
        file.write(0, bytes_of(std::string(8192, 'b')));
        FileContent coarse = file;
        file.lose_power(Damage::tear_512, draw);
        CHECK(pieces(file, 512).size() == 16);
        coarse.lose_power(Damage::tear_4096, draw);
        seen.insert(pieces(coarse, 4096));
    }
    CHECK(seen == std::set<std::string>{"aa", "ab", "ba", "bb"});
}

TEST_CASE(
    "simulation: a sync fails: the bytes count as clean, and a later sync does not write them") {
    bool lost = false;
    bool kept = false;
    for (std::uint64_t seed = 0; seed < 40; ++seed) {
        Draw draw(seed);
        FileContent file;
        file.write(0, bytes_of(std::string(4096, 'a')));
        file.sync();
        file.write(0, bytes_of(std::string(4096, 'b')));
        file.fail_sync(draw);
        CHECK(file.synced());
        CHECK(text_of(file.bytes()) == std::string(4096, 'b'));
        file.sync();
        const std::string on_disk = pieces(file, 4096);
        (on_disk == "a" ? lost : kept) = true;
        file.drop_cache();
        CHECK(text_of(file.bytes()) == std::string(4096, on_disk.front()));
        // Only writing the page again brings it there, whole.
        file.write(0, bytes_of("c"));
        file.sync();
        CHECK(text_of(file.durable()) == "c" + std::string(4095, on_disk.front()));
    }
    CHECK(lost);
    CHECK(kept);
}

TEST_CASE("simulation: a bit is flipped: shown and on the disk") {
    FileContent file;
    file.write(0, bytes_of("abc"));
    file.sync();
    file.flip(1, 0);
    CHECK(text_of(file.bytes()) == "acc");
    CHECK(text_of(file.durable()) == "acc");
}
