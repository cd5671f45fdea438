#include "countersign/environment.h"

#include <csignal>
#include <filesystem>
#include <string>
#include <thread>

#include <doctest/doctest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/temporary_directory.h"
#include "support/vectors.h"

using namespace countersign;
using countersign::testing::bytes_of;
using countersign::testing::TemporaryDirectory;

TEST_CASE("environment: the clocks: now, and never back") {
    const auto environment = system_environment();
    const auto outside = std::chrono::floor<milliseconds>(std::chrono::system_clock::now());
    const Now first = environment->now();
    const Now second = environment->now();
    CHECK(first.wall - outside < std::chrono::seconds(10));
    CHECK(outside - first.wall < std::chrono::seconds(10));
    CHECK(second.monotonic >= first.monotonic);
}

TEST_CASE("environment: random bytes: filled to the last, and not twice the same") {
    const auto environment = system_environment();
    std::vector<std::byte> first(1000);
    std::vector<std::byte> second(1000);
    environment->random(first);
    environment->random(second);
    CHECK(first != second);
    CHECK(std::span(first).last(32).front() != std::byte{0});
    environment->random({});
}

TEST_CASE("environment: files: written whole and private, replaced, read up to a limit") {
    const TemporaryDirectory directory;
    const auto environment = system_environment();
    const std::string path = directory / "file";
    CHECK_FALSE(environment->read_file(path, 10).value());
    for (const bool durable : {true, false}) {
        REQUIRE(environment->write_file(path, bytes_of("a longer text"), durable));
        REQUIRE(environment->write_file(path, bytes_of("short"), durable));
        CHECK(environment->read_file(path, 5).value() == bytes_of("short"));
        CHECK(environment->read_file(path, 4).error() == errc::too_large);
    }
    struct stat status;
    REQUIRE(::stat(path.c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0600);
    CHECK(std::distance(std::filesystem::directory_iterator(directory.path()), {}) == 1);
    CHECK(environment->read_file(directory.path(), 10).error() == errc::io_error);
}

TEST_CASE("environment: a temporary was left by a crash, or laid as a trap: replaced, or refused") {
    const TemporaryDirectory directory;
    const auto environment = system_environment();
    (void)directory.write("file.new", "left over, and longer");
    REQUIRE(environment->write_file(directory / "file", bytes_of("new"), true));
    CHECK(directory.read("file") == "new");
    std::filesystem::create_symlink(directory.write("elsewhere", "kept"), directory / "file.new");
    CHECK_FALSE(environment->write_file(directory / "file", bytes_of("newer"), true));
    CHECK(directory.read("elsewhere") == "kept");
    CHECK(directory.read("file") == "new");
}

TEST_CASE("environment: a write fails: the error, and the old file stays") {
    const TemporaryDirectory directory;
    const auto environment = system_environment();
    REQUIRE(environment->write_file(directory / "file", bytes_of("old"), true));
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        std::signal(SIGXFSZ, SIG_IGN);
        const rlimit none{.rlim_cur = 2, .rlim_max = 2};
        if (::setrlimit(RLIMIT_FSIZE, &none) != 0) ::_exit(1);
        const auto written = environment->write_file(directory / "file", bytes_of("newer"), true);
        ::_exit(!written && written.error() == errc::io_error ? 0 : 2);
    }
    int status = -1;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 0);
    CHECK(directory.read("file") == "old");
    CHECK(environment->write_file(directory / "none/file", {}, true).error() == errc::io_error);
}

TEST_CASE("environment: several writers of one file: always one's whole text") {
    const TemporaryDirectory directory;
    const auto environment = system_environment();
    const std::string path = directory / "file";
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&, i] {
            const std::vector<std::byte> text(2000 + 1000 * static_cast<std::size_t>(i),
                                              static_cast<std::byte>('a' + i));
            for (int round = 0; round < 25; ++round)
                (void)environment->write_file(path, text, false);
        });
    }
    for (std::thread& thread : threads) thread.join();
    const std::string text = directory.read("file");
    REQUIRE_FALSE(text.empty());
    CHECK(text == std::string(2000 + 1000 * static_cast<std::size_t>(text[0] - 'a'), text[0]));
}

TEST_CASE("environment: identities: kept by a rename, another for a copy") {
    const TemporaryDirectory directory;
    const auto environment = system_environment();
    CHECK_FALSE(environment->identify(directory / "file"));
    const auto first = environment->identify(directory.write("file", "x"));
    REQUIRE(first);
    std::filesystem::copy(directory / "file", directory / "copy");
    CHECK(environment->identify(directory / "copy") != first);
    std::filesystem::rename(directory / "file", directory / "renamed");
    CHECK(environment->identify(directory / "renamed") == first);
}

TEST_CASE("environment: a lock: held by one, waited for, and free when its holder is gone") {
    const TemporaryDirectory directory;
    const auto environment = system_environment();
    auto first = environment->open_lock(directory / "lock");
    auto second = environment->open_lock(directory / "lock");
    REQUIRE(first);
    REQUIRE(second);
    REQUIRE((*first)->lock(milliseconds(0)));
    CHECK((*second)->lock(milliseconds(0)).error() == errc::busy);
    std::thread releaser([&] {
        std::this_thread::sleep_for(milliseconds(30));
        (*first)->unlock();
    });
    CHECK((*second)->lock(milliseconds(10'000)));
    releaser.join();
    CHECK((*first)->lock(milliseconds(0)).error() == errc::busy);
    second->reset();
    CHECK((*first)->lock(milliseconds(0)));
    std::filesystem::create_symlink(directory / "lock", directory / "link");
    CHECK_FALSE(environment->open_lock(directory / "link"));
}
