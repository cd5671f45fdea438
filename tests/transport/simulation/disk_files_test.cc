// An Environment's files on a virtual disk, and what a power cut leaves of them.

#include <cerrno>
#include <set>
#include <string>
#include <string_view>

#include <doctest/doctest.h>

#include "support/store_fixture.h"
#include "transport/simulation/disk_machine.h"

using namespace countersign;
using namespace countersign::simulation;
using namespace countersign::testing;

namespace {

std::span<const std::byte> bytes_of(std::string_view text) {
    return std::as_bytes(std::span(text));
}

}  // namespace

TEST_CASE(
    "simulation: a file is replaced: durable means there after the power went, else old or new or "
    "empty") {
    std::set<std::string> seen;
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
        DiskMachine machine({.seed = seed});
        machine.start();
        REQUIRE(machine.run->write_file("/site/file", bytes_of("old"), true));
        const auto before = machine.run->identify("/site/file");
        REQUIRE(machine.run->write_file("/site/durable", bytes_of("new"), true));
        REQUIRE(machine.run->write_file("/site/file", bytes_of("new"), false));
        CHECK(machine.run->identify("/site/file") != before);
        machine.disk->power_off(seed % 2 == 0 ? Damage::scatter : Damage::drop);
        machine.power_on();
        machine.start();
        const auto content = machine.disk->content("/site/file");
        REQUIRE(content);
        const std::string text(reinterpret_cast<const char*>(content->data()), content->size());
        if (seed % 2 == 1) {
            CHECK(text == "old");
            CHECK(machine.run->identify("/site/file") == before);
        }
        seen.insert(text);
        const auto durable = machine.run->read_file("/site/durable", 10);
        REQUIRE(durable);
        REQUIRE(*durable);
        CHECK((*durable)->size() == 3);
    }
    CHECK(seen == std::set<std::string>{"", "new", "old"});
}

TEST_CASE(
    "simulation: files of an Environment: limits, absence, directories, and each step's failure") {
    DiskMachine machine;
    machine.start();
    DiskRun& run = *machine.run;
    CHECK_FALSE(run.read_file("/site/none", 10).value());
    REQUIRE(run.write_file("/site/ten", bytes_of("0123456789"), true));
    CHECK(run.read_file("/site/ten", 10).value()->size() == 10);
    CHECK(run.read_file("/site/ten", 9).error() == errc::too_large);
    CHECK(run.make_directory("/site/ten").error() == errc::io_error);
    CHECK(run.make_directory("/other/deep").error() == errc::not_found);
    CHECK(run.make_directory("/site/deep/"));
    CHECK(run.make_directory("/site//deep"));
    CHECK(run.remove_file("/site/none"));
    CHECK(run.remove_file("/site/ten"));
    CHECK_FALSE(run.identify("/site/ten"));
    for (const unsigned call : {disk_open,
                                disk_create,
                                disk_truncate,
                                disk_write,
                                disk_sync,
                                disk_rename,
                                disk_sync_directory}) {
        CAPTURE(name(static_cast<DiskCall>(call)));
        REQUIRE(run.write_file("/site/file", bytes_of("old"), true));
        machine.disk->heal();
        machine.disk->plan({.calls = call, .error = EROFS});
        CHECK(run.write_file("/site/file", bytes_of("new"), true).error() == errc::read_only);
        CHECK(machine.disk->fired() == 1);
        const bool renamed = call == disk_sync_directory;
        CHECK(run.read_file("/site/file", 10).value()->front() == std::byte(renamed ? 'n' : 'o'));
        REQUIRE(run.remove_file("/site/file.new"));
    }
    machine.disk->plan({.calls = disk_remove, .error = EIO});
    CHECK(run.remove_file("/site/file").error() == errc::io_error);
    machine.disk->plan({.calls = disk_make_directory, .error = ENOSPC});
    CHECK(run.make_directory("/site/more").error() == errc::disk_full);
    machine.disk->plan({.calls = disk_open, .error = EIO});
    CHECK(run.open_lock("/site/lock").error() == errc::io_error);
    machine.disk->plan({.calls = disk_read, .error = EIO});
    CHECK(run.read_file("/site/file", 10).error() == errc::io_error);
}

TEST_CASE("simulation: a directory that was made and not synced: gone with all in it") {
    DiskMachine machine;
    machine.start();
    const auto process = machine.disk->start_process();
    REQUIRE(machine.disk->make_directory(process, "/site/loose") == 0);
    REQUIRE(machine.run->write_file("/site/loose/file", bytes_of("x"), true));
    machine.disk->power_off(Damage::drop);
    machine.power_on();
    CHECK(machine.disk->paths().empty());
}

TEST_CASE(
    "simulation: an image of what is durable lacks what is not; one of what is shown has it") {
    DiskMachine machine;
    machine.start();
    REQUIRE(machine.run->write_file("/site/file", bytes_of("old"), true));
    REQUIRE(machine.run->write_file("/site/file", bytes_of("newer"), false));
    const auto size = [&](bool durable) {
        for (const auto& entry : machine.disk->image("/", durable).entries) {
            if (entry.path == "/site/file") return entry.bytes.size();
        }
        return std::size_t{0};
    };
    CHECK(size(true) == 3);
    CHECK(size(false) == 5);
}

TEST_CASE(
    "simulation: a file was removed and made anew, unsynced, as the power went: the old counts") {
    DiskMachine machine;
    machine.start();
    REQUIRE(machine.run->write_file("/site/file", bytes_of(std::string(1000, 'x')), true));
    const auto process = machine.disk->start_process();
    REQUIRE(machine.disk->remove(process, "/site/file") == 0);
    CHECK(machine.disk->bytes_held() == 0);
    std::unique_ptr<OpenFile> file;
    REQUIRE(machine.disk->open(process, "/site/file", {.create = true}, file) == 0);
    REQUIRE(machine.disk->write(*file, 0, bytes_of("new")) == 0);
    CHECK(machine.disk->bytes_held() == 3);
    machine.disk->power_off(Damage::drop);
    machine.disk->close(std::move(file));
    machine.power_on();
    machine.start();
    CHECK(machine.disk->bytes_held() == 1000);
    CHECK(machine.disk->content("/site/file")->size() == 1000);
    REQUIRE(machine.run->remove_file("/site/file"));
    CHECK(machine.disk->bytes_held() == 0);
}
